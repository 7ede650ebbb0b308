"""The bundle that the benchmarks serve is made again when another one is asked for, or when its code has changed."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from benchmarks.harness import bundles
from inference.bundle.replacement import replace_bundle
from tests.support.fakes import write_fake_bundle


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Backbone and size of each bundle that was made, by a stand-in for TensorFlow and quantisation."""
    asked: list[tuple[str, int]] = []

    def network(backbone: str, *, size: int, graphs: object) -> tuple[object, object]:
        asked.append((backbone, size))
        return graphs, None

    def export(_: object, folder: Path, **__: object) -> None:
        replace_bundle(folder, write_fake_bundle)

    untrained, exporting = ModuleType("tests.support.untrained"), ModuleType("training.bundling.export")
    untrained.untrained_network = network  # type: ignore[attr-defined]
    exporting.export = export  # type: ignore[attr-defined]
    for module in (untrained, exporting):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=0))
    return asked


def test_another_network_or_size_is_made_again(made: list[tuple[str, int]], tmp_path: Path) -> None:
    v2m, v2s, smaller = ("efficientnetv2-m", 480), ("efficientnetv2-s", 480), ("efficientnetv2-s", 384)
    for backbone, size in (v2m, v2m, v2s, v2s, smaller, smaller):
        bundles.make(tmp_path / "bundle", backbone=backbone, size=size)
    assert made == [v2m, v2s, smaller]


def test_a_bundle_that_was_made_in_part_is_not_taken_for_the_one_before(
    made: list[tuple[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    bundles.make(tmp_path / "bundle", backbone="efficientnetv2-m", size=480)
    with monkeypatch.context() as interrupted:
        interrupted.setattr(subprocess, "run", interrupt)
        with pytest.raises(KeyboardInterrupt):
            bundles.make(tmp_path / "bundle", backbone="efficientnetv2-s", size=480)
    bundles.make(tmp_path / "bundle", backbone="efficientnetv2-m", size=480)
    assert len(made) == 3


def test_other_code_makes_it_again(
    made: list[tuple[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for code in ("one", "one", "other"):
        monkeypatch.setattr(bundles, "_code", lambda code=code: code)
        bundles.make(tmp_path / "bundle", backbone="efficientnetv2-m", size=480)
    assert len(made) == 2
