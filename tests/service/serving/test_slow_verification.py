"""A version that takes long to verify: what serves goes on, and whoever asks is told how far it is."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from inference.bundle.storage import Bundle
from inference.registry.mlflow_registry import Registry
from service.app import create_app
from service.serving import model_manager
from service.serving.candidate_check import CandidateCheck, CandidateFailed, CandidateSuperseded
from service.settings import Settings
from tests.support.fakes import write_fake_bundle
from tests.support.waiting import LIMIT_S, wait_for

pytestmark = pytest.mark.slow
OPEN = Callable[..., TestClient]


def go_on(check: CandidateCheck, superseded: Callable[[], bool]) -> None:
    """What a verification does while its process runs."""
    if superseded():
        raise CandidateSuperseded
    if check._stopped.wait(0.02):
        raise CandidateFailed("The service is being stopped.")


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A verification lasts until it is set, and then succeeds; unless it is ended before."""
    gate = threading.Event()

    def verify(check: CandidateCheck, bundle: Bundle, superseded: Callable[[], bool]) -> None:
        while not gate.wait(0.02):
            go_on(check, superseded)

    monkeypatch.setattr(CandidateCheck, "verify", verify)
    return gate


def version(client: TestClient) -> str:
    answer = client.get("/model")
    return str(answer.json()["model"]["version"]) if answer.status_code == 200 else "none"


