"""Comparisons of graphs as the gate receives them, and methods that only pretend to quantise."""

import shutil
from collections.abc import Callable
from pathlib import Path

from inference.bundle.precision_records import GraphComparison, GraphNumbers, HeatMaps
from inference.bundle.storage import Bundle

GOOD = GraphNumbers(balanced_accuracy=0.75, melanoma_recall=0.72, macro_auc=0.95, calibration_error=0.02)


def compared(**changes: float) -> GraphComparison:
    """A comparison in which int8 has these numbers in place of those of fp32."""
    maps = HeatMaps(images=9, rank_correlation=1, rank_correlation_of_95_percent=1, peak_moved=0)
    graphs = {"openvino-fp32": GOOD, "openvino-int8": GOOD.model_copy(update=changes)}
    return GraphComparison(source="validation images", images=9, graphs=graphs, same_class=1, heat_maps=maps)


def fake_ways(bundle: Bundle, *names: str) -> Callable[..., object]:
    """Ways to quantise that copy the fp32 graph."""

    def copy(path: Path) -> None:
        for suffix in (".xml", ".bin"):
            shutil.copy(bundle.path / f"graphs/openvino-fp32{suffix}", path.with_suffix(suffix))

    return lambda *_: ((name, copy) for name in names)
