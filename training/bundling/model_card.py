"""The model card in Markdown, generated from the manifest: no number in it is written by hand."""

from inference.bundle.manifest import HELD_OUT_IMAGES, Data, Interval, ManifestDraft, Metrics
from inference.bundle.map_evaluation import MapEvaluation
from inference.bundle.out_of_distribution import OodEvaluation
from inference.bundle.precision_records import Bfloat16, GraphComparison, Quantisation
from inference.bundle.subgroups import Subgroups
from inference.bundle.uncertainty import Uncertainty
from inference.domain.graph_names import OPENVINO_FP32, OPENVINO_INT8
from inference.domain.taxonomy import BY_CODE, CLASSES
from training.bundling.card_details import details_section
from training.bundling.card_maps import maps_section
from training.bundling.card_metadata import card_header
from training.bundling.card_out_of_distribution import out_of_distribution_section
from training.bundling.card_subgroups import subgroups_section
from training.bundling.card_uncertainty import uncertainty_sections

_OVERALL = {
    "balanced_accuracy": "Balanced accuracy (mean recall of the seven classes)",
    "accuracy": "Accuracy",
    "accuracy_of_always_nv": "Accuracy of always answering nv",
    "macro_f1": "Macro F1",
    "weighted_f1": "Weighted F1",
    "macro_auc": "Macro AUC",
    "malignant_auc": "AUC of the malignant probability",
    "calibration_error": "Expected calibration error (15 bins)",
}

_COMPARED = {
    "balanced_accuracy": "Balanced accuracy",
    "melanoma_recall": "Recall of melanoma",
    "macro_auc": "Macro AUC",
    "calibration_error": "Expected calibration error",
}


def render_card(
    draft: ManifestDraft,
    *,
    ood_evaluation: OodEvaluation | None,
    uncertainty: Uncertainty | None = None,
    maps: MapEvaluation | None = None,
    subgroups: Subgroups | None = None,
) -> str:
    """The card of a bundle, in Markdown; that of an untrained bundle says only that it is untrained.

    `ood_evaluation` belongs to the bundle's out-of-distribution detector, `uncertainty` says what the model does not
    know, `maps` what was measured of the heat maps, `subgroups` of groups of patients; each is None if the bundle has
    none. The card begins with the YAML header of a Hugging Face model card.
    """
    title = f"{card_header(draft, uncertainty)}# Model card: {draft.name}\n"
    precisions = _quantisation(draft.quantisation) + _bfloat16(draft.bfloat16)
    if draft.metrics is None or draft.data is None:
        warning = "This network is **untrained**: its answers mean nothing. It exists for tests and benchmarks.\n"
        return "\n".join((title, warning, *precisions))
    metrics = draft.metrics
    results = (
        _metrics(metrics),
        *uncertainty_sections(uncertainty),
        maps_section(maps),
        *subgroups_section(subgroups),
        *precisions,
        out_of_distribution_section(ood_evaluation, metrics),
    )
    sections = (
        _intended(),
        details_section(draft),
        _network(draft, metrics),
        _data(draft.data),
        *results,
        _limits(metrics),
    )
    return "\n".join((title, *sections))


def _intended() -> str:
    return (
        "**Not a medical device.** For research and teaching. It must not be used to diagnose, to decide on a biopsy "
        "or a treatment, or to reassure anybody.\n"
    )


def _network(draft: ManifestDraft, metrics: Metrics) -> str:
    spec, thresholds = draft.preprocessing, draft.thresholds
    return (
        "## Model\n\n"
        f"{draft.backbone}, global average pooling, one dense layer on logits. Input "
        f"{spec.size} x {spec.size} pixels, fit {spec.fit}. Probabilities are calibrated with temperature "
        f"{draft.temperature:.3f}. Malignant probability is P(mel) + P(bcc) + P(akiec): moderate risk from "
        f"{thresholds.moderate:.4f} (95 % of the malignant {_chosen_on(metrics)} lie at or above), high risk "
        f"from {thresholds.high:.4f} (90 % of the benign ones lie below).\n"
    )


def _chosen_on(metrics: Metrics) -> str:
    """The images that temperature and thresholds were chosen on."""
    return HELD_OUT_IMAGES if metrics.on_held_out_images else "validation images"


def _data(data: Data) -> str:
    counts = ", ".join(f"{code} {count}" for code, count in data.counts.items())
    splits = ", ".join(f"{split} {count}" for split, count in data.images.items())
    terms = "non-commercial use only, with attribution" if "NC" in data.licence else "its terms hold for them too"
    return (
        "## Data\n\n"
        f"{data.name}: {counts}. {data.split} Images: {splits}.\n\n"
        f"{data.citation} Backbone before that: {data.pretraining}\n\n"
        f"Licence of the data: **{data.licence}**. The weights are derived from it: {terms}. The code is under "
        "Apache-2.0.\n"
    )


