"""Runtimes: what executes a bundle's graph. One protocol, one lazy table, one rule for choosing."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from inference.bundle import Bundle
from inference.probability import softmax
from inference.runtimes.processor import sums_int8_exactly

Precision = Literal["fp32", "int8"]
Wanted = Literal["auto", "fp32", "int8"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outputs:
    """One forward pass: logits float32 [n, 7] and the last feature map float32 [n, h, w, C]."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]


class Runtime(Protocol):
    """Executes one graph of a bundle. Of more than `batch` images a call no image gets cheaper. `reason` is a sentence,
    for anybody: why this runtime and this precision.
    """

    name: str
    graph: str
    precision: Precision
    reason: str
    batch: int

    def run(self, batch: NDArray[np.uint8]) -> Outputs:
        """uint8 [n, size, size, 3] -> Outputs. Safe to call from one thread at a time."""


class RuntimeUnavailable(RuntimeError):
    """The runtime is unknown, not installed, or the bundle has no graph for it."""


class GoldenMismatch(RuntimeError):
    """The runtime does not reproduce the bundle's golden cases."""


# Order is the preference of "auto": OpenVINO is the faster one on CPUs, TensorFlow the reference and for GPUs.
RUNTIMES: dict[str, str] = {
    "openvino": "inference.runtimes.openvino:OpenVinoRuntime",
    "tensorflow": "inference.runtimes.tensorflow:TensorFlowRuntime",
}


def open_runtime(bundle: Bundle, *, name: str = "auto", precision: Wanted = "auto") -> Runtime:
    """Load the bundle's graph, warm it up and replay the golden cases.

    "auto" takes the first row of RUNTIMES that is installed and passes, and int8 only where nothing is known against
    it. Raises RuntimeUnavailable, GoldenMismatch.
    """
    if name != "auto":
        return _choose_precision(bundle, name, precision, why=f"{name} was asked for")
    refusals: list[str] = []
    for candidate in RUNTIMES:
        try:
            why = f"{candidate} is the {'next' if refusals else 'first'} choice, and runs here"
            return _choose_precision(bundle, candidate, precision, why=why)
        except (RuntimeUnavailable, GoldenMismatch) as error:
            refusals.append(str(error))
    raise RuntimeUnavailable(" ".join(refusals))


def _choose_precision(bundle: Bundle, name: str, wanted: Wanted, *, why: str) -> Runtime:
    if wanted != "auto":
        return _load(bundle, name, wanted, reason=f"{why}; {wanted} was asked for.")
    doubt = _doubt(bundle, name)
    if doubt is None:
        try:
            passed = "the bundle's int8 graph passed its gate and reproduces the golden cases"
            return _load(bundle, name, "int8", reason=f"{why}; int8 because {passed}.")
        except (RuntimeUnavailable, GoldenMismatch) as error:
            log.warning("int8 is not used", extra={"reason": str(error)})
            missed = isinstance(error, GoldenMismatch)
            doubt = f"its int8 graph {'misses the golden cases' if missed else 'cannot be loaded'} here"
    return _load(bundle, name, "fp32", reason=f"{why}; fp32 because {doubt}.")


def _doubt(bundle: Bundle, name: str) -> str | None:
    """What speaks against int8 before it is tried."""
    made = bundle.manifest.quantisation
    if name != "openvino":
        return f"{name} has no int8"
    if "openvino-int8" not in bundle.manifest.graphs:
        return "the bundle has no int8 graph"
    if made is None or not made.gated:
        return "the bundle's int8 graph passed no gate"
    if not sums_int8_exactly():
        return "this processor has no int8 dot products (VNNI), and what it has instead may overflow"
    return None


def verify(runtime: Runtime, bundle: Bundle) -> float:
    """Replay the golden cases, together and the first alone, which may be executed differently; the largest difference
    of a probability. Raises GoldenMismatch beyond the tolerance.
    """
    images, expected = bundle.golden.images, bundle.golden.logits
    got = np.concatenate([runtime.run(images).logits, runtime.run(images[:1]).logits])
    difference = float(np.abs(softmax(got) - softmax(np.concatenate([expected, expected[:1]]))).max())
    tolerance = bundle.manifest.graphs[runtime.graph].tolerance
    if not difference <= tolerance:  # written so that a NaN is refused too
        raise GoldenMismatch(f"{runtime.name} misses the golden cases by {difference:.2g}; allowed: {tolerance:g}.")
    return difference


def _load(bundle: Bundle, name: str, precision: Precision, *, reason: str) -> Runtime:
    if name not in RUNTIMES:
        raise RuntimeUnavailable(f"There is no runtime {name!r}; allowed: auto, {', '.join(RUNTIMES)}.")
    if find_spec(name) is None:  # a row has the name of the package that it needs
        raise RuntimeUnavailable(f"{name} is not installed.")
    module, _, attribute = RUNTIMES[name].partition(":")
    try:
        factory: Callable[[Bundle, Precision], Runtime] = getattr(import_module(module), attribute)
        runtime = factory(bundle, precision)
    except RuntimeUnavailable:
        raise
    except Exception as error:
        raise RuntimeUnavailable(f"{name} cannot load the bundle's graph: {error}") from error
    verify(runtime, bundle)
    runtime.reason = reason
    return runtime


def require_graph(bundle: Bundle, graph: str) -> str:
    """The path of a graph inside the bundle. Raises RuntimeUnavailable naming the graphs that are there."""
    graphs = bundle.manifest.graphs
    if graph not in graphs:
        raise RuntimeUnavailable(f"The bundle has no graph {graph}; present: {', '.join(graphs)}.")
    return str(bundle.path / graphs[graph].path)
