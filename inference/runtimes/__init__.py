"""Runtimes, which execute a bundle's graph: the protocol, the table of implementations, and the choice among them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inference.bundle.storage import Bundle
from inference.domain.graph_names import Precision, RequestedPrecision
from inference.domain.probability import softmax
from inference.runtimes.compiled_graphs import with_compiled_graph
from inference.runtimes.precisions import FASTER, PASSED

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outputs:
    """One forward pass: logits float32 [n, 7] and the last feature map float32 [n, h, w, C]."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]


class Runtime(Protocol):
    """Executes one graph of a bundle."""

    @property
    def name(self) -> str:
        """Its key in RUNTIMES."""

    @property
    def graph(self) -> str:
        """Key of the graph in the manifest."""

    @property
    def precision(self) -> Precision:
        """Precision in which it is computed."""

    @property
    def reason(self) -> str:
        """Why this runtime and this precision were chosen: one sentence, safe to show to anybody."""

    @property
    def batch(self) -> int:
        """Images a call beyond which the time per image does not fall any more."""

    def run(self, batch: NDArray[np.uint8]) -> Outputs:
        """uint8 [n, size, size, 3] -> Outputs. Not thread-safe: one call at a time."""


Create = Callable[[Bundle, Precision, str], Runtime]  # the last is its `reason`


class RuntimeUnavailable(RuntimeError):
    """The runtime is unknown, not installed, or the bundle has no graph for it."""


class GoldenMismatch(RuntimeError):
    """The runtime does not reproduce the bundle's golden cases."""


# "auto" tries them in this order: OpenVINO is faster on CPUs; TensorFlow is the reference and uses GPUs.
RUNTIMES: dict[str, str] = {
    "openvino": "inference.runtimes.openvino:OpenVinoRuntime",
    "tensorflow": "inference.runtimes.tensorflow:TensorFlowRuntime",
}
# What serving does not install; TensorFlow 2.21 has no wheels for Python 3.14.
INSTALLED_BY = {"tensorflow": " requirements-training.lock installs it, on Python 3.11, 3.12 and 3.13."}


def open_runtime(bundle: Bundle, *, name: str = "auto", precision: RequestedPrecision = "auto") -> Runtime:
    """Load a graph of the bundle, warm it up and replay the golden cases.

    For the name "auto", the first of RUNTIMES that is installed and reproduces the golden cases is taken. For the
    precision "auto", the first of FASTER is taken that passed its gate, reproduces the golden cases, and suits the
    processor; otherwise fp32. Raises RuntimeUnavailable, GoldenMismatch.
    """
    if name != "auto":
        return _choose_precision(bundle, name, precision, why=f"{name} was requested")
    refusals: list[str] = []
    for runtime in RUNTIMES:
        try:
            why = f"{runtime} is the {'next' if refusals else 'first'} choice, and runs here"
            return _choose_precision(bundle, runtime, precision, why=why)
        except (RuntimeUnavailable, GoldenMismatch) as error:
            refusals.append(str(error))
    raise RuntimeUnavailable(" ".join(refusals))


def _choose_precision(bundle: Bundle, name: str, precision: RequestedPrecision, *, why: str) -> Runtime:
    if precision != "auto":
        return _load(bundle, name, precision, reason=f"{why}; {precision} was requested.")
    objections: list[str] = []
    for faster, object_to in FASTER.items():
        objection = f"{name} does not support {faster}" if name != "openvino" else object_to(bundle.manifest)
        if objection is None:
            because = [*objections, f"{PASSED[faster]} passed its gate and reproduces the golden cases"]
            try:
                return _load(bundle, name, faster, reason=f"{why}; {faster} because {' and '.join(because)}.")
            except (RuntimeUnavailable, GoldenMismatch) as error:
                objection = _describe_failure(faster, error)
        objections.append(objection)
    return _load(bundle, name, "fp32", reason=f"{why}; fp32 because {' and '.join(objections)}.")


def _describe_failure(precision: Precision, error: Exception) -> str:
    """A clause that is safe to show to anybody; the log has the error itself."""
    log.warning("%s is not used", precision, extra={"reason": str(error)})
    fault = "misses the golden cases" if isinstance(error, GoldenMismatch) else "cannot be loaded"
    return f"{PASSED[precision]} {fault} here"


def verify_golden_cases(runtime: Runtime, bundle: Bundle) -> float:
    """The largest difference of a probability from the golden cases, without temperature.

    They are run as one batch, and the first one alone, because a runtime may execute a single image differently. Raises
    GoldenMismatch beyond the graph's tolerance.
    """
    images, expected = bundle.golden.images, bundle.golden.logits
    logits = np.concatenate([runtime.run(images).logits, runtime.run(images[:1]).logits])
    difference = float(np.abs(softmax(logits) - softmax(np.concatenate([expected, expected[:1]]))).max())
    tolerance = bundle.manifest.tolerance(runtime.graph, runtime.precision)
    if not difference <= tolerance:  # this way round, NaN is refused as well
        raise GoldenMismatch(f"{runtime.name} misses the golden cases by {difference:.2g}; allowed: {tolerance:g}.")
    return difference


def _load(bundle: Bundle, name: str, precision: Precision, *, reason: str) -> Runtime:
    if name not in RUNTIMES:
        raise RuntimeUnavailable(f"There is no runtime {name!r}; allowed: auto, {', '.join(RUNTIMES)}.")
    if find_spec(name) is None:  # runtimes are named after the package that they need
        raise RuntimeUnavailable(f"{name} is not installed.{INSTALLED_BY.get(name, '')}")
    try:
        module, _, attribute = RUNTIMES[name].partition(":")
        create: Create = getattr(import_module(module), attribute)
    except Exception as error:
        raise RuntimeUnavailable(f"{name} cannot be imported: {error}") from error
    compiler = getattr(create, "compiler", None)  # of a runtime whose compiled graphs are kept
    return with_compiled_graph(
        bundle.compiled if compiler else None,
        (bundle.manifest.digest, name, precision, str(compiler)),
        lambda folder: _open_verified(create, replace(bundle, compiled=folder), name, precision, reason),
    )


def _open_verified(create: Create, bundle: Bundle, name: str, precision: Precision, reason: str) -> Runtime:
    """A runtime that reproduces the golden cases."""
    try:
        runtime = create(bundle, precision, reason)
    except RuntimeUnavailable:
        raise
    except Exception as error:
        raise RuntimeUnavailable(f"{name} cannot load the bundle's graph: {error}") from error
    verify_golden_cases(runtime, bundle)
    return runtime


def require_graph(bundle: Bundle, graph: str) -> str:
    """The path of a graph's file. Raises RuntimeUnavailable, which names the graphs that the bundle has."""
    graphs = bundle.manifest.graphs
    if graph not in graphs:
        raise RuntimeUnavailable(f"The bundle has no graph {graph}; present: {', '.join(graphs)}.")
    return str(bundle.path / graphs[graph].path)
