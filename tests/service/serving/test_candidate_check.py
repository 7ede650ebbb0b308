"""Versions whose verification hangs, grows or crashes: it ends alone, in a process of its own."""

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from inference.bundle.storage import Bundle
from inference.runtimes import RuntimeUnavailable, open_runtime
from service.serving.candidate_check import CandidateCheck, CandidateFailed, CandidateSuperseded
from service.settings import Settings
from tests.support.waiting import LIMIT_S, wait_for

pytestmark = pytest.mark.slow
HANGS = "while True: pass"
HANGS_WHILE_LOADING = """
from service.serving import candidate_process

def hang(*_, **__):
    while True: pass

candidate_process.Classifier.open = hang
candidate_process.main()
"""
GROWS = "held = bytearray(400_000_000)\nfor place in range(0, len(held), 4096): held[place] = 1\nwhile True: pass"
CRASHES = "import os, sys\nprint('a library says why', file=sys.stderr, flush=True)\nos.abort()"


def check(program: str, **limits: float) -> CandidateCheck:
    settings = Settings(**({"candidate_timeout_s": LIMIT_S} | limits))
    return CandidateCheck(settings, program=("-c", program))


def compiled_files(bundle: Bundle) -> dict[Path, int]:
    assert bundle.compiled
    return {path: path.stat().st_mtime_ns for path in bundle.compiled.rglob("*") if path.is_file()}


def test_a_good_version_passes_and_a_bad_one_is_told_as_the_runtime_tells_it(
    starter: Bundle, fake_bundle: Bundle, tmp_path: Path
) -> None:
    """The real process, with the real runtime; the fake bundle's graph is none."""
    settings = Settings(runtime="openvino", candidate_timeout_s=LIMIT_S)
    candidate = replace(starter, compiled=tmp_path / "compiled")
    CandidateCheck(settings).verify(candidate)
    written = compiled_files(candidate)
    assert written, "the process kept nothing of what it compiled"
    open_runtime(candidate, name="openvino")
    assert compiled_files(candidate) == written, "the service compiled the graph again, without limits"
    with pytest.raises(RuntimeUnavailable, match="openvino cannot load"):
        CandidateCheck(settings).verify(fake_bundle)


@pytest.mark.parametrize(("program", "limits", "words"), [
    (HANGS, {"candidate_timeout_s": 0.2}, "more than 0.2 s"),
    (GROWS, {"candidate_memory_mb": 200}, "more than 200 MB"),
    (CRASHES, {}, "status -6: .*a library says why"),
])  # fmt: skip
def test_what_goes_beyond_a_limit_ends_alone(
    program: str, limits: dict[str, float], words: str, fake_bundle: Bundle
) -> None:
    with pytest.raises(CandidateFailed, match=words):
        check(program, **limits).verify(fake_bundle)


def test_a_verification_ends_in_time_though_the_service_was_killed(
    fake_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then nobody watches its process."""
    monkeypatch.setattr(CandidateCheck, "_watch", lambda _, process, __: process.wait(LIMIT_S))
    with pytest.raises(CandidateFailed, match=f"status -{signal.SIGALRM}"):
        check(HANGS_WHILE_LOADING, candidate_timeout_s=0.5).verify(fake_bundle)


@pytest.mark.parametrize(("stop", "seconds", "words"), [
    (False, 0.5, r"more than 0\.5 s"), (True, LIMIT_S, "being stopped"),
])  # fmt: skip
def test_a_verification_ends_while_the_registry_is_asked(
    stop: bool, seconds: float, words: str, fake_bundle: Bundle
) -> None:
    running = check(HANGS, candidate_timeout_s=seconds)

    def ask() -> bool:
        process = running._process
        if stop:
            running.stop()
        wait_for(lambda: process and process.poll() is not None, "it is ended meanwhile")
        return False

    with pytest.raises(CandidateFailed, match=words):
        running.verify(fake_bundle, ask)


def test_a_verification_ends_with_the_service(fake_bundle: Bundle) -> None:
    running = check(HANGS)
    running.stop()
    with pytest.raises(CandidateFailed, match="being stopped"):
        running.verify(fake_bundle)


def test_a_verification_ends_when_another_version_is_to_serve(fake_bundle: Bundle) -> None:
    """With its real process."""
    with pytest.raises(CandidateSuperseded):
        check(HANGS).verify(fake_bundle, lambda: True)