def _metrics(metrics: Metrics) -> str:
    use = (
        "; how to train and the weight of a melanoma were chosen on them, which flatters the numbers; what else was "
        "fitted to a fold's answers comes from the other folds"
        if metrics.on_held_out_images
        else ", read once"
    )
    lines = [
        "## Results\n",
        f"Measured by `{metrics.command}` on {metrics.source}: {metrics.images} images of "
        f"{metrics.lesions} lesions{use}. In brackets: 95 % intervals by bootstrap over lesions.\n",
        "| | value |",
        "| --- | --- |",
        *(f"| {label} | {_interval(metrics.overall[name])} |" for name, label in _OVERALL.items()),
        "",
        "| class | precision | recall | F1 | AUC |",
        "| --- | --- | --- | --- | --- |",
    ]
    for code in CLASSES:
        cells = (_interval(metrics.per_class[code][name]) for name in ("precision", "recall", "f1", "auc"))
        lines.append(f"| {code}: {BY_CODE[code].en} | {' | '.join(cells)} |")
    lines += [
        "\nConfusion matrix (rows: true, columns: predicted):\n",
        f"| | {' | '.join(CLASSES)} |",
        "| --- |" + " ---: |" * len(CLASSES),
        *(f"| {code} | {' | '.join(map(str, row))} |" for code, row in zip(CLASSES, metrics.confusion, strict=True)),
        "",
    ]
    return "\n".join(lines)


def _quantisation(quantisation: Quantisation | None) -> list[str]:
    """The section about the int8 graph; no section if the bundle has none."""
    return [f"## The int8 graph\n\n{quantisation_table(quantisation)}\n"] if quantisation else []


def quantisation_table(quantisation: Quantisation) -> str:
    """How the int8 graph was made and how it compares with the fp32 graph, in Markdown."""
    fp32, int8 = (f"{quantisation.bytes[graph] / 1e6:.1f}" for graph in (OPENVINO_FP32, OPENVINO_INT8))
    origin = (
        f"Made by {quantisation.method}, ranges from {quantisation.calibration}. Weights: {int8} MB, of fp32 {fp32} MB."
    )
    if quantisation.comparison is None:
        return f"{origin} It was **not gated**: its accuracy was not measured, only its speed can be relied on."
    unseen = ", none of which was used for calibration"
    return f"{origin} It passed its gate. {_comparison(quantisation.comparison, unseen)}"


def _bfloat16(measured: Bfloat16 | None) -> list[str]:
    """The section about bfloat16; no section if it was not measured."""
    return [f"## In bfloat16\n\n{bfloat16_table(measured)}\n"] if measured else []


def bfloat16_table(measured: Bfloat16) -> str:
    """How the graph in bfloat16 compares with itself in fp32, in Markdown."""
    origin = "The fp32 graph, computed in bfloat16 where the processor has instructions for it."
    if measured.comparison is None:
        return f"{origin} It was **not gated**: its accuracy was not measured, only its speed can be relied on."
    return f"{origin} It passed its gate. {_comparison(measured.comparison)}"


def _comparison(comparison: GraphComparison, unseen: str = "") -> str:
    heat_maps = comparison.heat_maps
    rows = [
        f"| {label} | {' | '.join(f'{getattr(numbers, name):.4f}' for numbers in comparison.graphs.values())} |"
        for name, label in _COMPARED.items()
    ]
    return "\n".join([
        f"Both on {comparison.images} {comparison.source}{unseen}:\n",
        f"| | {' | '.join(comparison.graphs)} |",
        "| --- |" + " ---: |" * len(comparison.graphs),
        *rows,
        f"\nBoth predict the same class for {comparison.same_class:.1%} of the images. Grad-CAM++ maps of that class: "
        f"rank correlation {heat_maps.rank_correlation:.3f} in the mean of {heat_maps.images} images, at least "
        f"{heat_maps.rank_correlation_of_95_percent:.3f} in 95 % of them; the peak is in another cell in "
        f"{heat_maps.peak_moved:.1%}.",
    ])  # fmt: skip


def _interval(interval: Interval) -> str:
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _limits(metrics: Metrics) -> str:
    balanced = (
        metrics.on_held_out_images
    )  # networks of a cross-validation are rebalanced, see evaluation/calibration.py
    return (
        "## Limits\n\n"
        "- Seven classes only: whatever else is on the skin is forced into one of them.\n"
        "- Dermoscopic images of HAM10000's kind only (two clinics, in Austria and Australia, mostly light skin); "
        "clinical photographs, other devices and darker skin were not measured.\n"
        "- The rare classes have few images: their intervals are wide.\n"
        + (
            "- Every class counts the same, however rare: rare diagnoses are named more often than they occur. Only "
            "the probability of the answer is calibrated; those of the rare classes, and with them the malignant "
            "probability, are higher than their frequency.\n"
            if balanced
            else "- Probabilities follow how often each class occurs in the data set, which is not how often it occurs "
            "in any practice. If training gave rare classes more weight, their probabilities, and with them the "
            "malignant probability, are higher than their frequency.\n"
        )
        + "- A heat map shows where evidence for a class lies in the network's last features. It is coarse, and no "
        "proof that the reason is a medical one.\n"
    )
