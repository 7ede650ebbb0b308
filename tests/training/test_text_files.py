"""Tables and configurations as editors and spreadsheet programs leave them, in every file that a person edits."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support.paths import ROOT
from training.config import InvalidConfig
from training.config_file import load
from training.data.attributes import read_attributes
from training.data.ham10000 import InvalidDataset, find_images, read_index, read_lesions
from training.data.label_table import read_labels
from training.evaluation.predictions import InvalidPredictions, from_logits, read_predictions, write_predictions
from training.text_files import UnreadableText, read_table, read_text

METADATA = "lesion_id,image_id,dx,dx_type,age,sex,localization\nL0,I0,nv,histo,80.0,male,señal\nL1,I1,mel,,50.5,,back\n"
LABELS = "image_id,label\nI0,NV\nI1,MEL\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of images beside tables: three suffixes that are images, two files that are not."""
    images = tmp_path / "images"
    images.mkdir()
    for name in ("I0.JPG", "I1.jpeg", "._I0.JPG", ".hidden.png", "notes.txt"):
        (images / name).write_bytes(b"")
    return tmp_path


def metadata(table: Path) -> object:
    return [(each.image_id, each.label) for each in read_index(table, [table.parent / "images"])], read_lesions(table)


def labels(table: Path) -> object:
    return [(each.image_id, each.label) for each in read_labels(table, table.parent / "images")]


def predictions(table: Path) -> object:
    read = read_predictions(table)
    return read.image_ids.tolist(), read.labels.tolist(), read.probabilities.round(6).tolist()


def predictions_text(folder: Path) -> str:
    answers = np.arange(14, dtype=np.float32).reshape(2, 7) / 8
    made = from_logits(
        answers, temperature=1.0, image_ids=["I0", "I1"], lesion_ids=["L0", "Lñ"], labels=np.array([5, 4])
    )
    write_predictions(made, folder / "made.csv")
    return (folder / "made.csv").read_text(encoding="utf-8")


READERS: dict[str, tuple[Callable[[Path], object], type[Exception]]] = {
    "metadata": (metadata, InvalidDataset),
    "attributes": (read_attributes, InvalidDataset),
    "labels": (labels, InvalidDataset),
    "predictions": (predictions, InvalidPredictions),
}
SAVED: dict[str, Callable[[str], bytes]] = {
    "with a byte order mark": lambda text: text.encode("utf-8-sig"),
    "with semicolons": lambda text: text.replace(",", ";").encode(),
    "with semicolons and decimal commas": lambda text: text.replace(",", ";").replace(".", ",").encode(),
    "with tabs": lambda text: text.replace(",", "\t").encode(),
    "by Windows, with empty rows": lambda text: text.replace("\n", "\r\n").encode() + b",,,\r\n\r\n",
    "with spaces": lambda text: text.replace(",", " , ").encode(),
    "quoted": lambda text: "\n".join(",".join(f'"{c}"' for c in r.split(",")) for r in text.split("\n")[:-1]).encode(),
}
REFUSED: dict[str, tuple[Callable[[str], bytes], str]] = {
    "UTF-16": (lambda text: text.encode("utf-16"), "encoded as UTF-16"),
    "UTF-16, big": (lambda text: b"\xfe\xff" + text.encode("utf-16-be"), "encoded as UTF-16"),
    "UTF-16 without a mark": (lambda text: text.encode("utf-16-le"), "UTF-16 without a byte order mark"),
    "UTF-32": (lambda text: text.encode("utf-32"), "encoded as UTF-32"),
    "Latin-1": (lambda text: text.replace("nv", "ñv").replace("NV", "ÑV").encode("latin-1"), r"Latin-1 .*line \d"),
}


def text_of(reader: str, folder: Path) -> str:
    return {"labels": LABELS, "predictions": predictions_text(folder)}.get(reader, METADATA)


@pytest.mark.parametrize("saved", SAVED)
@pytest.mark.parametrize("reader", READERS)
def test_a_table_means_the_same_however_it_was_saved(reader: str, saved: str, folder: Path) -> None:
    read, _ = READERS[reader]
    text = text_of(reader, folder)
    (folder / "plain.csv").write_text(text, encoding="utf-8")
    (folder / "saved.csv").write_bytes(SAVED[saved](text))
    assert read(folder / "saved.csv") == read(folder / "plain.csv")


@pytest.mark.parametrize("encoding", REFUSED)
@pytest.mark.parametrize("reader", READERS)
def test_another_encoding_is_named(reader: str, encoding: str, folder: Path) -> None:
    read, error = READERS[reader]
    encode, cause = REFUSED[encoding]
    (folder / "table.csv").write_bytes(encode(text_of(reader, folder)))
    with pytest.raises(error, match=cause):
        read(folder / "table.csv")


@pytest.mark.parametrize("encoding", REFUSED)
def test_another_encoding_of_a_configuration_is_named(encoding: str, tmp_path: Path) -> None:
    text = (ROOT / "training" / "configs" / "smoke.toml").read_text(encoding="utf-8")
    encode, cause = REFUSED[encoding]
    (tmp_path / "smoke.toml").write_bytes(encode(text + "# nv NV\n"))
    with pytest.raises(InvalidConfig, match=cause):
        load(tmp_path / "smoke.toml")
    (tmp_path / "smoke.toml").write_bytes(text.encode("utf-8-sig").replace(b"\n", b"\r\n"))
    assert load(tmp_path / "smoke.toml").name == "smoke"


def test_hidden_files_are_skipped_with_their_number(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert {name: path.name for name, path in find_images([folder / "images"]).items()} == {
        "I0": "I0.JPG", "I1": "I1.jpeg",
    }  # fmt: skip
    assert "2 hidden files" in caplog.text


@pytest.mark.parametrize(("content", "cause"), [
    (b"", "has no column image_id; the file is empty"),
    (b"image,dx\n1,2\n", "has no column image_id; it has the columns image, dx"),
    (b"image_id,dx\n1,2\n1,2,3\n", "row 3: 3 cells, but there are 2 columns"),
    (b"image_id,dx\n1\n", "row 2: 1 cells"),
    (b"\nimage_id;dx\n\n1;2\n;\n1\n", "row 6: 1 cells"),
    (b'image_id,dx\n1,"2\n', "is not a table"),
])  # fmt: skip
def test_a_broken_table_names_the_row(content: bytes, cause: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(UnreadableText, match=cause):
        read_table(tmp_path / "table.csv", columns=("image_id",))


def test_text_in_other_scripts_is_no_utf_16(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("Ñandú, 皮肤, кожа\x00", encoding="utf-8")
    assert read_text(tmp_path / "text").startswith("Ñandú")
