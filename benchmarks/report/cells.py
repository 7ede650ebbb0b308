"""Cells and tables of docs/performance.md: numbers and rows as Markdown."""

from collections.abc import Sequence
from typing import Any


def versions(found: dict[str, str]) -> str:
    """Package versions in one cell."""
    return ", ".join(f"{name} {number}" for name, number in sorted(found.items()))


def summary(row: dict[str, Any]) -> list[str]:
    """Median, 99th percentile, spread and n of a summary."""
    return [number(row["median"]), number(row["p99"]), spread(row), str(row["n"])]


def load(row: dict[str, Any]) -> list[str]:
    """Requests a second, p50, p99, n and errors of a load."""
    times = [number(row[each]) if each in row else "" for each in ("p50", "p99")]
    return [number(row["per_second"]), *times, str(row["n"]), errors(row)]


def load_pair(one: dict[str, Any], eight: dict[str, Any]) -> list[str]:
    """One client beside eight: rates, times and errors."""
    rate, p50, *_ = load(one)
    crowd_rate, crowd_p50, p99, *_ = load(eight)
    return [rate, p50, crowd_rate, crowd_p50, p99, " ".join(filter(None, (errors(one), errors(eight))))]


def errors(row: dict[str, Any]) -> str:
    """Errors by status."""
    return ", ".join(f"{count} x {status}" for status, count in row["errors"].items())


def median(row: dict[str, Any] | None) -> str:
    """The median time, or nothing if none was taken."""
    return number(row["p50"]) if row and "p50" in row else ""


def spread(row: dict[str, Any]) -> str:
    """The least and the largest value."""
    return " to ".join(number(value) for value in row["spread"])


def number(value: float) -> str:
    """About three digits."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def route(name: str) -> str:
    """A route as code; other names as they are."""
    return f"`{name}`" if name.startswith("/") else name


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table between two empty lines."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n" + "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines) + "\n"
