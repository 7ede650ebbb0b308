"""Attributes of the patients and lesions in a table of metadata: sex, age, body site, source data set."""

from pathlib import Path

from training.data.ham10000 import InvalidDataset, read_rows
from training.text_files import Row, parse_number

UNKNOWN = "unknown"
_COLUMNS = {"sex": "sex", "age": "age", "site": "localization", "source": "dataset"}
_AGES = ((30, "0-29"), (45, "30-44"), (60, "45-59"), (75, "60-74"))
_OLDEST = "75+"
AGE_BANDS = (*(band for _, band in _AGES), _OLDEST)


def read_attributes(metadata: Path) -> dict[str, dict[str, str]]:
    """Read {attribute: {image_id: group}} from the metadata of HAM10000; an attribute without a column is left out.

    Raises InvalidDataset.
    """
    rows = read_rows(metadata, columns=("image_id",))
    if not rows:
        raise InvalidDataset(f"{metadata.name} has no rows.")
    return {
        attribute: {row["image_id"]: _group_in(metadata, row, attribute, column) for row in rows}
        for attribute, column in _COLUMNS.items()
        if column in rows[0]
    }


def _group_in(metadata: Path, row: Row, attribute: str, column: str) -> str:
    try:
        return group_of(attribute, row[column])
    except InvalidDataset as error:
        raise InvalidDataset(f"{metadata.name}, image {row['image_id']}: {error}") from error


def group_of(attribute: str, text: str) -> str:
    """The group of a cell: the band of an age, otherwise its text in lower case. Raises InvalidDataset."""
    text = text.strip().lower()
    if text in ("", "nan", "na", UNKNOWN):
        return UNKNOWN
    return _age_band(text) if attribute == "age" else text


def _age_band(text: str) -> str:
    try:
        years = parse_number(text)
    except ValueError as error:
        raise InvalidDataset(f"{text!r} is not an age in years.") from error
    return next((band for below, band in _AGES if years < below), _OLDEST)
