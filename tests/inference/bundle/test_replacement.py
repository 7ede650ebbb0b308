"""After a failure at any step of a replacement, a whole bundle is at the target, or returns with the next call."""

import errno
import logging
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from inference.bundle import replacement
from inference.bundle.previous_bundle import aside_of
from inference.bundle.replacement import BundleChanged, NotReplaceable, check_target, replace_bundle
from inference.bundle.storage import Bundle, InvalidBundle, open_bundle
from tests.support.fakes import write_fake_bundle
from tests.support.paths import ROOT
from tests.support.replaced_bundle import digest, names, second
from tests.support.waiting import LIMIT_S


@pytest.mark.parametrize(
    ("state", "manner"),
    [("bundle", "kill"), ("bundle", "error"), ("bundle", "interrupt"),
     ("empty", "kill"), ("empty", "error"), ("missing", "kill"), ("missing", "error")],
)  # fmt: skip
def test_after_a_failure_at_any_step_a_whole_bundle_is_there(
    state: str, manner: str, tmp_path: Path, digests: tuple[str, str]
) -> None:
    old, new = digests
    before = old if state == "bundle" else None
    steps = fail_at_every_step(tmp_path, state, manner)
    renames = [line for line in steps if " os.rename " in line]
    assert len(renames) == {"bundle": 4, "empty": 2, "missing": 1}[state], "not every step was tried"
    for number, step in enumerate(steps, start=1):
        target = tmp_path / str(number) / "bundle"
        aside = aside_of(target)
        if manner == "kill" and aside.is_dir() and not target.exists():
            assert digest(aside) == old, step
        else:
            assert present(target) in (before, new), step
        check_target(target)  # as any command that writes begins
        assert present(target) in (before, new), step
        assert {path.name for path in target.parent.iterdir()} <= {"bundle"}, step
        replace_bundle(target, second)
        assert digest(target) == new, step
        assert names(target.parent) == ["bundle", *(f"bundle/{name}" for name in names(target))], step


def fail_at_every_step(folder: Path, state: str, manner: str) -> list[str]:
    command = [sys.executable, "-m", "tests.support.failing_replacement", str(folder), state, manner]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def present(target: Path) -> str | None:
    return digest(target) if target.exists() and any(target.iterdir()) else None


def test_killed_between_the_renames_the_earlier_bundle_waits_aside(target: Path, digests: tuple[str, str]) -> None:
    aside_of(target).parent.mkdir()
    target.rename(aside_of(target))
    with pytest.raises(InvalidBundle, match=f"no readable manifest.json. Its earlier bundle is in {aside_of(target)}"):
        open_bundle(target)
    target.mkdir()  # as a container runtime does
    check_target(target)
    assert digest(target) == digests[0]
    assert names(target.parent)[0] == "bundle"


def test_an_earlier_bundle_aside_is_kept_while_something_else_is_in_its_place(
    target: Path, digests: tuple[str, str]
) -> None:
    aside_of(target).parent.mkdir()
    target.rename(aside_of(target))
    target.mkdir()
    (target / "manifest.json").write_text("{}")
    for call in (check_target, lambda folder: replace_bundle(folder, second)):
        with pytest.raises(NotReplaceable, match=f"no whole bundle.*earlier bundle is in {aside_of(target)}"):
            call(target)
    assert names(target) == ["manifest.json"]
    assert digest(aside_of(target)) == digests[0]


def test_a_bundle_that_does_not_verify_replaces_nothing(target: Path, digests: tuple[str, str]) -> None:
    def spoilt(staging: Path) -> None:
        second(staging)
        (staging / "graphs/fake.xml").write_text("<other/>")

    with pytest.raises(InvalidBundle, match=r"graphs/fake\.xml does not have the hash"):
        replace_bundle(target, spoilt)
    assert digest(target) == digests[0]
    assert [path.name for path in target.parent.iterdir()] == ["bundle"]


def test_only_the_bundle_that_was_read_is_succeeded(target: Path, digests: tuple[str, str]) -> None:
    read = open_bundle(target)
    replace_bundle(target, second)
    with pytest.raises(BundleChanged, match="bundle was replaced while its successor was made"):
        replace_bundle(target, lambda staging: write_fake_bundle(staging, seed=3), successor_of=read)
    assert digest(target) == digests[1]
    replace_bundle(target, lambda staging: write_fake_bundle(staging, seed=1), successor_of=open_bundle(target))
    assert digest(target) == digests[0]
    shutil.rmtree(target)
    with pytest.raises(BundleChanged):
        replace_bundle(target, second, successor_of=read)


def test_of_two_writers_one_waits(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one starts from the bundle that the first one wrote."""
    found: list[Bundle] = []
    waits = threading.Event()
    monkeypatch.setattr(replacement.log, "info", lambda *_: waits.set())

    def third(staging: Path) -> None:
        found.append(open_bundle(target))
        write_fake_bundle(staging, seed=3)

    other = threading.Thread(target=replace_bundle, args=(target, third))

    def slow(staging: Path) -> None:
        other.start()
        assert waits.wait(LIMIT_S)
        assert not found
        second(staging)

    mine = replace_bundle(target, slow)
    other.join(LIMIT_S)
    assert [bundle.manifest.digest for bundle in found] == [mine.manifest.digest]
    assert digest(target) != mine.manifest.digest
    assert [path.name for path in target.parent.iterdir()] == ["bundle"]


MANY = """
import sys
from pathlib import Path
from inference.bundle.replacement import replace_bundle
from tests.support.fakes import write_fake_bundle
for _ in range(10):
    replace_bundle(Path(sys.argv[1]), lambda staging: write_fake_bundle(staging, seed=int(sys.argv[2])))
"""


def test_many_writers_at_once_leave_one_whole_bundle(target: Path, tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", MANY, str(target), str(seed)], cwd=ROOT, stderr=subprocess.PIPE)
        for seed in (2, 3, 4)
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=LIMIT_S)
        assert writer.returncode == 0, errors
    assert digest(target) in {write_fake_bundle(tmp_path / str(seed), seed=seed).manifest.digest for seed in (2, 3, 4)}
    assert [path.name for path in target.parent.iterdir()] == ["bundle"]


def test_an_error_of_the_second_rename_puts_the_earlier_bundle_back(
    target: Path, monkeypatch: pytest.MonkeyPatch, digests: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    rename = os.rename

    def full(source: Path, destination: Path) -> None:
        if Path(source).name == "new":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rename(source, destination)

    monkeypatch.setattr(os, "rename", full)
    with caplog.at_level(logging.WARNING), pytest.raises(OSError, match="No space left"):
        replace_bundle(target, second)
    assert "restored the earlier bundle" in caplog.text
    assert digest(target) == digests[0]
    assert [path.name for path in target.parent.iterdir()] == ["bundle"]
