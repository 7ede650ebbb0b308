"""Notes beside the checkpoints: two processes may write one at once."""

from pathlib import Path

import pytest

from training.fitting.checkpoints import Checkpoints


def test_two_processes_may_note_the_same_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second process writes its note after the first wrote its file and before that is renamed."""
    write = Path.write_text

    def write_between(path: Path, text: str) -> int:
        written = write(path, text)
        monkeypatch.setattr(Path, "write_text", write)
        Checkpoints(tmp_path).note("images", text)
        return written

    monkeypatch.setattr(Path, "write_text", write_between)
    assert Checkpoints(tmp_path).note("images", "a digest") == "a digest"
    assert [path.name for path in tmp_path.iterdir()] == ["images.txt"]


def test_a_note_that_cannot_be_written_leaves_the_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.note("images", "a digest")

    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="the disk is full"):
        checkpoints.note("images", "another")
    assert checkpoints.note("images") == "a digest"
    assert [path.name for path in tmp_path.iterdir()] == ["images.txt"]
