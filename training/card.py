"""The model card, generated from what the manifest says, so that no number is written by hand."""

from collections.abc import Mapping
from typing import Any

from inference.novelty import Trial
from inference.taxonomy import BY_CODE, CLASSES
from training.evaluation import HELD_OUT_IMAGES

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


def render_card(description: Mapping[str, Any], *, trial: Trial | None) -> str:
    """Markdown. An untrained bundle gets a card that says so and nothing else; `trial` is that of its novelty."""
    title = f"# Model card: {description['name']}\n"
    if not description["trained"]:
        words = "This network is **untrained**: its answers mean nothing. It exists for tests and benchmarks.\n"
        return "\n".join((title, words, *_quantisation(description)))
    results = (_metrics(description), *_quantisation(description), _novelty(trial, description))
    sections = (_intended(), _network(description), _data(description), *results, _limits(description))
    return "\n".join((title, *sections))


def _intended() -> str:
    return (
        "**Not a medical device.** For research and teaching. It must not be used to diagnose, to decide on a biopsy "
        "or a treatment, or to reassure anybody.\n"
    )


def _network(description: Mapping[str, Any]) -> str:
    spec, thresholds = description["preprocessing"], description["thresholds"]
    return (
        "## Model\n\n"
        f"{description['backbone']}, global average pooling, one dense layer on logits. Input "
        f"{spec['size']} x {spec['size']} pixels, fit {spec['fit']}. Probabilities are calibrated with temperature "
        f"{description['temperature']:.3f}. Malignant probability is P(mel) + P(bcc) + P(akiec): moderate risk from "
        f"{thresholds['moderate']:.4f} (95 % of the malignant {_chosen_on(description)} lie at or above), high risk "
        f"from {thresholds['high']:.4f} (90 % of the benign ones lie below).\n"
    )


def _chosen_on(description: Mapping[str, Any]) -> str:
    held_out: str = description["metrics"]["source"]
    return held_out if held_out == HELD_OUT_IMAGES else "validation images"


def _data(description: Mapping[str, Any]) -> str:
    data = description["data"]
    counts = ", ".join(f"{code} {count}" for code, count in data["counts"].items())
    parts = ", ".join(f"{part} {count}" for part, count in data["images"].items())
    return (
        "## Data\n\n"
        f"{data['name']}: {counts}. {data['split']} Images: {parts}.\n\n"
        f"{data['citation']} Backbone before that: {data['pretraining']}\n\n"
        f"Licence of the data: **{data['licence']}**. The weights are derived from it: non-commercial use only, with "
        "attribution. The code is under Apache-2.0.\n"
    )


def _metrics(description: Mapping[str, Any]) -> str:
    metrics = description["metrics"]
    how = (
        "; how to train and the weight of a melanoma were chosen on them, which flatters the numbers; what else was "
        "fitted to a fold's answers comes from the other folds"
        if metrics["source"] == HELD_OUT_IMAGES
        else ", read once"
    )
    lines = [
        "## Results\n",
        f"Measured by `{metrics['command']}` on {metrics['source']}: {metrics['images']} images of "
        f"{metrics['lesions']} lesions{how}. In brackets: 95 % intervals by bootstrap over lesions.\n",
        "| | value |",
        "| --- | --- |",
        *(f"| {words} | {_interval(metrics['overall'][name])} |" for name, words in _OVERALL.items()),
        "",
        "| class | precision | recall | F1 | AUC |",
        "| --- | --- | --- | --- | --- |",
    ]
    for code in CLASSES:
        cells = (_interval(metrics["per_class"][code][name]) for name in ("precision", "recall", "f1", "auc"))
        lines.append(f"| {code}: {BY_CODE[code].en} | {' | '.join(cells)} |")
    lines += [
        "\nConfusion matrix (rows: true, columns: predicted):\n",
        f"| | {' | '.join(CLASSES)} |",
        "| --- |" + " ---: |" * len(CLASSES),
        *(f"| {code} | {' | '.join(map(str, row))} |" for code, row in zip(CLASSES, metrics["confusion"], strict=True)),
        "",
    ]
    return "\n".join(lines)


