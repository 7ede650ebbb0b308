"""The report of a comparison as paragraphs and tables, in Markdown and HTML."""

from collections.abc import Callable, Sequence

from inference.bundle.manifest import Interval
from inference.domain.taxonomy import BY_CODE, CLASSES
from training.evaluation.comparison import Column, Difference, Key, ModelComparison
from training.reporting.published_results import Quoted
from training.reporting.tables import Table, TableCell, to_html, to_markdown

OVERALL: tuple[Key, ...] = tuple(
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
CLASS_KEYS: tuple[Key, ...] = tuple((name, code) for code in CLASSES for name in ("precision", "recall", "f1"))
_TITLE = "Comparison of models"
_UNDEFINED = TableCell("–")


def markdown(comparison: ModelComparison, *, quoted: Sequence[Quoted] = ()) -> str:
    """The comparison as Markdown."""
    return to_markdown(_TITLE, _paragraphs(comparison, quoted), _tables(comparison, quoted))


def html(comparison: ModelComparison, *, quoted: Sequence[Quoted] = ()) -> str:
    """The comparison as one self-contained HTML file."""
    return to_html(_TITLE, _paragraphs(comparison, quoted), _tables(comparison, quoted))


def _paragraphs(comparison: ModelComparison, quoted: Sequence[Quoted]) -> list[str]:
    sizes = "; ".join(
        f"{column.name}: {column.images} images of {column.lesions} lesions" for column in comparison.columns
    )
    paragraphs = [
        f"Measured on the {comparison.images} images of {comparison.lesions} lesions that the test sets of all models "
        f"share ({sizes}). In brackets: 95 % intervals by bootstrap over lesions."
    ]
    leaky = [column.name for column in comparison.columns if column.leaky]
    if leaky:
        paragraphs.append(
            f"Leaky: {', '.join(leaky)}. The data were split by image, so that lesions of the test set are also in the "
            "training set: the numbers are too good, and differences from them say nothing about the models."
        )
    if quoted:
        names = " and ".join(result.name for result in quoted)
        paragraphs.append(
            f"{names}: {quoted[0].status}. These results were published by others for other images: they have no "
            "interval here, and no difference is computed."
        )
    return paragraphs


def _tables(comparison: ModelComparison, quoted: Sequence[Quoted]) -> list[Table]:
    header = (
        *(TableCell(_title(column)) for column in comparison.columns),
        *(TableCell(f"{result.name} (quoted)", "quoted") for result in quoted),
    )

    def numbers(key: Key) -> tuple[TableCell, ...]:
        return (
            *(_number(column.numbers[key]) for column in comparison.columns),
            *(_quotation(result, key) for result in quoted),
        )

    names = "; ".join(f"{code}: {BY_CODE[code].en}" for code in CLASSES) + "."
    return [
        _table("All classes together", header, keys=OVERALL, cells=numbers),
        _table("Each class", header, keys=CLASS_KEYS, cells=numbers, note=names),
        _differences(comparison),
    ]


def _title(column: Column) -> str:
    return f"{column.name} (leaky)" if column.leaky else column.name


def _differences(comparison: ModelComparison) -> Table:
    first, *others = comparison.columns
    keys = OVERALL + CLASS_KEYS
    note = (
        f"The value minus that of {first.name}, both resampled on the same lesions. A difference is real if its 95 % "
        f"interval excludes 0. Of {len(keys)} differences between equal models one or two seem real by chance."
    )
    header = tuple(cell for column in others for cell in (TableCell(_title(column)), TableCell("real?")))

    def cells(key: Key) -> tuple[TableCell, ...]:
        return tuple(cell for column in others for cell in _difference(column, key))

    return _table(f"Differences from {first.name}", header, keys=keys, cells=cells, note=note)


def _table(
    title: str,
    header: Sequence[TableCell],
    *,
    keys: Sequence[Key],
    cells: Callable[[Key], tuple[TableCell, ...]],
    note: str = "",
) -> Table:
    return Table(title, note, (TableCell(""), *header), tuple((TableCell(name_of(key)), *cells(key)) for key in keys))


def name_of(key: Key) -> str:
    """The name of a row: the metric, after the class if it is that of one class."""
    name, code = key
    words = name.replace("_", " ").replace("f1", "F1").replace("auc", "AUC")
    return f"{code}, {words}" if code else words[0].upper() + words[1:]


def _number(interval: Interval | None) -> TableCell:
    return TableCell(f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]") if interval else _UNDEFINED


def _quotation(quoted: Quoted, key: Key) -> TableCell:
    value = quoted.value(*key)
    digits = quoted.digits(key[1])
    return TableCell(f"{value:.{digits}f}", "quoted") if value is not None else _UNDEFINED


def _difference(column: Column, key: Key) -> tuple[TableCell, TableCell]:
    difference = column.differences[key]
    if difference is None:
        return _UNDEFINED, _UNDEFINED
    interval = difference.interval
    text = f"{interval.value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]".replace("-", "−")
    return TableCell(text), _verdict(difference)


def _verdict(difference: Difference) -> TableCell:
    if not difference.real:
        return TableCell("no")
    return TableCell("yes, better", "better") if difference.better else TableCell("yes, worse", "worse")
