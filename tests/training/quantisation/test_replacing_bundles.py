"""`quantise` and `refit` replace a bundle as a whole or leave it as it was."""

import errno
import os
from pathlib import Path

import pytest

from inference.bundle.storage import open_bundle, write_bundle
from tests.support.graph_comparisons import compared, fake_ways
from training.__main__ import main
from training.bundling import refit
from training.evaluation.out_of_distribution import fit_ood_detector
from training.quantisation import quantise
from training.quantisation.calibration_set import collect_calibration_data

pytestmark = pytest.mark.numeric


@pytest.mark.parametrize("command", ["quantise", "refit"])
def test_a_bundle_that_cannot_be_exchanged_is_refused_beforehand(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mount point, say; nothing is lost, and nothing is computed: there are no data here."""
    before, rename = open_bundle(folder).manifest, os.rename

    def busy(source: Path, destination: Path) -> None:
        if Path(source) == folder:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        rename(source, destination)

    monkeypatch.setattr(os, "rename", busy)
    monkeypatch.setenv("LUNAR_DATA", str(folder / "nothing"))
    assert main([command, str(folder)]) == 1
    assert "cannot be renamed (Device or resource busy)" in one_line(capsys)
    assert open_bundle(folder).manifest == before
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]


@pytest.mark.parametrize("command", ["quantise", "refit"])
def test_a_bundle_is_replaced_or_there_as_it_was(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The disk fails between the two renames."""
    before, rename = open_bundle(folder).manifest, os.rename

    def full(source: Path, destination: Path) -> None:
        if Path(source).name == "new":
            assert not folder.exists()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rename(source, destination)

    monkeypatch.setattr(quantise, "_ways", fake_ways(open_bundle(folder), "plainly"))
    monkeypatch.setattr(quantise, "_compare", lambda *_: compared())
    monkeypatch.setattr(os, "rename", full)
    assert main([command, str(folder)]) == 1
    assert "No space left" in one_line(capsys)
    assert open_bundle(folder).manifest == before
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]
    monkeypatch.setattr(os, "rename", rename)
    assert main([command, str(folder)]) == 0
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()])
def test_a_refit_that_fails_at_its_last_step_leaves_the_bundle_with_its_int8_graph(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    monkeypatch.setattr(quantise, "_ways", fake_ways(open_bundle(folder), "plainly"))
    monkeypatch.setattr(quantise, "_compare", lambda *_: compared())
    assert main(["quantise", str(folder)]) == 0
    before = open_bundle(folder).manifest
    assert before.quantisation

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as failing:
        failing.setattr(quantise, "_ways", fail)
        assert main(["refit", str(folder)]) in (1, 130)
    assert open_bundle(folder).manifest == before
    assert main(["refit", str(folder)]) == 0
    assert open_bundle(folder).manifest.quantisation
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]


@pytest.mark.parametrize("command", ["quantise", "refit"])
def test_another_ones_bundle_is_not_overwritten(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody replaces the bundle while its successor is computed."""
    original = open_bundle(folder)

    def overtaken(*_: object, **__: object) -> object:
        theirs = original.manifest.replaced(name="theirs")
        write_bundle(folder, theirs, head=original.head, golden=original.golden)
        return collect_calibration_data(*_, **__) if command == "quantise" else fit_ood_detector(*_, **__)

    monkeypatch.setattr(quantise, "collect_calibration_data", overtaken)
    monkeypatch.setattr(refit, "fit_ood_detector", overtaken)
    assert main([command, str(folder)]) == 1
    assert "was replaced while its successor was made. Repeat" in one_line(capsys)
    assert open_bundle(folder).manifest.name == "theirs"


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """What a command said on stderr."""
    words = capsys.readouterr().err
    assert words.count("\n") == 1
    return words
