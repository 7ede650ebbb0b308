"""The sections of the model card about what the model does not know, in Markdown."""

from inference.bundle.evaluation_curves import Reliability
from inference.bundle.manifest import Interval
from inference.bundle.prediction_sets import PredictionSets, fewest_images
from inference.bundle.uncertainty import (
    DecisionPoint,
    MalignancyCalibration,
    MelanomaDetection,
    RiskAlarms,
    Uncertainty,
)
from inference.domain.taxonomy import BY_CODE, CLASSES


def uncertainty_sections(uncertainty: Uncertainty | None) -> list[str]:
    """Empty sections are left out; without data one sentence says so."""
    if uncertainty is None:
        return [
            "## What it does not know\n\nThis bundle has **no** prediction sets and no calibrated probability of "
            "malignancy: its answers come without them.\n"
        ]
    sections = [
        _introduction(uncertainty),
        _sets(uncertainty.prediction_sets),
        _malignancy(uncertainty.malignancy, uncertainty.alarms),
        _prevalence(uncertainty),
        _decision(uncertainty.decision),
        _melanoma(uncertainty.melanoma),
    ]
    return [section for section in sections if section]


def _introduction(uncertainty: Uncertainty) -> str:
    served = (
        f" They measure **single networks**, each on images that it had not learnt from; the mean of the "
        f"{uncertainty.networks} that is served, and several views of an image, cannot be measured so. The rules are "
        "applied to that mean as they are."
        if uncertainty.networks > 1
        else ""
    )
    return (
        "## What it does not know\n\nEvery number here is cross-fitted: what is fitted to answers is measured on "
        f"other images.{served} In brackets: 95 % intervals by bootstrap over lesions. They hold for the fits as they "
        "are: that another sample would have given other limits, slopes and thresholds is not in them.\n"
    )


def _sets(sets: PredictionSets) -> str:
    smallest = min(sets.images, key=lambda code: sets.images[code])
    needed = ", ".join(f"{fewest_images(rule.coverage)} for {rule.coverage:.0%}" for rule in sets.rules)
    rows = [
        f"| {code}: {BY_CODE[code].en} | {' | '.join(_or_none(rule.measured[code]) for rule in sets.rules)} |"
        for code in CLASSES
    ]
    return "\n".join([
        "### Prediction sets\n",
        "A set names every class that is not excluded. For each class, about the stated share of its images has it in "
        "their set (class-conditional conformal prediction). That is not the probability that a set holds the true "
        "class: of the sets that name a single class, more or fewer than that may be right. Measured share of the "
        "images of a class whose set holds it:\n",
        f"| class | {' | '.join(f'coverage {rule.coverage:.0%}' for rule in sets.rules)} |",
        "| --- |" + " --- |" * len(sets.rules),
        *rows,
        f"| classes in a set, mean | {' | '.join(_of(rule.size, 2) for rule in sets.rules)} |",
        f"| sets of one class | {' | '.join(_of(rule.single) for rule in sets.rules)} |",
        f"\nA coverage needs at least so many calibration images of a class: {needed}. The smallest class is "
        f"{smallest} with {sets.images[smallest]}.\n",
        *_single_sets(sets),
    ])  # fmt: skip


def _single_sets(sets: PredictionSets) -> list[str]:
    """How many of the sets that name one class are right; nothing in bundles without that measurement."""
    found = [rule.single_right for rule in sets.rules if rule.single_right is not None]
    if len(found) < len(sets.rules):
        return []
    return [
        "Of the sets that name a single class, by that class, the share that is right, cross-fitted. Unlike the table "
        "above it depends on the mix of diagnoses: where a class is rarer, fewer of its sets are right.\n",
        f"| the set's only class | {' | '.join(f'coverage {rule.coverage:.0%}' for rule in sets.rules)} |",
        "| --- |" + " --- |" * len(sets.rules),
        *(
            f"| {code}: {BY_CODE[code].en} | {' | '.join(_or_none(right[code]) for right in found)} |"
            for code in CLASSES
        ),
        "",
    ]