def _quantisation(description: Mapping[str, Any]) -> list[str]:
    """One section if there is an int8 graph, else none."""
    made = description.get("quantisation")
    return [f"## The int8 graph\n\n{quantisation_table(made)}\n"] if made else []


def quantisation_table(made: Mapping[str, Any]) -> str:
    """What the manifest says of the int8 graph, beside the fp32 graph, as Markdown."""
    size = {graph: f"{count / 1e6:.1f}" for graph, count in made["bytes"].items()}
    fp32, int8 = size["openvino-fp32"], size["openvino-int8"]
    how = f"Made by {made['method']}, ranges from {made['calibration']}. Weights: {int8} MB, of fp32 {fp32} MB."
    compared = made["comparison"]
    if compared is None:
        return f"{how} It was **not gated**: nobody measured what it is worth, only its speed means something."
    heat_maps = compared["heat_maps"]
    rows = [
        f"| {words} | {' | '.join(f'{numbers[name]:.4f}' for numbers in compared['graphs'].values())} |"
        for name, words in _COMPARED.items()
    ]
    return "\n".join([
        f"{how} It passed its gate. Both graphs on {compared['images']} {compared['source']}, which gave no ranges:\n",
        f"| | {' | '.join(compared['graphs'])} |",
        "| --- |" + " ---: |" * len(compared["graphs"]),
        *rows,
        f"\nBoth name the same class for {compared['same_class']:.1%} of the images. Grad-CAM++ maps of that class: "
        f"rank correlation {heat_maps['rank_correlation']:.3f} in the mean of {heat_maps['images']} images, at least "
        f"{heat_maps['rank_correlation_of_95_percent']:.3f} in 95 % of them; the peak is in another cell in "
        f"{heat_maps['peak_moved']:.1%}.",
    ])  # fmt: skip


def _novelty(trial: Trial | None, description: Mapping[str, Any]) -> str:
    heading = "## Images that it was not made for\n\n"
    if trial is None:
        return f"{heading}It **cannot tell** them: no image gets the warning `out_of_distribution`.\n"
    chosen_on = _chosen_on(description)
    measured_on = chosen_on if chosen_on == HELD_OUT_IMAGES else "test images"
    auc, windows_auc = (_interval(each.model_dump()) for each in (trial.auc, trial.windows_auc))
    return (
        f"{heading}"
        "The warning `out_of_distribution` means that an image's features lie off the main directions of the training "
        f"images' features: sin^2 of the angle above {trial.threshold:.4f}. {trial.validation_kept:.1%} of the "
        f"{chosen_on}, which the threshold was chosen on, stay below it; {trial.test_flagged:.1%} of the "
        f"{measured_on} are flagged.\n\n"
        f"Against the {trial.photos} photos in {trial.source}, which are no dermoscopy: AUROC {auc} with the "
        f"{measured_on}, intervals by bootstrap over lesions and photos; {trial.flagged} of {trial.photos} photos are "
        f"flagged, and {trial.confident} of them pass without the warning and with medium or high confidence. "
        f"With their four corners as images of their own: AUROC {windows_auc}, {trial.windows_flagged} of "
        f"{trial.windows} flagged.\n\n"
        "These photos are far from dermoscopy, and the score was chosen on them: the numbers flatter it. Clinical "
        "photographs of skin are nearer and were not measured: **no warning is no proof** that the model knows what "
        "it sees.\n"
    )


def _interval(number: Mapping[str, float]) -> str:
    return f"{number['value']:.3f} [{number['low']:.3f}, {number['high']:.3f}]"


def _limits(description: Mapping[str, Any]) -> str:
    balanced = description["metrics"]["source"] == HELD_OUT_IMAGES
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
            else "- Probabilities are calibrated to the data set's frequencies, which are not those of any practice.\n"
        )
        + "- A heat map shows where evidence for a class lies in the network's last features. It is coarse, and no "
        "proof that the reason is a medical one.\n"
    )
