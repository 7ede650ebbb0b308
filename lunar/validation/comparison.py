"""How a number measured here compares with the model card's, and when the two do not measure the same."""

from inference.bundle.manifest import Interval, Metrics
from inference.domain.taxonomy import CLASSES
from lunar.validation.measuring import MALIGNANT_KIND, Measured
from training.evaluation.subgroups import FEWEST_LESIONS
from training.reporting.tables import Mark

LESS_IS_BETTER = frozenset({"calibration_error"})
# They depend on how many images each class has, which is a property of the images and not of the model.
OF_THE_MIX = frozenset(
    {"accuracy", "accuracy_of_always_nv", "weighted_precision", "weighted_recall", "weighted_f1"}
    | {"macro_precision", "macro_f1", "precision", "f1"}
)
FEWEST = FEWEST_LESIONS  # groups of a class: the bootstrap of one detected melanoma would give the interval [1, 1]


def compare(
    name: str, code: str, here: Interval | None, there: Interval | None, *, measured: Measured, card: Metrics | None
) -> tuple[str, Mark]:
    """In words, and as a mark; `code`: the class, or "" for a number of all. Both empty if there is nothing beside."""
    if not (here and there and card):
        return "", ""
    if cause := _objection(name, code, measured, card):
        return cause, ""
    less, more = here.high < there.low, here.low > there.high
    better = less if name in LESS_IS_BETTER else more
    if better:
        return "better", "better"
    return ("worse", "worse") if less or more else ("no clear difference", "")


def too_rare(measured: Measured) -> dict[str, int]:
    """The classes that have images here, but fewer than FEWEST independent groups, and how many they have."""
    found = {code: measured.groups_with[code] for code in CLASSES if measured.counts[code]}
    return {code: groups for code, groups in found.items() if groups < FEWEST}


def _objection(name: str, code: str, measured: Measured, card: Metrics) -> str:
    """Why the numbers cannot be compared; empty if they can."""
    if name in OF_THE_MIX:
        return "not compared: it depends on the mix of classes"
    here = {each for each, count in measured.counts.items() if count}
    there = {each for each, row in zip(CLASSES, card.confusion, strict=True) if sum(row)}
    if name != "recall" and here != there:
        return "not compared: other classes"
    if _fewest(name, code, measured) < FEWEST:
        return f"not compared: fewer than {FEWEST} groups"
    return ""


def _fewest(name: str, code: str, measured: Measured) -> int:
    """The independent groups behind a metric; of several kinds the smallest number."""
    if name == "calibration_error":
        return measured.groups
    if name == "recall":
        return measured.groups_with[code]
    if name in ("auc", "malignant_auc"):
        kind = code or MALIGNANT_KIND
        return min(measured.groups_with[kind], measured.groups_without[kind])
    return min(measured.groups_with[each] for each, count in measured.counts.items() if count)
