"""What a reader of a local validation has to know first."""

from __future__ import annotations

from dataclasses import dataclass

from inference.bundle.manifest import Interval, Manifest
from lunar.validation.comparison import FEWEST, too_rare
from lunar.validation.measuring import Answered, Measured
from lunar.validation.overlap import Overlap

SHOWN = 20  # names of images
FEWEST_GROUPS = 10  # in all: the intervals of fewer are too narrow


@dataclass(frozen=True, slots=True, eq=False)
class Validation:
    """What a report is written from.

    `group`: the column of the groups, or ""; `ungrouped`: images without a value there; `unknown`: rows without class.
    """

    manifest: Manifest
    answered: Answered
    measured: Measured
    overlap: Overlap
    group: str
    ungrouped: int
    unknown: int


def paragraphs(validation: Validation) -> list[str]:
    """The model and the images, melanoma, doubts about the intervals, the overlap, what was left out, and warnings."""
    measured, manifest, answered = validation.measured, validation.manifest, validation.answered
    texts = [
        f"{manifest.name} ({manifest.digest[:12]}) on {measured.images} labelled images. {intervals(validation)} This "
        "measures a model for research and teaching. Lunar is not a medical device.",
        _melanoma(validation),
        *_doubts(measured),
        _overlap(validation.overlap),
    ]
    if left := _left_out(validation):
        texts.append(f"Left out: {'; '.join(left)}.")
    if answered.warnings:
        given = ", ".join(f"{code} {count}" for code, count in sorted(answered.warnings.items()))
        texts.append(f"Warnings of the model, by number of images: {given}.")
    return texts


def intervals(validation: Validation) -> str:
    """What the intervals in brackets are."""
    groups, column = validation.measured.groups, validation.group
    if not column:
        return "In brackets: 95 % intervals by bootstrap over the images."
    own = f"In brackets: 95 % intervals by bootstrap over {groups} groups of images, by {column}."
    if not validation.ungrouped:
        return own
    return f"{own} {validation.ungrouped} images have no {column} and count by their lesion, if it is known, or alone."


def interval_text(interval: Interval | None) -> str:
    """The value with its interval, or a dash."""
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]" if interval else "–"


def _melanoma(validation: Validation) -> str:
    measured, card = validation.measured, validation.manifest.metrics
    here = measured.per_class["mel"]["recall"]
    if here is None:
        return "No image is labelled as melanoma, so nothing is known here of the most important class."
    there = f", {interval_text(card.per_class['mel']['recall'])} in the model card" if card else ""
    few = " These are too few melanomas to judge the model by." if "mel" in too_rare(measured) else ""
    return f"Sensitivity for melanoma is {interval_text(here)} here{there}.{few}"


def _doubts(measured: Measured) -> list[str]:
    texts = []
    if measured.groups < FEWEST_GROUPS:
        texts.append(f"There are only {measured.groups} independent groups. Intervals of so few are too narrow.")
    if rare := too_rare(measured):
        listed = ", ".join(f"{code} {groups}" for code, groups in rare.items())
        texts.append(
            f"Classes with fewer than {FEWEST} independent groups: {listed}. Their intervals are too narrow, and they "
            "are not compared with the model card."
        )
    return texts


def _overlap(overlap: Overlap) -> str:
    if overlap.images:
        there_may_be_more = "" if overlap.known else " This list may be incomplete."
        return (
            f"{len(overlap.images)} of these images are in the training data ({overlap.words}), so the numbers are too "
            f"good: {_names(overlap.images)}.{there_may_be_more}"
        )
    if not overlap.known:
        return f"It is not known whether any of these images is in the training data ({overlap.words})."
    return f"No image has a name of the training data ({overlap.words}). Copies under other names are not found."


def _left_out(validation: Validation) -> list[str]:
    answered = validation.answered
    counts = {
        "labelled images have no file": len(answered.missing),
        "files have no label": answered.unlabelled,
        "rows have none of the seven classes": validation.unknown,
        "files cannot be read": len(answered.unreadable),
    }
    names = {"labelled images have no file": answered.missing, "files cannot be read": tuple(answered.unreadable)}
    return [
        f"{count} {words}" + (f" ({_names(names[words])})" if words in names else "")
        for words, count in counts.items()
        if count
    ]


def _names(names: tuple[str, ...]) -> str:
    shown = names[:SHOWN]
    more = f" and {len(names) - SHOWN} more (all in validation.json)" if len(names) > SHOWN else ""
    return ", ".join(shown) + more