def _malignancy(calibration: MalignancyCalibration | None, alarms: RiskAlarms | None) -> str:
    if calibration is None or alarms is None:
        return ""
    return "\n".join([
        "### Probability of malignancy\n",
        "The malignant score is a sum and is not calibrated. The calibrated probability is a logistic function of its "
        f"log odds, fitted by itself: Brier score {_of(calibration.brier)}, of the score "
        f"{_of(calibration.brier_of_score)}, where {calibration.prior:.1%} are malignant or precancerous. "
        f"{_highest_group(calibration.reliability)}\n",
        "| level of risk, cross-fitted | malignant or precancerous at or above | benign at or above | melanomas at or "
        "above |",
        "| --- | --- | --- | --- |",
        *(
            f"| {level} | {_of(found.malignant)} | {_of(found.benign)} | {_or_none(found.classes['mel'])} |"
            for level, found in (("moderate", alarms.moderate), ("high", alarms.high))
        ),
        "\nThe levels promise 95 % of the malignant ones at or above moderate and 90 % of the benign ones below high; "
        "the table says what thresholds did that were chosen on other images. The thresholds that are served were "
        "chosen on all of them; the page of this card also shows what those did.\n",
    ])  # fmt: skip


def _highest_group(reliability: Reliability) -> str:
    """What it says and what was found where the probability is highest; there it is most easily too high."""
    group = reliability.highest
    return (
        f"Of the {group.images} images with the highest probabilities, it says {group.confidence:.1%} in the mean, and "
        f"{group.accuracy:.1%} were malignant or precancerous."
    )


def _prevalence(uncertainty: Uncertainty) -> str:
    if uncertainty.likelihoods is None:
        return ""
    return (
        "### Prevalence\n\nNo clinic has these data's mix of diagnoses. `LUNAR_PREVALENCE` re-weights the "
        "probabilities for another one by Bayes' rule, from likelihood ratios whose posterior has a calibration error "
        f"of {_of(uncertainty.likelihoods.error)}. That assumes that lesions of a class look the same everywhere. "
        "Score, level of risk and limits of the prediction sets stay as they are: they do not depend on the mix. "
        "There is then no calibrated probability of malignancy, because it holds for the mix of these data.\n"
    )


def _decision(points: tuple[DecisionPoint, ...]) -> str:
    if not points:
        return ""
    rows = [
        f"| {point.threshold:.0%} | {_of(point.everybody)} | {_of(point.moderate)} | {_of(point.high)} | "
        f"{_of(point.calibrated)} |"
        for point in points
    ]
    return "\n".join([
        "### Decision curve\n",
        "Net benefit per lesion of referring, for a reader to whom one malignant lesion found is worth so many "
        "needless referrals as the odds of the threshold say (Vickers and Elkin 2006). Referring nobody has net "
        "benefit 0. At the mix of these data, which is no clinic's.\n",
        "| threshold | everybody | from moderate risk | from high risk | calibrated probability at the threshold |",
        "| --- | --- | --- | --- | --- |",
        *rows,
        "",
    ])  # fmt: skip


def _melanoma(found: MelanomaDetection | None) -> str:
    if found is None:
        return ""
    points = "; ".join(f"{float(at):.0%}: {_of(value)}" for at, value in found.sensitivity.items())
    return (
        "### Melanoma against everything else\n\n"
        f"Sensitivity by specificity: {points}. Partial AUC above a specificity of {found.specificity:.0%}, 0.5 is "
        f"chance (McClish 1989): {_of(found.partial_auc)}.\n"
    )


def _of(measured: Interval, digits: int = 3) -> str:
    return f"{measured.value:.{digits}f} [{measured.low:.{digits}f}, {measured.high:.{digits}f}]"


def _or_none(measured: Interval | None) -> str:
    return _of(measured) if measured else "-"
