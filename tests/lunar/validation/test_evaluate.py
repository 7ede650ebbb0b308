"""`lunar evaluate` on drawn lesions: the numbers, the names of training images, and the three reports."""

import csv
import json
from pathlib import Path

import cv2
import pytest

from lunar.__main__ import main
from tests.support.paths import STARTER
from training.data.synthetic_lesions import draw_lesion

IMAGES = 24


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Drawn lesions with labels by turns, one named as an image of HAM10000; a label without file; a broken file."""
    (folder := tmp_path / "images").mkdir()
    names = ["ISIC_0024306", *(f"own-{number}" for number in range(1, IMAGES))]
    rows = []
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / f"{name}.png"), draw_lesion(width=80, height=60, seed=number)[..., ::-1])
        rows.append((name, f"P{number // 2}", ("vasc", "nv", "mel")[number % 3], "ab"[number % 2], 30 + number))
    (folder / "broken.png").write_bytes(b"no image")
    rows += [("broken", "P90", "nv", "a", 50), ("absent", "P91", "nv", "a", 50)]
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image_id", "patient_id", "dx", "clinic", "age"), *rows])
    return tmp_path


def evaluate(labelled: Path, *more: str) -> int:
    paths = ["--images", str(labelled / "images"), "--labels", str(labelled / "labels.csv")]
    return main(["evaluate", str(STARTER), *paths, "--out", str(labelled / "out"), *more])


def test_a_local_validation(
    labelled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.setenv("LUNAR_DATA", str(labelled / "none"))
    assert evaluate(labelled, "--by", "clinic", "--by", "age") == 0
    words = capsys.readouterr().out
    assert "Sensitivity for melanoma is 0" in words
    assert "0.754 [0.713, 0.787] in the model card" in words
    assert "1 of these images are in the training data" in words
    assert "ISIC_0024306" in words
    numbers = json.loads((labelled / "out" / "validation.json").read_text())
    measured = numbers["measured"]
    assert (measured["images"], measured["groups"]) == (IMAGES, IMAGES // 2)
    assert sum(map(sum, measured["confusion"])) == IMAGES
    hits = sum(row[index] for index, row in enumerate(measured["confusion"]))
    assert measured["overall"]["accuracy"]["value"] == pytest.approx(hits / IMAGES)
    assert measured["per_class"]["df"]["recall"] is None, "no image of this class"
    assert {group["attribute"] for group in measured["subgroups"]} == {"clinic", "age"}
    assert numbers["missing"] == ["absent"]
    assert [Path(name).name for name in numbers["unreadable"]] == ["broken.png"]
    html, markdown = ((labelled / "out" / f"validation.{suffix}").read_text() for suffix in ("html", "md"))
    assert html.count("<svg") == 3
    for text in (html, markdown):
        assert "not a medical device" in text
        assert "By clinic" in text


@pytest.mark.parametrize(("more", "cause"), [
    (("--by", "site"), "no column site; there are: image_id"),
    (("--by", "image_id", "--seed", "1"), "subgroups"),
    (("--group", "ward"), "expected ward"),
    (("--by", "age"), "'old' is not an age"),
    (("--out", "/dev/null/out"), "/dev/null is no folder"),
])  # fmt: skip
def test_a_wrong_column_is_one_line(
    labelled: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    more: tuple[str, ...],
    cause: str,
) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.setattr("lunar.validation.measuring.MOST_GROUPS", 5)
    monkeypatch.setattr("lunar.validation.command.open_bundle", None)  # all of it is seen before the model is opened
    with (labelled / "labels.csv").open("a") as file:
        file.write("old,P92,nv,a,old\n")
    assert evaluate(labelled, *more) == 1
    lines = capsys.readouterr().err.splitlines()
    assert cause in lines[-1]
