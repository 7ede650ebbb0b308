"""What was measured of the heat maps (maps.json): whether they show what the answer depends on."""

from pydantic import Field

from inference.bundle.manifest import Interval, StrictModel

HARDLY_CHANGED = 0.5  # a rank correlation above it
CENTRE = "centre"  # the baseline that knows nothing of the image: a blob in its centre


class MapScore(StrictModel):
    """One kind of map, means over the images with 95 % intervals by bootstrap over images.

    `insertion` and `deletion`: area under the answer's probability while the most important parts are shown first, or
    hidden first; more is better of the first, less of the second. `advantage`: by how much insertion minus deletion
    exceeds that of the centre blob, on the same images. `average_drop`: loss of probability when only the map's parts
    are shown. `peak_inside`, `inside`: share of peaks, and of the map's sum, inside the lesion.
    """

    insertion: Interval
    deletion: Interval
    advantage: Interval
    average_drop: Interval
    peak_inside: Interval
    inside: Interval

    @property
    def beats_the_centre(self) -> bool:
        """Whether the whole interval of the advantage is above 0."""
        return self.advantage.low > 0


class MapCheck(StrictModel):
    """Rank correlations of an explainer's map, in cells of the last features, with the map of a changed input or model.

    `views`: of the seven other views of the square, turned back; high is stable. `shuffled_head`, `shuffled_network`:
    of a model whose head, or whose convolutions too, have shuffled weights (Adebayo et al., NeurIPS 2018): low is
    right, because such a model knows nothing. `empty`: images for which the shuffled network has no map, which are
    not compared; `shuffled_network` is None if they all are.
    """

    views: Interval
    shuffled_head: Interval
    shuffled_network: Interval | None
    empty: int = Field(0, ge=0)

    @property
    def ignores_the_head(self) -> bool:
        """Whether shuffling the weights that tell the classes apart hardly changes the map."""
        return self.shuffled_head.value > HARDLY_CHANGED


class MapEvaluation(StrictModel):
    """`scores` by explainer or baseline, `checks` by explainer; `images` were drawn from `source`."""

    images: int = Field(ge=1)
    source: str
    lesion_share: float = Field(ge=0, le=1, description="Mean share of the square that the lesion's mask covers")
    scores: dict[str, MapScore]
    checks: dict[str, MapCheck]

    def not_better_by(self, name: str) -> tuple[str, ...]:
        """Of average_drop (less is better) and peak_inside, those in which the mean is not better than the centre's."""
        own, centre = self.scores[name], self.scores[CENTRE]
        better = {
            "average_drop": own.average_drop.value < centre.average_drop.value,
            "peak_inside": own.peak_inside.value > centre.peak_inside.value,
        }
        return tuple(measure for measure, is_better in better.items() if not is_better)
