"""The section of the model card about the heat maps, in Markdown."""

from inference.bundle.manifest import Interval
from inference.bundle.map_evaluation import CENTRE, MapCheck, MapEvaluation, MapScore
from inference.explainers import EXPLAINERS

_BASELINES = {
    "layercam": "LayerCAM (not served)",
    "gradcam, shifted": "Grad-CAM, mean of two shifts (not served, twice the cost)",
    CENTRE: "blob in the centre",
    "edges": "edges of the picture",
    "random": "random cells",
    "other image": "Grad-CAM of another image",
}


def maps_section(maps: MapEvaluation | None) -> str:
    """Whether the heat maps show evidence; without a measurement it says so."""
    if maps is None:
        return "## Do the heat maps show evidence?\n\nNot measured for this bundle.\n"
    verdicts = " ".join(_verdict(maps, name) for name in EXPLAINERS)
    return f"## Do the heat maps show evidence?\n\n{verdicts}\n\n{maps_table(maps)}\n"


def _verdict(maps: MapEvaluation, name: str) -> str:
    score, check = maps.scores[name], maps.checks[name]
    better = "is **better**" if score.beats_the_centre else "is **not shown to be better**"
    worse = " or ".join(measure.replace("_", " ") for measure in maps.not_better_by(name))
    return (
        f"By insertion and deletion {name} {better} than a blob in the centre of the picture, which knows nothing of "
        f"it (advantage {_of(score.advantage)}){f'; it is not better by {worse}' if worse else ''}. With a shuffled "
        f"head its map correlates {_of(check.shuffled_head)} with its own"
        f"{': it hardly depends on what was learnt of the class.' if check.ignores_the_head else '.'}"
    )


def maps_table(maps: MapEvaluation) -> str:
    """Every number, with what was measured on what."""
    names = {name: name for name in EXPLAINERS} | _BASELINES
    return "\n".join([
        f"Measured on {maps.images} of {maps.source}, the same number of each class, with the model as it is served: "
        "the images need not be new to it here. Parts are hidden in the colour of the skin. In brackets: 95 % "
        "intervals by bootstrap over images.\n",
        "| map | insertion (more is better) | deletion (less is better) | advantage over the centre | average drop | "
        "peak inside the lesion | map inside the lesion |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {label} | {' | '.join(_of(getattr(maps.scores[name], field)) for field in MapScore.model_fields)} |"
            for name, label in names.items()
            if name in maps.scores
        ),
        f"\nThe lesion's mask is a threshold on colour, which covers {maps.lesion_share:.0%} of the square in the "
        "mean; it is rough. Rank correlation of a map with the maps of the seven other views of the square, and of "
        "models that know nothing (Adebayo et al. 2018: a map that stays as it is shows the picture, not the model):\n",
        "| map | other views | shuffled head | shuffled network |",
        "| --- | --- | --- | --- |",
        *(
            f"| {name} | {_of(check.views)} | {_of(check.shuffled_head)} | {_of_network(check, maps.images)} |"
            for name, check in maps.checks.items()
        ),
    ])  # fmt: skip


def _of_network(check: MapCheck, images: int) -> str:
    if not check.empty:
        return _of(check.shuffled_network) if check.shuffled_network else "-"
    compared = f"{_of(check.shuffled_network)}, " if check.shuffled_network else "not measured: "
    return f"{compared}no map in {check.empty} of {images} images"


def _of(measured: Interval) -> str:
    return f"{measured.value:.2f} [{measured.low:.2f}, {measured.high:.2f}]"