def test_a_start_does_not_wait_for_a_version_that_hangs(
    registry: Registry, fake_bundle: Bundle, open_client: OPEN, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fallback bundle serves meanwhile, marked as stale, and /admin/reload answers."""
    registry.publish(write_fake_bundle(registry.home / "candidate", seed=3), alias="champion", source="test")
    monkeypatch.setattr(model_manager, "FIRST_LOOK_S", 2 * LIMIT_S)
    settings = Settings(home=registry.home, fallback_bundle=fake_bundle.path, request_timeout_s=LIMIT_S)
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        assert version(client).startswith("sha256:")
        assert client.get("/model").json()["stale"]
        reloaded = client.post("/admin/reload")
        assert (reloaded.status_code, reloaded.json()["outcome"]) == (202, "verifying")
        assert int(reloaded.headers["Retry-After"]) > 0
        gate.set()
        wait_for(lambda: version(client) == "1", "the version serves once it is verified")
        assert not client.get("/model").json()["stale"]


def test_a_reload_before_the_first_model_says_that_there_is_none_yet(
    registry: Registry, fake_bundle: Bundle, open_client: OPEN, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.publish(fake_bundle, alias="champion", source="test")
    monkeypatch.setattr(model_manager, "FIRST_LOOK_S", 0.1)  # the start does not wait for it
    settings = Settings(home=registry.home, request_timeout_s=LIMIT_S)
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        early = client.post("/admin/reload")
        assert (early.status_code, early.json()) == (202, {"outcome": "verifying", "model": None})
        gate.set()
        wait_for(lambda: version(client) == "1", "the version serves once it is verified")


def test_a_restart_serves_the_last_model_while_a_new_version_hangs(
    registry: Registry, fake_bundle: Bundle, open_client: OPEN, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.publish(fake_bundle, alias="champion", source="test")
    gate.set()
    settings = Settings(home=registry.home, request_timeout_s=LIMIT_S)
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        assert version(client) == "1"
    registry.publish(write_fake_bundle(registry.home / "candidate", seed=3), alias="champion", source="test")
    gate.clear()
    monkeypatch.setattr(model_manager, "FIRST_LOOK_S", 2 * LIMIT_S)
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        assert version(client) == "1"
        gate.set()
        wait_for(lambda: version(client) == "2", "the new version serves once it is verified")


def test_a_rollback_does_not_wait_for_a_verification(
    registry: Registry, fake_bundle: Bundle, open_client: OPEN, gate: threading.Event, tmp_path: Path
) -> None:
    gate.set()
    registry.publish(fake_bundle, alias="champion", source="test")
    client = open_client(home=registry.home, request_timeout_s=LIMIT_S)
    assert version(client) == "1"
    gate.clear()
    registry.publish(write_fake_bundle(tmp_path / "candidate", seed=3), alias="champion", source="test")
    wait_for(lambda: client.post("/admin/reload").status_code == 202, "version 2 is being verified")
    assert version(client) == "1"
    registry.move_alias("champion", "1")
    answer = client.post("/admin/reload")
    assert (answer.status_code, answer.json()["outcome"], answer.json()["model"]["version"]) == (200, "unchanged", "1")
    registry.move_alias("champion", "2")
    gate.set()
    assert client.post("/admin/reload").json()["model"]["version"] == "2"


def test_a_model_is_not_stale_while_its_successor_is_verified(
    registry: Registry,
    fake_bundle: Bundle,
    open_client: OPEN,
    gate: threading.Event,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate.set()
    registry.publish(fake_bundle, alias="champion", source="test")
    client = open_client(home=registry.home, request_timeout_s=LIMIT_S)
    gate.clear()
    registry.publish(write_fake_bundle(tmp_path / "candidate", seed=3), alias="champion", source="test")
    wait_for(lambda: client.post("/admin/reload").status_code == 202, "version 2 is being verified")
    with monkeypatch.context() as patched:
        patched.setattr(model_manager, "STALE_AFTER_LOOKS", 0)
        assert client.get("/model").json()["stale"], "every answer is too old"
    watcher = client.app.state.components.model_manager._watcher  # type: ignore[attr-defined]
    before = watcher.confirmed_at
    assert client.post("/admin/reload").status_code == 202
    assert watcher.confirmed_at > before
    gate.set()


def test_who_was_told_of_a_verification_is_told_that_it_failed(
    registry: Registry, fake_bundle: Bundle, open_client: OPEN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the script of docs/operations.md asks: again and again while it is answered 202."""
    registry.publish(fake_bundle, alias="champion", source="test")
    client = open_client(home=registry.home, request_timeout_s=LIMIT_S, registry_poll_s=LIMIT_S)
    gate, begun = threading.Event(), []

    def verify(check: CandidateCheck, bundle: Bundle, superseded: Callable[[], bool]) -> None:
        begun.append(bundle)
        while not gate.wait(0.02):
            go_on(check, superseded)
        go_on(check, superseded)  # as the real one, which looks at least once
        raise CandidateFailed("It took too much memory.")

    monkeypatch.setattr(CandidateCheck, "verify", verify)
    registry.publish(write_fake_bundle(tmp_path / "candidate", seed=3), alias="champion", source="test")
    assert client.post("/admin/reload").status_code == 202
    gate.set()
    manager = client.app.state.components.model_manager  # type: ignore[attr-defined]
    wait_for(lambda: manager.refusal is not None, "the verification fails")
    assert len(begun) == 1
    answer = client.post("/admin/reload")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:lunar:problem:refused-version")
    assert len(begun) == 1, "it was verified again instead"
    client.post("/admin/reload")
    wait_for(lambda: len(begun) == 2, "who asks again has it tried again")
    assert version(client) == "1"


def test_the_served_alias_is_followed_while_a_version_for_the_shadow_is_verified(
    registry: Registry, fake_bundle: Bundle, open_client: OPEN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow = write_fake_bundle(tmp_path / "shadow", seed=5)
    verifying = threading.Event()

    def verify(check: CandidateCheck, bundle: Bundle, superseded: Callable[[], bool]) -> None:
        while bundle.manifest.digest == shadow.manifest.digest:
            verifying.set()
            go_on(check, superseded)

    monkeypatch.setattr(CandidateCheck, "verify", verify)
    registry.publish(fake_bundle, alias="champion", source="test")
    registry.publish(shadow, alias="shadow", source="test")
    client = open_client(home=registry.home, shadow_alias="shadow", request_timeout_s=LIMIT_S)
    assert verifying.wait(LIMIT_S)
    registry.publish(write_fake_bundle(tmp_path / "next", seed=3), alias="champion", source="test")
    assert client.post("/admin/reload").json()["model"]["version"] == "3"


def test_a_version_that_fails_its_verification_never_serves(
    registry: Registry, fake_bundle: Bundle, open_client: OPEN, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(_: CandidateCheck, bundle: Bundle, superseded: Callable[[], bool]) -> None:
        if bundle.manifest.digest != fake_bundle.manifest.digest:
            raise CandidateFailed("Its verification took more than 300 s.")

    monkeypatch.setattr(CandidateCheck, "verify", fail)
    registry.publish(fake_bundle, alias="champion", source="test")
    client = open_client(home=registry.home, candidate_timeout_s=300.0)
    registry.publish(write_fake_bundle(tmp_path / "candidate", seed=3), alias="champion", source="test")
    assert client.post("/admin/reload").status_code == 409
    answer = client.get("/model").json()
    assert answer["model"]["version"] == "1"
    assert answer["refused"]["version"] == "2"
    assert "hung, crashed, or took too much memory" in answer["refused"]["reason"]
