"""The targets of serving speed, each worked out from what the benchmarks found: allowed, measured, met or not.

A figure that was not taken, because the bundle has no int8 graph or no peer came up, is "not measured" and never met.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.explanations import EAGER, TRACED

Results = Mapping[str, Any]  # benchmark -> its JSON line
OF_RUNTIME = {"fp32": 1.08, "int8": 1.15}
ABOVE_PREDICT_MS = {"/explain?render=heatmap": 6.0, "/explain": 25.0, "/explain?target=all&render=heatmap": 20.0}
OF_BEST_PEER = {"fp32": 2.5, "int8": 6}
EAGER_TAPE, TRACED_TAPE = 10, {"fp32": 1.3, "int8": 3}
PREPARED_MS = {"decode and fit to 480, 600 x 450": 10, "all that comes before the model, 12 megapixels": 80}
READY_S = {"V2M fp32": 5.0, "V2M int8": 6.0, "starter": 4.0}
ANSWERED_S = {"V2M fp32": 2.5, "V2M int8": 2.5, "starter": 1.5}
STARTER_ABOVE_MS = {"/predict": 3.5, "/explain": 8.0}
BF16_OF_FP32 = 2.2


@dataclass(frozen=True, slots=True)
class Target:
    """What was promised and what was found; `measured` None was not taken."""

    what: str
    sense: Literal["at most", "at least"]
    bound: float
    measured: float | None
    unit: str = ""

    @property
    def verdict(self) -> str:
        """yes; no, by how much; or not measured."""
        if self.measured is None:
            return "not measured"
        short = self.measured - self.bound if self.sense == "at most" else self.bound - self.measured
        return "yes" if short <= 0 else f"**no**, by {short:.3g}{self.unit}"


def targets(results: Results) -> list[Target]:
    """All of them, in the order in which they were set."""
    return [
        *_around(results),
        *_one_client(results),
        *_crowd(results),
        *_precisions(results),
        *_peers(results),
        *_explanations(results),
        *_startup(results),
    ]


def best_peer(results: Results) -> tuple[str, float] | None:
    """The fastest peer with the Keras model behind eight clients, and its requests a second; None if none came up."""
    rates = {
        name: row["eight"]["per_second"]
        for name, row in results["peers"]["peers"].items()
        if name.endswith(", keras") and "skipped" not in row
    }
    return max(rates.items(), key=lambda one: one[1]) if rates else None


def _around(results: Results) -> Iterator[Target]:
    for step, bound in PREPARED_MS.items():
        found = results["drawing"]["milliseconds"][step]["median"]
        yield Target(step, "at most", bound, found, " ms")


def _one_client(results: Results) -> Iterator[Target]:
    models = results["http"]["models"]
    for precision, bound in OF_RUNTIME.items():
        found = _of(models, f"V2M {precision}", lambda m: m["one_client"]["/predict"]["of_runtime_call"]["median"])
        yield Target(f"`/predict` of the runtime call, one client, V2M {precision}", "at most", bound, found, " x")
    for route, above in ABOVE_PREDICT_MS.items():
        for precision in OF_RUNTIME:
            found = _above_predict(models, f"V2M {precision}", route)
            yield Target(f"`{route}` above `/predict`, one client, V2M {precision}", "at most", above, found, " ms")
    for route, above in STARTER_ABOVE_MS.items():
        found = _above_runtime(models, "starter", route)
        yield Target(f"`{route}` above the runtime call, one client, starter", "at most", above, found, " ms")


def _crowd(results: Results) -> Iterator[Target]:
    models = results["http"]["models"]
    for precision in OF_RUNTIME:
        crowd = f"8 clients, V2M {precision}"
        found = _of(models, f"V2M {precision}", lambda m: m["eight_and_bare"]["of_best"]["median"])
        yield Target(f"throughput of the runtime's own best, {crowd}", "at least", 0.92, found, " x")
        found = _of(models, f"V2M {precision}", lambda m: m["eight_and_bare"]["p99_of_fair"])
        yield Target(f"p99 of 8 / throughput, {crowd}", "at most", 1.3, found, " x")


def _precisions(results: Results) -> Iterator[Target]:
    in_bf16 = results["precisions"]["models"].get("V2M", {}).get("precisions", {}).get("bf16")
    found = float(in_bf16["8"]["of_fp32"]["median"]) if in_bf16 else None
    yield Target("throughput of fp32, 8 clients, V2M bf16", "at least", BF16_OF_FP32, found, " x")


def _peers(results: Results) -> Iterator[Target]:
    best = best_peer(results)
    for precision, bound in OF_BEST_PEER.items():
        rounds = results["peers"]["ours"].get(f"Lunar {precision}")
        rates = sorted(each["eight"]["per_second"] for each in rounds or [])
        found = rates[len(rates) // 2] / best[1] if rates and best else None
        yield Target(f"throughput of the best Keras peer, 8 clients, V2M {precision}", "at least", bound, found, " x")


def _explanations(results: Results) -> Iterator[Target]:
    ratios = results["explanations"]["tape_of_ours"]
    for tape, bounds in ((EAGER, dict.fromkeys(TRACED_TAPE, EAGER_TAPE)), (TRACED, TRACED_TAPE)):
        for precision, bound in bounds.items():
            name = f"closed form, {precision}"
            found = float(ratios[name][tape]["median"]) if name in ratios else None
            yield Target(f"{tape}, of the closed form in {precision}", "at least", bound, found, " x")


def _startup(results: Results) -> Iterator[Target]:
    models = results["startup"]["models"]
    for name, bound in READY_S.items():
        found = _of(models, name, lambda m: m["warm"]["ready"]["median"])
        yield Target(f"start of the process to ready, {name}", "at most", bound, found, " s")
    for name, bound in ANSWERED_S.items():
        found = _of(models, name, lambda m: m["warm"]["answered"]["median"])
        yield Target(f"start of the process to the first answer, {name}", "at most", bound, found, " s")
    found = _of(models, "V2M int8", lambda m: m["resident_mb"])
    yield Target("resident memory, V2M int8", "at most", 700, found, " MB")


def _above_predict(models: Mapping[str, Any], name: str, route: str) -> float | None:
    return _of(models, name, lambda model: model["one_client"][route]["above_predict"]["median"])


def _above_runtime(models: Mapping[str, Any], name: str, route: str) -> float | None:
    return _of(models, name, lambda model: model["one_client"][route]["above_runtime_call"]["median"])


def _of(found: Mapping[str, Any], name: str, read: Callable[[Any], float]) -> float | None:
    return float(read(found[name])) if name in found else None
