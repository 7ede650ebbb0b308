"""A user's table of labels: as HAM10000's metadata, as ISIC's one-hot columns, or with plain labels."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inference.domain.taxonomy import CLASSES
from lunar.scoring.images import SUFFIXES
from training.text_files import Row, parse_number, read_table

_IMAGE = ("image_id", "image", "isic_id", "file", "filename")
_LABEL = ("dx", "label", "class", "diagnosis")
# Of these the first that is there: images of one patient are not independent, nor are those of one lesion.
_LESION = ("lesion_id", "lesion")
_GROUP = ("patient_id", "patient", *_LESION)
_MISSING = frozenset({"", "unknown", "unk", "na", "n/a", "nan", "none", "null"})
# The nearest class of HAM10000 for the codes of ISIC 2019 and for usual words.
CODES = {code: code for code in CLASSES} | {
    "ak": "akiec",
    "scc": "akiec",
    "actinic keratosis": "akiec",
    "bowen's disease": "akiec",
    "basal cell carcinoma": "bcc",
    "seborrheic keratosis": "bkl",
    "seborrhoeic keratosis": "bkl",
    "benign keratosis": "bkl",
    "pigmented benign keratosis": "bkl",
    "solar lentigo": "bkl",
    "dermatofibroma": "df",
    "melanoma": "mel",
    "nevus": "nv",
    "naevus": "nv",
    "vascular lesion": "vasc",
}
_UNKNOWN = "unk"  # ISIC's column of what is none of its classes


class InvalidLabels(ValueError):
    """The table cannot be used; the message gives the cause, an image, and what is allowed."""


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One row: the image's path without suffix, its class as an index into CLASSES, and its independent group."""

    image: str
    label: int
    group: str


@dataclass(frozen=True, slots=True)
class LabelTable:
    """All rows that have a class, and the images of those that have none, `unknown`.

    `group`: the column whose images count as one, or ""; `ungrouped` images have no value there and count by their
    lesion or alone. `columns`: {column: {image: cell}}, for subgroups.
    """

    images: tuple[LabelledImage, ...]
    unknown: tuple[str, ...]
    group: str
    ungrouped: int
    columns: Mapping[str, Mapping[str, str]]


def read_labels(path: Path, *, group: str | None) -> LabelTable:
    """Read a table; the form is recognised by its columns. Raises InvalidLabels, UnreadableText, OSError.

    `group`: the column whose images are drawn together for the intervals; None: the first of _GROUP that is there.
    """
    rows = read_table(path, columns=())
    if not rows:
        raise InvalidLabels(f"{path} has no rows")
    columns = {name.lower(): name for name in rows[0]}
    image = _required(columns, _IMAGE, "images", path)
    chosen = _group_column(columns, group, path)
    by = [name for name in (chosen, next((columns[name] for name in _LESION if name in columns), "")) if name]
    images, unknown = [], []
    names = [without_suffix(row[image]) for row in rows]
    if len(set(names)) < len(names):
        raise InvalidLabels(f"{path} lists the image {Counter(names).most_common(1)[0][0]} twice")
    for name, row in zip(names, rows, strict=True):
        code = _code(row, columns, place=f"{path}, image {name}", path=path)
        if code is None:
            unknown.append(name)
        else:
            images.append(LabelledImage(name, CLASSES.index(code), _group(row, by, name)))
    cells = {name: {each: row[name] for each, row in zip(names, rows, strict=True)} for name in rows[0]}
    ungrouped = sum(bool(chosen) and cells[chosen][each.image].lower() in _MISSING for each in images)
    return LabelTable(tuple(images), tuple(unknown), chosen, ungrouped, cells)


def _group(row: Row, columns: list[str], image: str) -> str:
    """What the image is drawn with: the first of the columns that has a value, or nothing else."""
    column = next((each for each in columns if row[each].lower() not in _MISSING), None)
    return f"{column} {row[column]}" if column else f"image {image}"


def _code(row: Row, columns: Mapping[str, str], *, place: str, path: Path) -> str | None:
    hot = [name for name in columns if name in CODES or name == _UNKNOWN]
    if label := next((columns[name] for name in _LABEL if name in columns), None):
        text = row[label].lower()
        if text in _MISSING:
            return None
        if text not in CODES:
            raise InvalidLabels(f"{place}: unknown label {row[label]!r}; known: {', '.join(CODES)}")
        return CODES[text]
    if len(hot) < 2:
        raise InvalidLabels(f"{path} has no labels: expected a column {', '.join(_LABEL)}, or ISIC's MEL, NV, BCC, ...")
    set_ = [name for name in hot if _number(row[columns[name]], place) >= 0.5]
    if len(set_) != 1:
        raise InvalidLabels(f"{place}: {len(set_)} classes are set; expected one")
    return CODES.get(set_[0])


def _number(text: str, place: str) -> float:
    try:
        return parse_number(text)
    except ValueError:
        raise InvalidLabels(f"{place}: {text!r} is not 0 or 1") from None


def _required(columns: Mapping[str, str], names: tuple[str, ...], words: str, path: Path) -> str:
    found = next((columns[name] for name in names if name in columns), None)
    if found is None:
        raise InvalidLabels(
            f"{path} has no column of {words}: expected {', '.join(names)}; it has {', '.join(columns)}"
        )
    return found


def _group_column(columns: Mapping[str, str], group: str | None, path: Path) -> str:
    if group is None:
        return next((columns[name] for name in _GROUP if name in columns), "")
    return _required(columns, (group.lower(),), "groups", path)


def without_suffix(name: str) -> str:
    """The path of an image without the suffix of its format, with `/` between the parts."""
    path = Path(name)
    return (path.with_suffix("") if path.suffix.lower() in SUFFIXES else path).as_posix()
