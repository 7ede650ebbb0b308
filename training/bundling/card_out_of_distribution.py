"""The section of the model card about images that the model was not made for, in Markdown."""

from inference.bundle.manifest import HELD_OUT_IMAGES, Interval, Metrics
from inference.bundle.out_of_distribution import FarEvaluation, OodEvaluation

_KINDS = {
    "pictures": "portrait, gift, logos, test patterns",
    "faces": "faces at 25 pixels",
    "digits": "handwritten digits at 8 pixels",
    "documents": "pages of text",
    "textures": "noise, stripes, squares and slopes, half of them in colours of skin",
}

# The figures of `python -m benchmarks.left_out`; docs/evaluation.md has all of them.
_NEAR = (
    "**Near** images are hardly told apart. A diagnosis or a source that the model never saw cannot be measured "
    "with its own networks; small ones of the starter's kind were trained without (`python -m "
    "benchmarks.left_out`). Without dermatofibromas in training, the warning is given to 7.8 % [2.7, 14.7] of them; "
    "without vascular lesions, to 9.9 % [4.8, 16.2]: hardly more often than to what was known. On images of a "
    "source that training did not have, mean recall is lower by .085 to .201, depending on the source, and the "
    "malignant AUC by .058 to .151. Expect less of another clinic's images than the numbers above.\n\n"
)


def out_of_distribution_section(ood: OodEvaluation | None, metrics: Metrics) -> str:
    """Without a detector one sentence says so."""
    heading = "## Images that it was not made for\n\n"
    if ood is None:
        return f"{heading}It **cannot tell** them: no image gets the warning `out_of_distribution`.\n"
    chosen_on = HELD_OUT_IMAGES if metrics.on_held_out_images else "validation images"
    measured_on = HELD_OUT_IMAGES if metrics.on_held_out_images else "test images"
    auc, windows_auc = _of(ood.auc), _of(ood.windows_auc)
    return (
        f"{heading}"
        "The warning `out_of_distribution` means that an image's features lie off the main directions of the training "
        f"images' features: sin^2 of the angle above {ood.threshold:.4f}. {ood.validation_kept:.1%} of the "
        f"{chosen_on}, which the threshold was chosen on, stay below it; {ood.test_flagged:.1%} of the "
        f"{measured_on} are flagged.\n\n"
        f"Against the {ood.photos} photos in {ood.source}, which are no dermoscopy: AUROC {auc} with the "
        f"{measured_on}, intervals by bootstrap over lesions and photos; {ood.flagged} of {ood.photos} photos are "
        f"flagged, and {ood.confident} of them pass without the warning and with medium or high confidence. "
        f"With their four corners as images of their own: AUROC {windows_auc}, {ood.windows_flagged} of "
        f"{ood.windows} flagged. The score was chosen on these photos: the numbers flatter it.\n\n"
        f"{_far(ood.far, measured_on)}"
        f"{_NEAR}"
        "None of the packages that training installs ships clinical photographs of skin. **No warning is no proof** "
        "that the model knows what it sees.\n"
    )


def _far(far: FarEvaluation | None, measured_on: str) -> str:
    if far is None:
        return "Images that did not choose the score were not measured for this bundle.\n\n"
    return "\n".join([
        f"Other images **far** from dermoscopy, which chose nothing. Of the {measured_on}, {_of(far.false_flags)} are "
        "flagged by a threshold that was chosen on others.\n",
        "| images | how many | AUROC | flagged |",
        "| --- | ---: | --- | --- |",
        *(
            f"| {_KINDS.get(name, name)} ({kind.source}) | {kind.images} | {_of(kind.auc)} | {_of(kind.flagged)} |"
            for name, kind in far.kinds.items()
        ),
        "\nThe area (1.000 is rounded) compares scores of single networks on both sides, with intervals by bootstrap "
        "over lesions and images. Flagged are shares under the threshold and the network that are served, with exact "
        "binomial intervals. Drawn images are a sample of what the program draws and of nothing else.\n\n",
    ])  # fmt: skip


def _of(interval: Interval) -> str:
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
