"""What a manifest says of precisions other than fp32: how int8 was made, and how int8 and bf16 compare with fp32."""

from pydantic import Field, model_validator

from inference.bundle.strict_model import StrictModel
from inference.domain.graph_names import OPENVINO_BF16


class GraphNumbers(StrictModel):
    """Metrics of one graph, calibrated with the bundle's temperature."""

    balanced_accuracy: float
    melanoma_recall: float
    macro_auc: float
    calibration_error: float


class HeatMaps(StrictModel):
    """Agreement of another precision's Grad-CAM++ maps with those of fp32, for the class that fp32 predicts, in cells.

    `rank_correlation` is the mean of Spearman's coefficient over `images`; 95 % of the images reach
    `rank_correlation_of_95_percent`. `peak_moved` is the share of images whose largest value is in another cell. Images
    whose fp32 map is constant are left out.
    """

    images: int
    rank_correlation: float
    rank_correlation_of_95_percent: float
    peak_moved: float


class GraphComparison(StrictModel):
    """fp32 and one other precision on the same images.

    `same_class` is the share of images for which both predict the same class.
    """

    source: str
    images: int
    graphs: dict[str, GraphNumbers]
    same_class: float
    heat_maps: HeatMaps


class Quantisation(StrictModel):
    """How the int8 graph was made from the fp32 graph, and how they compare.

    `gated`: the comparison stayed within the gate's limits; otherwise the accuracy of the int8 graph was not checked.
    `bytes`: size of the weights by graph.
    """

    method: str
    calibration: str
    gated: bool
    comparison: GraphComparison | None
    bytes: dict[str, int]

    @model_validator(mode="after")
    def _compared(self) -> "Quantisation":
        if self.gated and self.comparison is None:
            raise ValueError("a gated graph needs a comparison")
        return self


class Bfloat16(StrictModel):
    """The fp32 graph computed in bfloat16, compared with itself in fp32.

    `tolerance`: the largest allowed difference of a golden probability in bfloat16. `gated`: the comparison stayed
    within the gate's limits; otherwise the accuracy in bfloat16 was not checked.
    """

    tolerance: float = Field(gt=0, lt=1)
    gated: bool
    comparison: GraphComparison | None

    @model_validator(mode="after")
    def _compared(self) -> "Bfloat16":
        if self.gated and (self.comparison is None or OPENVINO_BF16 not in self.comparison.graphs):
            raise ValueError(f"a gated precision needs a comparison with {OPENVINO_BF16}")
        return self
