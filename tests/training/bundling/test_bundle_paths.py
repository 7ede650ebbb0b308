"""`training run --bundle PATH` refuses a wrong path before it trains, and deletes nothing."""

from pathlib import Path

import pytest

from tests.support.drawn_run import CONFIG
from tests.support.fakes import write_fake_bundle
from training.__main__ import main


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        (".", "home is the working folder or a parent of it"),
        ("..", "is the working folder or a parent of it"),
        ("notes", "notes holds files but no bundle"),
        ("drawn.toml", "drawn.toml is not a folder"),
        ("annotated", "annotated holds no whole bundle: Not listed in the manifest: thesis.txt"),
    ],
)
def test_a_wrong_bundle_path_is_refused_before_the_data_are_read(
    path: str, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    (home / "notes").mkdir(parents=True)
    (home / "drawn.toml").write_text(CONFIG)
    for folder in (home / "notes", write_fake_bundle(home / "annotated").path):
        (folder / "thesis.txt").write_text("years of work")
    before = names(tmp_path)
    monkeypatch.chdir(home)
    monkeypatch.setenv("LUNAR_DATA", "nowhere")
    monkeypatch.setenv("LUNAR_HOME", str(tmp_path / "lunar"))
    assert main(["run", "drawn.toml", "--bundle", path]) == 1
    words = capsys.readouterr().err
    assert words.count("\n") == 1
    assert cause in words
    assert "Allowed: a path that does not exist, an empty folder, or a folder that holds a whole bundle." in words
    assert names(tmp_path) == before
