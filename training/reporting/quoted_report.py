"""Published results side by side, with the change from the first to each later one: no run is needed."""

from collections.abc import Sequence

from inference.domain.taxonomy import BY_CODE, CLASSES
from training.evaluation.comparison import Key
from training.reporting.comparison_report import CLASS_KEYS, OVERALL, name_of
from training.reporting.published_results import Quoted
from training.reporting.tables import Table, TableCell, to_html, to_markdown

_TITLE = "Published results"
_UNDEFINED = TableCell("–")


def markdown(results: Sequence[Quoted]) -> str:
    """The results as Markdown."""
    return to_markdown(_TITLE, _paragraphs(results), _tables(results))


def html(results: Sequence[Quoted]) -> str:
    """The results as one self-contained HTML file."""
    return to_html(_TITLE, _paragraphs(results), _tables(results))


def _paragraphs(results: Sequence[Quoted]) -> list[str]:
    return [
        f"{' and '.join(result.name for result in results)}: {results[0].status}. In HAM10000, a split by image leaves "
        "66 % of the validation melanomas on lesions that are also in the training set: the values are too good, and "
        "there are no intervals, because the predictions were not published."
    ]


def _tables(results: Sequence[Quoted]) -> list[Table]:
    names = "; ".join(f"{code}: {BY_CODE[code].en}" for code in CLASSES) + "."
    overall = [_row(results, key) for key in OVERALL if any(result.value(*key) is not None for result in results)]
    classes = [_row(results, key) for key in CLASS_KEYS]
    header = (TableCell(""), *(TableCell(result.name) for result in results))
    header += tuple(TableCell(f"change to {result.name}") for result in results[1:])
    return [
        Table("All classes together", "", header, tuple(overall)),
        Table("Each class", names, header, tuple(classes)),
    ]


def _row(results: Sequence[Quoted], key: Key) -> tuple[TableCell, ...]:
    first, *others = results
    cells = [_cell(result.value(*key), digits=result.digits(key[1])) for result in results]
    changes = []
    for result in others:
        before, after = first.value(*key), result.value(*key)
        change = None if before is None or after is None else after - before
        changes.append(_cell(change, digits=3, sign="+"))
    return (TableCell(name_of(key)), *cells, *changes)


def _cell(value: float | None, *, digits: int, sign: str = "") -> TableCell:
    return _UNDEFINED if value is None else TableCell(f"{value:{sign}.{digits}f}".replace("-", "−"))
