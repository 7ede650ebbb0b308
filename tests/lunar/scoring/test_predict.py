"""`lunar predict` on the starter: its lines, tables and heat maps, and going on after a kill."""

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import pytest

from inference.bundle.storage import Bundle
from inference.prediction.classifier import Classifier
from inference.prediction.serialization import prediction_reply
from lunar.__main__ import main
from lunar.scoring import images, scorer
from tests.support.dicom_files import PATIENT, STUDY, dicom_file
from tests.support.lesion_images import lesion
from tests.support.paths import STARTER
from training.data.synthetic_lesions import draw_lesion

PREDICT = ("predict", "--bundle", str(STARTER), "--lang", "en")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three different lesions, one of them in a folder of its own, a file that is no image, and other files."""
    (folder := tmp_path / "images").mkdir()
    (folder / "inner").mkdir()
    for number, name in enumerate(("a.png", "b.PNG", "inner/c.png")):
        cv2.imwrite(str(folder / name), draw_lesion(width=80, height=60, seed=number)[..., ::-1])
    (folder / "bad.jpg").write_bytes(b"no image")
    (folder / "notes.txt").write_text("no image either")
    (folder / ".hidden.png").write_bytes(b"x")
    return folder


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def results(answers: Iterable[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """File, error and class: an image alone and one of several may be computed differently in the last digits."""
    return [
        (answer["file"], answer.get("error", ""), answer.get("prediction", {}).get("class", "") or "")
        if "prediction.class" not in answer
        else (answer["file"], answer["error"], answer["prediction.class"])
        for answer in answers
    ]


@pytest.mark.numeric
def test_lines_are_the_answers_of_the_api_after_the_file(
    folder: Path, starter: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*PREDICT, "--recursive", str(folder)]) == 1  # one file has no result
    answers = lines(capsys.readouterr().out)
    assert [Path(answer["file"]).name for answer in answers] == ["a.png", "b.PNG", "bad.jpg", "c.png"]
    assert [next(iter(answer)) for answer in answers] == ["file"] * 4
    assert answers[2]["error"].startswith("UnsupportedFormat: ")
    classifier = Classifier.open(starter)
    for answer in (answers[0], answers[1], answers[3]):
        prepared = classifier.prepare(Path(answer["file"]).read_bytes())
        reply = prediction_reply(classifier.predict(prepared, classifier.run(prepared.batch)), "en")
        expected = reply.model_dump(by_alias=True)
        assert answer["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-5)
        assert answer["prediction"]["class"] == expected["prediction"]["class"]
        assert answer.keys() == {"file", "model", "options", *expected}


def test_a_dicom_instance_in_a_folder_is_answered_without_its_patient(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.dcm").write_bytes(dicom_file())
    assert main([*PREDICT, str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert lines(shown.out)[0]["prediction"]["class"]
    assert not any(each in shown.out + shown.err for each in (*PATIENT.values(), STUDY))


def test_images_are_found_in_every_way_and_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (listed := tmp_path / "list.txt").write_text(f"{folder}/inner/c.png\n\n{folder}/a.png\n")
    find = images.find_images
    assert find([str(folder)], lists=(), recursive=False) == tuple(
        f"{folder}/{n}" for n in ("a.png", "b.PNG", "bad.jpg")
    )
    assert find([f"{folder}/**/*.png"], lists=(), recursive=False) == (f"{folder}/a.png", f"{folder}/inner/c.png")
    named = find([f"{folder}/a.png", "missing.png"], lists=[str(listed)], recursive=False)
    assert named == (f"{folder}/a.png", "missing.png", f"{folder}/inner/c.png")
    monkeypatch.setattr("sys.stdin", io.StringIO("x.png\n"))
    assert find([], lists=["-"], recursive=False) == ("x.png",)
    for wrong in (f"{folder}/*.tiff", str(tmp_path)):
        with pytest.raises(images.NoImages):
            find([wrong], lists=(), recursive=False)


def test_a_log_has_a_line_of_progress_now_and_then(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("inference.progress.LINE_S", 0.0)
    assert main([*PREDICT, str(folder), "--out", str(tmp_path / "lines.jsonl")]) == 1
    assert [text for text in caplog.messages if text.startswith("classifying: 2 of 3 images")]


def test_an_image_on_stdin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Stdin:
        buffer = io.BytesIO(lesion("PNG"))

    monkeypatch.setattr("sys.stdin", Stdin)
    assert main([*PREDICT, "-"]) == 0
    assert lines(capsys.readouterr().out)[0]["file"] == "-"


def test_tables_and_heat_maps(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    files = [f"--{kind}={out / kind}" for kind in ("csv", "isic", "parquet", "heatmaps")]
    assert main([*PREDICT, "--recursive", str(folder), *files, "--target", "mel", "--render", "overlay"]) == 1
    assert sorted(path.name for path in out.iterdir()) == ["csv", "csv.lines.jsonl", "heatmaps", "isic", "parquet"]
    with (out / "csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [bool(row["error"]) for row in rows] == [False, False, True, False]
    assert float(rows[0]["probabilities.mel"]) > 0
    maps = [row["explanations.0.overlay"] for row in rows if not row["error"]]
    assert all(path.endswith(".mel.gradcam++.overlay.png") for path in maps)
    assert all(Path(path).read_bytes().startswith(b"\x89PNG") for path in maps)
    with (out / "isic").open(newline="") as file:
        header, *submission = csv.reader(file)
    assert header == ["image", "MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"]
    assert [row[0] for row in submission] == ["a", "b", "c"]
    assert [float(row[1]) for row in submission] == [
        float(row["probabilities.mel"]) for row in rows if not row["error"]
    ]
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(out / "parquet").column_names == list(rows[0])


def test_a_killed_job_goes_on_and_asks_for_nothing_twice(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*PREDICT, "--recursive", str(folder), "--out", str(out := tmp_path / "lines.jsonl")]
    assert main(command) == 1
    whole = out.read_bytes()
    cut = whole.splitlines(keepends=True)
    out.write_bytes(b"".join(cut[:2]) + cut[2][:20])  # the kill came within the third line
    assert main(command) == 1
    assert "--resume goes on with it" in capsys.readouterr().err
    read: list[str] = []
    monkeypatch.setattr(scorer, "read_image", lambda name: (read.append(name), images.read_image(name))[1])
    assert main([*command, "--resume"]) == 1
    assert results(lines(out.read_text())) == results(lines(whole.decode()))
    assert sorted(Path(name).name for name in read) == ["bad.jpg", "c.png"]
    assert main([*command, "--resume", "--tta", "2"]) == 1
    assert "has other options: {" in capsys.readouterr().err
    out.write_text(json.dumps(json.loads(cut[0]) | {"model": {"name": "other"}}) + "\n")
    assert main([*command, "--resume"]) == 1
    assert "is of another model" in capsys.readouterr().err


def test_going_on_asks_again_for_what_failed_and_takes_more_images_and_outputs(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    command = [*PREDICT, "a.png", "bad.jpg", "--csv", str(table := tmp_path / "table.csv"), "--resume"]
    assert main(command) == 1
    (folder / "bad.jpg").write_bytes((folder / "b.PNG").read_bytes())
    (folder / "c\udcff.png").write_bytes((folder / "b.PNG").read_bytes())
    read: list[str] = []
    monkeypatch.setattr(scorer, "read_image", lambda name: (read.append(name), images.read_image(name))[1])
    odd, isic = str(folder / "c\udcff.png"), tmp_path / "isic.csv"
    assert main([*PREDICT, *command[len(PREDICT) : -3], odd, *command[-3:], "--isic", str(isic)]) == 0
    assert sorted(Path(name).name for name in read) == ["bad.jpg", "c\udcff.png"]
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [Path(row["file"]).name for row in rows] == ["a.png", "bad.jpg", "c\\xff.png"]
    assert all(row["prediction.class"] for row in rows)
    assert [line.partition(",")[0] for line in isic.read_text().splitlines()] == ["image", "a", "bad", "c\\xff"]
    command[command.index("a.png")] = str(folder / "inner" / ".." / "a.png")  # the same file
    read.clear()
    assert main([argument for argument in command if argument != "bad.jpg"]) == 0
    assert read == []
    assert len(table.read_text().splitlines()) == 2, "only the images of this call"


def test_going_on_in_another_folder_asks_for_the_images_there(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two patients with files of one name: the second does not get the answers of the first."""
    command = [*PREDICT, "a.png", "--csv", str(table := tmp_path / "table.csv"), "--resume"]
    (other := tmp_path / "second").mkdir()
    (other / "a.png").write_bytes((folder / "b.PNG").read_bytes())
    read: list[Path] = []
    monkeypatch.setattr(scorer, "read_image", lambda name: (read.append(Path.cwd() / name), images.read_image(name))[1])
    for place in (folder, other, other):
        monkeypatch.chdir(place)
        assert main(command) == 0
    assert read == [folder / "a.png", other / "a.png"]
    assert "folder" not in table.read_text().splitlines()[0].split(",")
    kept = lines((tmp_path / "table.csv.lines.jsonl").read_text())
    assert [each["folder"] for each in kept] == [str(folder), str(other)]


@pytest.mark.parametrize("tta", [1, 4])
def test_views_of_one_image_stay_together(fake_classifier: Classifier, folder: Path, tta: int) -> None:
    names = [str(folder / name) for name in ("a.png", "bad.jpg", "b.PNG", "inner/c.png")]
    results = list(scorer.Scorer(fake_classifier, tta=tta, explanation=None).score(names))
    assert [result.name for result in results] == names
    for result in results:
        if result.analysis:
            prepared = fake_classifier.prepare(Path(result.name).read_bytes(), tta=tta)
            alone = fake_classifier.predict(prepared, fake_classifier.run(prepared.batch))
            assert result.analysis.prediction.probabilities == pytest.approx(alone.probabilities, abs=1e-6)
