"""Reads headers such as Accept and Accept-Language: what a client prefers, with weights (RFC 9110, section 12.4.2)."""

from dataclasses import dataclass, field
from urllib.request import parse_http_list


@dataclass(frozen=True, slots=True)
class Preference:
    """One entry, in lower case: `value` such as "image/*" or "es-ar", its parameters, and its weight from 0 to 1."""

    value: str
    parameters: dict[str, str] = field(default_factory=dict)
    weight: float = 1.0


def read_preferences(header: str) -> list[Preference]:
    """The entries in their order; a weight that is no number counts as 0."""
    return [_read(entry) for entry in parse_http_list(header) if entry.strip()]


def _read(entry: str) -> Preference:
    value, *rest = entry.split(";")
    pairs = (each.partition("=") for each in rest)
    parameters = {name.strip().lower(): text.strip().strip('"').lower() for name, _, text in pairs}
    return Preference(value.strip().lower(), parameters, _weight(parameters.pop("q", "1")))


def _weight(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0
