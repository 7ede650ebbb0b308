"""Folders that a bundle may be written to, and folders that are refused and unchanged."""

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from inference.bundle.replacement import NotReplaceable, check_target, replace_bundle
from tests.support.fakes import write_fake_bundle
from tests.support.paths import ROOT
from tests.support.replaced_bundle import digest, names, second
from tests.support.waiting import LIMIT_S


def write_file(folder: Path) -> Path:
    path = folder / "thesis.txt"
    path.write_text("years of work")
    return path


def write_notes(folder: Path) -> Path:
    (folder / "notes").mkdir()
    write_file(folder / "notes")
    return folder / "notes"


def write_web_page(folder: Path) -> Path:
    (folder / "site").mkdir()
    (folder / "site" / "manifest.json").write_text('{"name": "an app", "icons": []}')
    return folder / "site"


def write_annotated_bundle(folder: Path) -> Path:
    bundle = write_fake_bundle(folder / "annotated").path
    write_file(bundle)
    return bundle


def write_damaged_bundle(folder: Path) -> Path:
    bundle = write_fake_bundle(folder / "damaged").path
    (bundle / "head.npz").unlink()
    return bundle


def write_endless_link(folder: Path) -> Path:
    (folder / "loop").symlink_to(folder / "loop")
    return folder / "loop"


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (
            write_file,
            "thesis.txt is not a folder. Allowed: a path that does not exist, an empty folder, or a folder that",
        ),
        (write_notes, "notes holds files but no bundle: it has no manifest.json. Allowed"),
        (write_web_page, "site holds no whole bundle: manifest.json: .* Allowed"),
        (write_annotated_bundle, "annotated holds no whole bundle: Not listed in the manifest: thesis.txt. Allowed"),
        (write_damaged_bundle, "damaged holds no whole bundle: Missing from the bundle: head.npz. Allowed"),
        (write_endless_link, "loop is not a folder. Allowed"),
    ],
)
def test_what_is_no_bundle_is_refused_and_kept(make: Callable[[Path], Path], cause: str, tmp_path: Path) -> None:
    target = make(tmp_path)
    before = names(tmp_path)
    for call in (check_target, lambda folder: replace_bundle(folder, second)):
        with pytest.raises(NotReplaceable, match=cause) as refusal:
            call(target)
        assert "\n" not in str(refusal.value)
        assert names(tmp_path) == before


