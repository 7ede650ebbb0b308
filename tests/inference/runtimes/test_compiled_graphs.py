"""Compiled graphs on disk: read again, verified by their hashes and by the golden cases, bounded in number."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.bundle.storage import Bundle
from inference.registry.bundle_cache import BundleCache
from inference.registry.mlflow_registry import Registry
from inference.runtimes import RUNTIMES, GoldenMismatch, Outputs, open_runtime
from inference.runtimes.compiled_graphs import HASHES, MOST, with_compiled_graph
from inference.settings import RegistrySettings
from tests.support.fakes import FakeRuntime


class KeepingRuntime(FakeRuntime):
    """Keeps a file as OpenVINO does, and reverses the logits if it finds another text there."""

    compiler = "a fake"
    text = "the graph"

    def __init__(self, bundle: Bundle, precision: str, reason: str) -> None:
        super().__init__(bundle, precision, reason)
        path = bundle.compiled / "graph.blob"
        if not path.exists():
            path.write_text(self.text)
        self._right = path.read_text() == "the graph"

    def run(self, batch: NDArray[np.uint8]) -> Outputs:
        outputs = super().run(batch)
        return outputs if self._right else Outputs(outputs.logits[::-1], outputs.features)


def compile_into(root: Path, name: str) -> Path | None:
    """What a runtime does: the folder that it got, after it wrote a file there."""

    def make(folder: Path | None) -> Path | None:
        if folder and not any(folder.iterdir()):
            (folder / "graph.blob").write_text(name)
        return folder

    return with_compiled_graph(root, (name,), make)


def kept(root: Path) -> list[Path]:
    return sorted(root.iterdir())


def test_what_was_compiled_is_found_again(tmp_path: Path) -> None:
    compile_into(tmp_path, "a model")
    (place,) = kept(tmp_path)
    assert compile_into(tmp_path, "a model") == place
    assert (place / "graph.blob").read_text() == "a model"
    compile_into(tmp_path, "another model")
    assert len(kept(tmp_path)) == 2


@pytest.mark.parametrize("damage", [
    lambda place: (place / "graph.blob").write_text("A model"),
    lambda place: (place / "graph.blob").unlink(),
    lambda place: (place / "more.blob").write_text("a stranger's"),
    lambda place: (place / HASHES).write_text("{"),
    lambda place: (place / HASHES).unlink(),
])  # fmt: skip
def test_what_is_damaged_is_compiled_again(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    compile_into(tmp_path, "a model")
    (place,) = kept(tmp_path)
    damage(place)
    assert compile_into(tmp_path, "a model") != place
    assert kept(tmp_path) == [place]
    assert sorted(path.name for path in place.iterdir()) == ["graph.blob", HASHES]
    assert (place / "graph.blob").read_text() == "a model"


def test_the_oldest_are_deleted(tmp_path: Path) -> None:
    for number in range(MOST + 1):
        compile_into(tmp_path, f"model {number}")
        for age, path in enumerate(sorted(kept(tmp_path), key=lambda each: each.stat().st_mtime)):
            os.utime(path, (1000 + age, 1000 + age))
    names = {(path / "graph.blob").read_text() for path in kept(tmp_path)}
    assert names == {f"model {number}" for number in range(1, MOST + 1)}


def test_nothing_is_kept_without_a_folder_or_a_file(tmp_path: Path) -> None:
    assert with_compiled_graph(None, ("a model",), lambda folder: folder) is None
    (tmp_path / "a file").write_text("")
    assert compile_into(tmp_path / "a file", "a model") is None
    with_compiled_graph(tmp_path / "root", ("a model",), lambda folder: folder)  # OpenVINO had no place for its file
    assert kept(tmp_path / "root") == []


def test_a_folder_that_vanishes_during_the_sweep_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")  # it is listed, and has no status
    compile_into(tmp_path, "a model")
    assert len(kept(tmp_path)) == 2
    assert not caplog.records


@pytest.mark.parametrize("strangers", [True, False])
def test_a_folder_that_others_may_write_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strangers: bool
) -> None:
    root = tmp_path / "compiled"
    compile_into(root, "a model")
    assert root.stat().st_mode & 0o777 == 0o700
    if strangers:
        monkeypatch.setattr(os, "geteuid", lambda: root.stat().st_uid + 1)
    else:
        root.chmod(0o770)
    assert compile_into(root, "a model") is None
    assert compile_into(root, "another model") is None
    assert len(kept(root)) == 1


def test_only_what_reproduces_the_golden_cases_is_kept(
    fake_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RUNTIMES, "openvino", f"{__name__}:KeepingRuntime")
    bundle = replace(fake_bundle, compiled=tmp_path)
    monkeypatch.setattr(KeepingRuntime, "text", "another graph")
    with pytest.raises(GoldenMismatch):
        open_runtime(bundle, name="openvino", precision="fp32")
    assert kept(tmp_path) == []


def test_a_kept_graph_that_misses_the_golden_cases_is_compiled_again(
    fake_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hashes are right, as those of a graph that was damaged before they were computed."""
    monkeypatch.setitem(RUNTIMES, "openvino", f"{__name__}:KeepingRuntime")
    bundle = replace(fake_bundle, compiled=tmp_path)
    open_runtime(bundle, name="openvino", precision="fp32")
    (place,) = kept(tmp_path)
    (place / "graph.blob").write_text("damaged")
    (place / HASHES).write_text(json.dumps({"graph.blob": hashlib.sha256(b"damaged").hexdigest()}))
    open_runtime(bundle, name="openvino", precision="fp32")
    assert (place / "graph.blob").read_text() == "the graph"


def test_a_compiled_graph_gives_the_same_answers(starter: Bundle, tmp_path: Path) -> None:
    registry = Registry(RegistrySettings(home=tmp_path))
    version = registry.publish(starter, alias="champion", source="test")
    bundle = BundleCache(tmp_path).fetch(version, registry)
    first = open_runtime(bundle, precision="fp32").run(bundle.golden.images)
    (place,) = kept(tmp_path / "compiled")
    written = {path.name: path.stat().st_mtime_ns for path in place.iterdir()}
    again = open_runtime(bundle, precision="fp32").run(bundle.golden.images)
    assert np.abs(first.logits - again.logits).max() < 1e-4
    assert {path.name: path.stat().st_mtime_ns for path in place.iterdir()} == written, "it was compiled again"
    assert list(written) != [HASHES], "OpenVINO kept nothing"
