"""Results by subgroup of the patients (subgroups.json)."""

from inference.bundle.manifest import Interval, StrictModel


class Group(StrictModel):
    """The metrics of the images with one value of an attribute.

    `numbers` is None with fewer than 20 images. A single metric is None if its kind of lesion (melanoma; malignant or
    benign; all classes that are present) has fewer than five. `balanced_accuracy` is the mean recall of the classes
    that are present; earlier bundles, such as the starter, have it for groups of rare classes too.
    """

    attribute: str
    name: str
    images: int
    lesions: int
    malignant_images: int
    melanoma_images: int
    numbers: dict[str, Interval | None] | None


class Subgroups(StrictModel):
    """Every group of every attribute; a group may be small, and groups overlap."""

    groups: tuple[Group, ...]