@pytest.mark.parametrize("path", [".", "..", "../bundle", "/"])
def test_the_working_folder_and_those_above_are_refused(
    path: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if it holds a bundle: the working folder of the process would be deleted."""
    monkeypatch.chdir(target)
    before = names(target.parent)
    for call in (check_target, lambda folder: replace_bundle(folder, second)):
        with pytest.raises(NotReplaceable, match="is the working folder or a parent of it"):
            call(Path(path))
    assert names(target.parent) == before


@pytest.mark.parametrize(
    "path", ["new", "new/", "empty", "deep/er/new", "bundle", "bundle/", "empty/../bundle", "./bundle"]
)
def test_new_empty_and_bundle_are_written(
    path: str, target: Path, monkeypatch: pytest.MonkeyPatch, digests: tuple[str, str]
) -> None:
    monkeypatch.chdir(target.parent)
    Path("empty").mkdir()
    before = names(target.parent)
    check_target(Path(path))
    assert names(target.parent) == before
    made = replace_bundle(Path(path), second)
    assert made.path == Path(path)
    assert made.manifest.digest == digest(Path(path)) == digests[1]
    assert {name.split("/")[0] for name in names(target.parent)} == {"bundle", "empty", Path(path).parts[0]}


def test_a_symbolic_link_stays_and_what_it_leads_to_is_replaced(
    target: Path, tmp_path: Path, digests: tuple[str, str]
) -> None:
    link = tmp_path / "current"
    link.symlink_to(target)
    replace_bundle(link, second)
    assert link.is_symlink()
    assert digest(target) == digest(link) == digests[1]
    assert [path.name for path in target.parent.iterdir()] == ["bundle"]


def test_a_file_among_the_parents_is_named(tmp_path: Path) -> None:
    write_file(tmp_path)
    for call in (check_target, lambda folder: replace_bundle(folder, second)):
        with pytest.raises(NotADirectoryError, match=r"thesis\.txt"):
            call(tmp_path / "thesis.txt" / "bundles" / "one")


@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_who_could_read_the_bundle_still_can(mode: int, target: Path) -> None:
    """The service may run as another user than training."""
    target.chmod(mode)
    replace_bundle(target, second)
    assert stat.S_IMODE(target.stat().st_mode) == mode


def test_what_a_person_puts_there_meanwhile_is_kept(target: Path, tmp_path: Path) -> None:
    def overtaken(staging: Path) -> None:
        second(staging)
        write_file(target)

    with pytest.raises(NotReplaceable, match=r"thesis\.txt"):
        replace_bundle(target, overtaken)
    assert "thesis.txt" in names(target)


def test_a_folder_that_cannot_be_renamed_is_refused_beforehand(
    target: Path, monkeypatch: pytest.MonkeyPatch, digests: tuple[str, str]
) -> None:
    """With the error that the kernel gives for a mount point; the next test uses a real mount."""
    rename = os.rename

    def busy(source: Path, destination: Path) -> None:
        if Path(source) == target:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        rename(source, destination)

    monkeypatch.setattr(os, "rename", busy)
    for call in (check_target, lambda folder: replace_bundle(folder, pytest.fail)):
        with pytest.raises(NotReplaceable, match=r"bundle cannot be renamed \(Device or resource busy\).* inside it"):
            call(target)
    assert digest(target) == digests[0]
    assert [path.name for path in target.parent.iterdir()] == ["bundle"]


ON_A_MOUNT = """
import sys
from pathlib import Path
from inference.bundle.storage import open_bundle
from inference.bundle.replacement import NotReplaceable, check_target, replace_bundle
from tests.support.fakes import write_fake_bundle
target, inside = Path(sys.argv[1]), Path(sys.argv[1]) / "inside"
def refused(call):
    try:
        call(target)
    except NotReplaceable as error:
        print(error)
    assert [path.name for path in target.parent.iterdir()] == ["bundle"]
refused(check_target)  # while it is empty
replace_bundle(inside, lambda staging: write_fake_bundle(staging))
open_bundle(inside)
for path in inside.iterdir():
    path.rename(target / path.name)
inside.rmdir()
refused(check_target)
refused(lambda folder: replace_bundle(folder, lambda staging: write_fake_bundle(staging, seed=2)))
print(open_bundle(target).manifest.digest)
"""


@pytest.mark.parametrize("mount", ["mount -t tmpfs tmpfs {0}", "mount --bind {0} {0}"])
def test_a_mount_point_is_refused_and_kept(mount: str, tmp_path: Path) -> None:
    """os.path.ismount does not see a bind mount on the same file system."""
    target = tmp_path / "home" / "bundle"
    target.mkdir(parents=True)
    namespace = ["unshare", "--mount", "--map-root-user", "sh", "-e", "-c"]
    command = mount.format(target)
    if (tried := subprocess.run([*namespace, command], capture_output=True, text=True)).returncode:
        pytest.skip(f"this machine lets nobody mount here: {tried.stderr.strip()}")
    script = f'{command}; exec "$0" -c "$1" {target}'
    done = subprocess.run(
        [*namespace, script, sys.executable, ON_A_MOUNT], cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    *refusals, kept = done.stdout.splitlines()
    assert len(refusals) == 3
    assert all(f"{target} cannot be renamed (Device or resource busy)" in refusal for refusal in refusals)
    assert kept == write_fake_bundle(tmp_path / "same").manifest.digest
