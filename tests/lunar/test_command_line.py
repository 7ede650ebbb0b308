"""The program `lunar` as a whole: its commands, its errors and its pipes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lunar.__main__ import COMMANDS, main
from lunar.doctor import machine
from tests.support.lesion_images import lesion
from tests.support.paths import ROOT, STARTER
from tests.support.waiting import LIMIT_S

LUNAR = (sys.executable, "-m", "lunar")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_describes_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: lunar {command}")


@pytest.mark.parametrize(("arguments", "cause"), [
    ([], "name a command: serve, predict"),
    (["--vers"], "unrecognized arguments: --vers"),
    (["pred"], "invalid choice: 'pred'"),
    (["serve", "--port=9000"], "unrecognized arguments: --port=9000"),
    (["train", "publish"], "invalid choice: 'publish'"),
    (["model"], "required: COMMAND"),
    (["model", "promote", "--forc"], "unrecognized arguments: --forc"),
    (["keys", "new", "a b"], "has 1 to 64 letters"),
    (["doctor", "now"], "unrecognized arguments: now"),
    (["evaluate", "b"], "required: --images, --labels"),
    (["predict"], "name images, folders or patterns"),
    (["predict", "--list", "a", "--recursive"], "--recursive needs a folder"),
    (["predict", "a", "--hel"], "unrecognized arguments: --hel"),
    (["predict", "a", "--target", "mel"], "--target needs --explain or --heatmaps"),
    (["predict", "a", "--render", "both"], "--render needs --explain"),
    (["predict", "a", "--explain", "--heatmaps", "d"], "exclude each other"),
    (["predict", "a", "--explain", "--csv", "x"], "a table cannot hold pictures"),
    (["predict", "a", "--resume"], "--resume needs a file"),
    (["predict", "-", "--list", "-"], "stdin can be read once only"),
    (["predict", "-", "--out", "x", "--resume"], "cannot go on with an image on stdin"),
    (["predict", "a", "--csv", "x", "--isic", "x"], "two outputs have the same name"),
])  # fmt: skip
def test_a_wrong_argument_is_one_line_and_status_2(
    arguments: list[str], cause: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    out, err = capsys.readouterr()
    assert (ended.value.code, out, err.count("\n")) == (2, "", 1)
    assert cause in err


def test_an_error_at_work_is_one_line_and_status_1(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LUNAR_HOME", str(home))
    (tmp_path / "empty").mkdir()
    for arguments, cause in (
        (["predict", str(tmp_path / "empty")], "has no images; --recursive"),
        (["predict", "--bundle", str(tmp_path / "none"), "a.png"], "no model:"),
        (["predict", "a.png"], "no model:"),
        (["model", "list"], "skin-lesion"),
        (["model", "publish", str(tmp_path / "none")], "manifest.json"),
        (["model", "rollback"], "skin-lesion"),
    ):
        assert main(arguments) == 1
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1), err
        assert cause in err


def test_a_part_that_is_not_installed_is_named_with_where_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    """As in the image lunar-service; to go back to the version before needs no training."""
    monkeypatch.setenv("LUNAR_HOME", str(home))
    for name in [name for name in sys.modules if name.partition(".")[0] == "training"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "training", None)
    assert main(["model", "promote"]) == 1
    assert (
        "lacks the part training of Lunar; a checkout has it, and the image lunar-training" in capsys.readouterr().err
    )
    assert main(["model", "rollback"]) == 1
    assert "skin-lesion" in capsys.readouterr().err


def test_an_image_whose_name_begins_with_a_dash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-x.jpg").write_bytes(b"no image")
    assert main(["predict", "--bundle", str(STARTER), "--", "-x.jpg"]) == 1
    assert main(["predict", "--", "-x.jpg", "a.png"]) == 1
    assert "unrecognized" not in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--list", "-"], ["-"]])
def test_a_closed_stdin_is_one_line_or_an_answer_with_an_error(arguments: list[str]) -> None:
    command = f"'{sys.executable}' -m lunar predict --bundle '{STARTER}' {' '.join(arguments)} <&-"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 1
    assert "standard input is closed" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_stops_ends_it_quietly(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"{number}.png").write_bytes(b"no image")
    command = f"'{sys.executable}' -m lunar predict --bundle '{STARTER}' '{tmp_path}' | head -n 1"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.stdout.startswith('{"file": ')
    assert done.stderr == ""


def test_predict_imports_neither_service_nor_training(tmp_path: Path) -> None:
    (tmp_path / "lesion.png").write_bytes(lesion("PNG"))
    script = "import sys\nfrom lunar.__main__ import main\nassert main(sys.argv[1:]) == 0\n"
    script += (
        "print('loaded', *sorted({'service', 'training', 'fastapi', 'mlflow', 'tensorflow'} & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", script, "predict", "--bundle", str(STARTER), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    assert done.stdout.splitlines()[-1] == "loaded"


def test_versions_are_listed_with_their_aliases_and_the_doctor_knows_what_is_served(
    starter_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("LUNAR_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LUNAR_HOME", str(starter_home))
    assert main(["model", "list"]) == 0
    assert capsys.readouterr().out.split("\t")[:3] == ["1", "champion", "starter"]
    assert main(["doctor"]) == 0
    report = capsys.readouterr().out
    assert "skin-lesion@champion is version 1" in report
    assert "openvino is the first choice, and runs here; fp32 because" in report


@pytest.mark.parametrize(("name", "value", "words"), [
    ("LUNAR_PORT", "abc", "FAILED   settings    LUNAR_PORT"),
    ("LUNAR_HOST", "0.0.0.0", "needs API keys"),
    ("LUNAR_HOST_NAME", "x", "LUNAR_HOST_NAME is no setting of Lunar"),
    ("LUNAR_MODEL_ALIAS", "none", "FAILED   registry"),
    ("LUNAR_HOME", "/dev/null", "is no folder"),
])  # fmt: skip
def test_the_doctor_finds_what_keeps_it_from_serving(
    starter_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    name: str, value: str, words: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("LUNAR_HOME", str(starter_home))
    monkeypatch.setenv(name, value)
    assert main(["doctor"]) == (0 if name == "LUNAR_HOST_NAME" else 1)
    assert words in capsys.readouterr().out


def test_the_doctor_names_a_home_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for home in ("file", "file/home", "circle/home"):
        result = machine.disk(tmp_path / home)
        assert (result.level, result.words[:25]) == ("failed", "LUNAR_HOME cannot be used")

    def refuse(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refuse)  # an administrator may enter any folder
    assert "Permission denied" in machine.disk(tmp_path / "closed" / "home").words


@pytest.mark.parametrize(("command", "lock"), [
    (["model", "list"], "requirements.lock"),
    (["predict", "a.png", "--bundle", "b"], "requirements.lock"),
    (["model", "promote", "--version", "1"], "requirements-training.lock"),
    (["evaluate", "b", "--images", "i", "--labels", "l"], "requirements-training.lock"),
])  # fmt: skip
def test_a_missing_package_names_the_lock_that_installs_it(
    command: list[str], lock: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    monkeypatch.setitem(COMMANDS, command[0], ("numpy:main", ""))
    assert main(command) == 1
    assert f"the package numpy is not installed; {lock} installs what this command needs." in capsys.readouterr().err


def test_the_doctor_reports_a_missing_package(
    starter_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LUNAR_HOME", str(starter_home))
    monkeypatch.setitem(sys.modules, "lunar.doctor.model", None)
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok       lunar")
    assert lines[-1].startswith("FAILED   packages    import of ")
    assert lines[-1].endswith("requirements.lock installs what serving needs")


def test_a_closed_stdout_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["predict", "a.png"]) == 1
    assert capsys.readouterr().err == "lunar: stdout is closed; send it to a file, or to /dev/null\n"
