"""A comparison in words and tables: Markdown for the terminal and the repository, HTML for the browser."""

from collections.abc import Callable, Sequence

from inference.manifest import Interval
from inference.taxonomy import BY_CODE, CLASSES
from training.compare import Column, Comparison, Difference, Key
from training.quoted import Quoted
from training.tables import Cell, Table, to_html, to_markdown

_OVERALL: tuple[Key, ...] = tuple(
    (name, "")
    for name in (
        "accuracy",
        "balanced_accuracy",
        "macro_precision",
        "macro_recall",
        "macro_f1",
        "weighted_precision",
        "weighted_recall",
        "weighted_f1",
        "macro_auc",
        "malignant_auc",
        "calibration_error",
    )
)
_CLASSES: tuple[Key, ...] = tuple((name, code) for code in CLASSES for name in ("precision", "recall", "f1"))
_TITLE = "Comparison of models"
_NOTHING = Cell("–")


def markdown(comparison: Comparison, *, quoted: Sequence[Quoted] = ()) -> str:
    """The comparison as Markdown."""
    return to_markdown(_TITLE, _paragraphs(comparison, quoted), _tables(comparison, quoted))


def html(comparison: Comparison, *, quoted: Sequence[Quoted] = ()) -> str:
    """The comparison as one self-contained HTML file."""
    return to_html(_TITLE, _paragraphs(comparison, quoted), _tables(comparison, quoted))


def _paragraphs(comparison: Comparison, quoted: Sequence[Quoted]) -> list[str]:
    sizes = "; ".join(f"{each.name}: {each.images} images of {each.lesions} lesions" for each in comparison.columns)
    paragraphs = [
        f"Measured on the {comparison.images} images of {comparison.lesions} lesions that the test parts of all models "
        f"share ({sizes}). In brackets: 95 % intervals by bootstrap over lesions."
    ]
    leaky = [each.name for each in comparison.columns if each.leaky]
    if leaky:
        paragraphs.append(
            f"Leaky: {', '.join(leaky)}. Data split by image, so lesions of the test part were also trained on: such "
            "numbers are too good, and a difference to them says nothing about the models."
        )
    if quoted:
        names = " and ".join(each.name for each in quoted)
        paragraphs.append(
            f"{names}: {quoted[0].status}. Published by others on other images: they have no interval here and are "
            "compared with nothing."
        )
    return paragraphs


def _tables(comparison: Comparison, quoted: Sequence[Quoted]) -> list[Table]:
    header = (
        *(Cell(_title(each)) for each in comparison.columns),
        *(Cell(f"{each.name} (quoted)", "quoted") for each in quoted),
    )

    def numbers(key: Key) -> tuple[Cell, ...]:
        return (
            *(_number(column.numbers[key]) for column in comparison.columns),
            *(_quotation(each, key) for each in quoted),
        )

    names = "; ".join(f"{code}: {BY_CODE[code].en}" for code in CLASSES) + "."
    return [
        _table("All classes together", header, keys=_OVERALL, cells=numbers),
        _table("Each class", header, keys=_CLASSES, cells=numbers, note=names),
        _differences(comparison),
    ]


def _title(column: Column) -> str:
    return f"{column.name} (leaky)" if column.leaky else column.name


def _differences(comparison: Comparison) -> Table:
    first, *others = comparison.columns
    keys = _OVERALL + _CLASSES
    note = (
        f"Value minus that of {first.name}, both resampled on the same lesions. A difference is real where the 95 % "
        f"interval excludes 0. Of {len(keys)} differences between equal models one or two would seem real by chance."
    )
    header = tuple(cell for each in others for cell in (Cell(_title(each)), Cell("real?")))

    def cells(key: Key) -> tuple[Cell, ...]:
        return tuple(cell for column in others for cell in _difference(column, key))

    return _table(f"Differences from {first.name}", header, keys=keys, cells=cells, note=note)


def _table(
    title: str,
    header: Sequence[Cell],
    *,
    keys: Sequence[Key],
    cells: Callable[[Key], tuple[Cell, ...]],
    note: str = "",
) -> Table:
    return Table(title, note, (Cell(""), *header), tuple((Cell(_name(key)), *cells(key)) for key in keys))


def _name(key: Key) -> str:
    name, code = key
    words = name.replace("_", " ").replace("f1", "F1").replace("auc", "AUC")
    return f"{code}, {words}" if code else words[0].upper() + words[1:]


def _number(interval: Interval | None) -> Cell:
    return Cell(f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]") if interval else _NOTHING


def _quotation(quoted: Quoted, key: Key) -> Cell:
    value = quoted.value(*key)
    digits = quoted.class_digits if key[1] else 3
    return Cell(f"{value:.{digits}f}", "quoted") if value is not None else _NOTHING


def _difference(column: Column, key: Key) -> tuple[Cell, Cell]:
    difference = column.differences[key]
    if difference is None:
        return _NOTHING, _NOTHING
    each = difference.interval
    text = f"{each.value:+.3f} [{each.low:+.3f}, {each.high:+.3f}]".replace("-", "−")
    return Cell(text), _verdict(difference)


def _verdict(difference: Difference) -> Cell:
    if not difference.real:
        return Cell("no")
    return Cell("yes, better", "better") if difference.better else Cell("yes, worse", "worse")
