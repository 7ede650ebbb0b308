"""The section of the model card about subgroups of the patients, in Markdown."""

from inference.bundle.manifest import Interval
from inference.bundle.subgroups import Group, Subgroups

_COLUMNS = ("balanced_accuracy", "malignant_auc", "melanoma_recall")


def subgroups_section(subgroups: Subgroups | None) -> list[str]:
    """A folded table of every group; no section if nothing was measured."""
    if subgroups is None:
        return []
    numbers = [(group.numbers or {}).get(name) for group in subgroups.groups for name in _COLUMNS]
    count = sum(number is not None for number in numbers)
    return [
        "\n".join([
            "## Subgroups\n",
            f"The table has {count} intervals of 95 %: about {count / 20:.0f} of them miss the truth by chance, and "
            "no group stands out because of its interval alone. Groups overlap and differ in their diagnoses: a "
            "difference between two of them need not come from sex, age, site or source. Groups of fewer than 20 "
            "images, and rates of fewer than five lesions, are left out.\n",
            "<details><summary>The table</summary>\n",
            "| | group | images | melanomas | balanced accuracy | AUC of the malignant score | recall of melanoma |",
            "| --- | --- | ---: | ---: | --- | --- | --- |",
            *(_row(group) for group in subgroups.groups if group.numbers),
            "\n</details>\n",
        ])
    ]  # fmt: skip


def _row(group: Group) -> str:
    numbers = (_of((group.numbers or {}).get(name)) for name in _COLUMNS)
    return f"| {group.attribute} | {group.name} | {group.images} | {group.melanoma_images} | {' | '.join(numbers)} |"


def _of(measured: Interval | None) -> str:
    return f"{measured.value:.3f} [{measured.low:.3f}, {measured.high:.3f}]" if measured else "-"
