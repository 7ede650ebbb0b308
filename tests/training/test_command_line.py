"""What the command line says to mistakes and to Ctrl+C."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import training
from inference.bundle.storage import Bundle
from inference.registry.mlflow_registry import Registry
from tests.support.drawn_run import CONFIG
from tests.support.paths import ROOT
from training import commands, run_folder
from training.__main__ import main
from training.fitting.checkpoints import Checkpoints


@pytest.mark.parametrize(("arguments", "continues"), [
    (["promote"], False), (["run", "any.toml"], True), (["fold", "any.toml", "1"], True),
])  # fmt: skip
def test_ctrl_c_ends_with_one_line_and_its_own_status(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    continues: bool,
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("LUNAR_HOME", str(tmp_path))
    monkeypatch.setattr(commands, arguments[0], interrupt)
    assert main(arguments) == 130
    words = capsys.readouterr().err
    assert words.count("\n") == 1
    assert ("continues after the last finished epoch" in words) == continues


def test_without_runs_the_published_results_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNAR_HOME", str(tmp_path))
    texts = []
    for quoted in ([], ["--quoted"]):
        assert main(["compare", *quoted, "--out", str(tmp_path / "comparison")]) == 0
        texts.append((tmp_path / "comparison" / "comparison.md").read_text())
    assert texts[0] == texts[1]
    assert "vasc, recall" in texts[0]


@pytest.mark.parametrize(("change", "cause"), [
    (("layers = 0", "layers = 0\nepoch = 3"), "warm_up.epoch: Extra inputs"),
    (("seed = 1", ""), "seed: Field required"),
    (("0.70, 0.15, 0.15", "0.70, 0.15, 0.20"), "sum to 1"),
    (('split = "lesion"', 'split = "patient"'), "data.split: Input should be 'lesion' or 'image'"),
    (("efficientnetv2-b0", "resnet"), "unknown backbone 'resnet'; there are: efficientnetv2-b0"),
    (("HAM10000_metadata.csv", "none.csv"), "none.csv does not exist"),
    (("seed = 1", "seed = "), "Invalid value"),
])  # fmt: skip
def test_a_wrong_configuration_names_key_and_cause(
    kaggle_layout: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, str],
    cause: str,
) -> None:
    config = tmp_path / "wrong.toml"
    config.write_text(CONFIG.replace(*change))
    monkeypatch.setenv("LUNAR_DATA", str(kaggle_layout))
    monkeypatch.setenv("LUNAR_HOME", str(tmp_path / "home"))
    assert main(["run", str(config)]) == 1
    assert cause in capsys.readouterr().err


def test_mlflow_is_kept_quiet_before_it_is_imported(tmp_path: Path) -> None:
    """In a new process, because MLflow reads the variable when it is imported."""
    script = "import os, sys; from training.__main__ import main; assert 'mlflow' not in sys.modules; main(['promote'])"
    script += "; from mlflow.telemetry import get_telemetry_client as client; print(client(), end='')"
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "DO_NOT", "CI"))}
    environment |= {"LUNAR_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "None"), done.stderr


def test_promoting_nothing_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LUNAR_HOME", str(tmp_path))
    assert main(["promote"]) == 1
    assert "skin-lesion" in capsys.readouterr().err


def test_a_run_that_was_finished_before_claims_no_alias(
    registry: Registry,
    fake_bundle: Bundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its version was the candidate then; another one is it now."""
    (path := tmp_path / "drawn.toml").write_text(CONFIG)
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    published = registry.publish(fake_bundle, alias="candidate", source="training")
    run_folder.note_finished(checkpoints, run_folder.Result(fake_bundle, published))
    registry.publish(fake_bundle, alias="candidate", source="training")
    monkeypatch.setenv("LUNAR_HOME", str(registry.home))

    def run(*_: object, **__: object) -> run_folder.Result | None:
        return run_folder.finished_before(checkpoints, fake_bundle.path)

    monkeypatch.setattr(training, "pipeline", SimpleNamespace(run=run), raising=False)
    assert main(["run", str(path)]) == 0
    words = capsys.readouterr().out
    assert words.splitlines()[-1] == f"{fake_bundle.path} was published as version 1"
    assert "alias" not in words


def test_help_waits_for_no_import() -> None:
    """What takes seconds to import is imported by the command that needs it."""
    script = "import sys\nfrom training.__main__ import main\ntry: main(['run', '--help'])\nexcept SystemExit: pass\n"
    script += "print('loaded', *sorted({'numpy', 'mlflow', 'keras', 'tensorflow', 'pydantic'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--set KEY=VALUE" in done.stdout
    assert done.stdout.splitlines()[-1] == "loaded"
