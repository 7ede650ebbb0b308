"""No file of the user is overwritten, cut off or made in vain, and odd input is an answer with an error."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.domain.taxonomy import CLASSES
from inference.prediction.classifier import Classifier
from lunar.scoring import images, journal, tables
from lunar.scoring.answers import to_line
from lunar.scoring.options import of_results, parse
from lunar.scoring.outputs import BadOutput, check
from lunar.scoring.scorer import Scorer
from tests.support.lesion_images import lesion

MODEL, OPTIONS = {"name": "m"}, {"lang": "es", "tta": 1}


def line(name: str, **more: object) -> str:
    return to_line({"file": name, "model": MODEL, "options": OPTIONS, **more})


@pytest.mark.parametrize("text", ["my notes", "my notes\n", "{}\n", '{"file": 1}\n', '{"name"'])
def test_a_foreign_file_keeps_its_content(text: str, tmp_path: Path) -> None:
    (path := tmp_path / "n.txt").write_text(text)
    with pytest.raises(journal.NotResumable, match="line 1, is no answer of lunar predict"):
        journal.answered(path, model=MODEL, options=OPTIONS)
    assert path.read_text() == text


@pytest.mark.parametrize("tail", ["", "{", '{"file": "b.pn', line("b.png")[:-1], to_line({"file": "b", "error": "x"})])
def test_what_was_cut_off_or_failed_is_asked_again(tail: str, tmp_path: Path) -> None:
    (path := tmp_path / "lines.jsonl").write_text(line("a.png") + tail)
    assert journal.answered(path, model=MODEL, options=OPTIONS) == {images.identity("a.png")}
    assert path.read_text() == line("a.png")
    path.write_text(tail if tail.startswith("{") else "")
    assert journal.answered(path, model=MODEL, options=OPTIONS) == frozenset()
    assert path.read_text() == ""


def test_two_jobs_do_not_write_one_file(tmp_path: Path) -> None:
    (path := tmp_path / "lines.jsonl").write_text(line("a.png") + "{")
    with path.open("a") as other:
        journal.lock(other, path)
        with pytest.raises(journal.NotResumable, match="another job is writing"):
            journal.answered(path, model=MODEL, options=OPTIONS)
    assert path.read_text().endswith("{")
    assert journal.answered(path, model=MODEL, options=OPTIONS)


@pytest.mark.parametrize(("arguments", "cause"), [
    ("a.png --csv old", "old exists, and its lines old.lines.jsonl do not"),
    ("a.png --csv old --resume", "old exists, and its lines"),
    ("a.png --csv new --isic old", "old exists"),
    ("a.png --out old", "old exists: --resume goes on with it"),
    ("old --out old --resume", "old is an image or a list of this job"),
    ("--list old --csv deep/../old --resume", "is an image or a list of this job"),
    ("a.png --csv deep", "deep is a folder"),
    ("a.png --csv old/x/t.csv", "old is no folder"),
    ("a.png --csv locked/t.csv", "nothing can be written into"),
    ("a.png --heatmaps old", "old is no folder"),
    ("deep --recursive --heatmaps deep/maps", "would be images of the next job, which reads .*deep"),
    ("deep --recursive --heatmaps .", "would be images of the next job, which reads .*deep"),
    ("deep --heatmaps .", "would be images of the next job, which reads .*deep"),
    ("c.png ../c.png --heatmaps maps", "the heat maps of c.png and ../c.png"),
    ("deep/a.png deep/b.png --heatmaps .", "would be images of the next job, which reads .*deep"),
    ("drawn/a.png --heatmaps maps", r"a\.png\.mel\.gradcam\+\+\.heatmap\.png exists: name another folder"),
    ("drawn/a.png --heatmaps maps --out new --resume", r"heatmap\.png exists: name another folder"),
    ("a.png --out lines --csv old --resume", "old exists and is no table of lunar predict"),
    ("a.png --out lines --csv long --resume", "long exists and is no table of lunar predict"),
    ("a.png --out lines --parquet long --resume", "long exists and is no table of lunar predict"),
    ("a.png --out lines --isic old --resume", "old exists and is no table of lunar predict"),
    ("a/c.png b/c.jpg --isic new", "a/c.png and b/c.jpg have the same name"),
])  # fmt: skip
def test_outputs_are_refused_before_anything_is_computed(
    arguments: str, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("old").write_text("precious")
    Path("lines").write_text(line("a.png"))
    Path("long").write_text("PAR1" + "x" * 200_000)
    for folder in ("deep", "locked", "maps/drawn"):
        Path(folder).mkdir(parents=True)
    Path("maps/drawn/a.png.mel.gradcam++.heatmap.png").write_text("of another model")
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: "locked" not in str(path) and allowed(path, mode))
    options = parse(arguments.split(), prog="lunar predict")
    names = ["old"] if options.list else [{"deep": "deep/x.png"}.get(name, name) for name in options.images]
    with pytest.raises(BadOutput, match=cause):
        check(options, names)
    check(parse(["deep", "--heatmaps", "deep/maps"], prog=""), ["deep/x.png"])  # not read without --recursive
    with pytest.raises(BadOutput, match="would be images of the next job"):
        check(parse(["deep", "--recursive", "--heatmaps", "deep/maps"], prog=""), ["deep/x.png", "deep/y.png"])
    check(parse(["deep", "b.png", "--recursive", "--heatmaps", "maps"], prog=""), ["deep/x.png", "b.png"])
    check(parse(["a.png", "--csv", "deep/more/t.csv", "--out", "new", "--heatmaps", "maps"], prog=""), ["a.png"])


@pytest.mark.parametrize("kind", ["csv", "parquet", "isic"])
def test_a_resumed_job_replaces_its_own_tables(kind: str, tmp_path: Path) -> None:
    answers = [{"file": "a.png", "model": MODEL, "probabilities": dict.fromkeys(CLASSES, 1 / 7)}]
    (lines := tmp_path / "lines.jsonl").write_text(line("a.png"))
    getattr(tables, f"write_{kind}")(tmp_path / "table", lambda: answers)
    check(parse(["a.png", "--out", str(lines), f"--{kind}", str(tmp_path / "table"), "--resume"], prog=""), ["a.png"])


def test_a_file_with_two_names_is_one_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("images").mkdir()
    for name in "ab":
        Path(f"images/{name}.png").write_bytes(b"")
    found = images.find_images(["images", "./images/*.png", "-", "-"], lists=(), recursive=False)
    assert found == ("images/a.png", "images/b.png", "-")


def test_odd_input_is_an_answer_with_an_error(fake_classifier: Classifier, tmp_path: Path) -> None:
    with (huge := tmp_path / "huge.png").open("wb") as file:
        file.truncate(30_000_000_000)  # sparse
    names = ["a\0b.png", str(huge), f"{tmp_path}/{'x' * 300}.png", str(tmp_path), "none\udcff.png"]
    found = images.find_images([names[2], names[4]], lists=(), recursive=False)
    assert found == (names[2], names[4])
    results = list(Scorer(fake_classifier, tta=1, explanation=None).score(names))
    assert [result.error.partition(":")[0] for result in results] == [
        "InvalidName", "ImageTooLarge", "OSError", "IsADirectoryError", "FileNotFoundError",
    ]  # fmt: skip
    assert images.shown(names[4]) == r"none\xff.png"


def test_a_folder_that_cannot_be_read_is_an_answer_with_an_error(
    fake_classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "locked", "z"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "b.png").write_bytes(lesion("PNG"))
    allowed = os.scandir

    def scan(folder: str) -> Iterator[os.DirEntry[str]]:
        if Path(folder).name == "locked":
            raise PermissionError(13, "Permission denied", folder)
        return allowed(folder)

    monkeypatch.setattr(os, "scandir", scan)  # chmod keeps no administrator out
    locked = str(tmp_path / "locked")
    assert images.find_images([locked], lists=(), recursive=False) == (locked,)
    names = images.find_images([str(tmp_path)], lists=(), recursive=True)
    assert names == (f"{tmp_path}/a/b.png", locked, f"{tmp_path}/z/b.png")
    results = list(Scorer(fake_classifier, tta=1, explanation=None).score(names))
    assert [result.analysis is None for result in results] == [False, True, False]
    assert results[1].error


def test_a_file_that_cannot_be_looked_at_is_an_answer_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b.png").write_bytes(b"")

    def refuse(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refuse)
    for named in (str(tmp_path), f"{tmp_path}/*.png"):
        assert images.find_images([named], lists=(), recursive=False) == (f"{tmp_path}/b.png",)


def test_a_list_is_split_at_the_ends_of_lines_only(tmp_path: Path) -> None:
    (path := tmp_path / "list.txt").write_text("\ufeffa\u2028b.png\r\n\r\n c.png\n", encoding="utf-8", newline="")
    assert images.find_images([], lists=[str(path)], recursive=False) == ("a\u2028b.png", " c.png")


def test_the_options_that_decide_a_result_are_kept_as_text() -> None:
    given = ["a.png", "--precision", "bf16", "--heatmaps", "maps\udcff", "--csv", "t.csv"]
    kept = of_results(parse(given, prog="lunar predict"))
    assert kept == {"runtime": "auto", "precision": "bf16", "lang": "es", "tta": 1, "heatmaps": r"maps\xff"}


def test_a_spreadsheet_program_finds_no_formula(tmp_path: Path) -> None:
    def source() -> Iterator[dict[str, object]]:
        yield {"file": "=1+1.png", "value": -0.5}

    tables.write_csv(tmp_path / "t.csv", source)
    assert (tmp_path / "t.csv").read_text() == "file,value\n'=1+1.png,-0.5\n"
    assert json.loads(to_line(next(source())))["file"] == "=1+1.png"
