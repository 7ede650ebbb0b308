"""Limits of the registry client: sizes of downloads, state in MLflow, secrets, output."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import pytest
from mlflow.entities import FileInfo

from inference.bundle.storage import Bundle, InvalidBundle, open_bundle
from inference.domain.model_version import ModelVersion
from inference.registry import mlflow_registry, time_limit
from inference.registry.errors import NotMlflow, RegistryUnavailable
from inference.registry.mlflow_client import mlflow_client
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.waiting import LIMIT_S, wait_for


@pytest.fixture
def version(registry: Registry, fake_bundle: Bundle) -> ModelVersion:
    return registry.publish(fake_bundle, alias="champion", source="test")


def test_the_limit_of_bytes_counts_every_file_of_the_bundle(
    registry: Registry, version: ModelVersion, fake_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files in subfolders count as well."""
    size = sum(path.stat().st_size for path in fake_bundle.path.rglob("*") if path.is_file())
    assert (fake_bundle.path / "graphs/fake.xml").stat().st_size > 1
    monkeypatch.setattr(mlflow_registry, "MAX_BUNDLE_BYTES", size - 1)
    with pytest.raises(InvalidBundle, match=f"has {size:,} bytes; allowed: {size - 1:,}"):
        registry.download(version, tmp_path)
    assert list(tmp_path.iterdir()) == [registry.home], "nothing was downloaded"
    monkeypatch.setattr(mlflow_registry, "MAX_BUNDLE_BYTES", size)
    assert open_bundle(registry.download(version, tmp_path)).manifest == fake_bundle.manifest


def test_a_listing_without_an_end_is_refused(
    registry: Registry, version: ModelVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder in a folder in a folder."""
    listings = count(1)

    def listed(**_: object) -> list[FileInfo]:
        assert next(listings) < 2000, "the listing goes on"
        return [FileInfo("inner", True, None)]

    monkeypatch.setattr("mlflow.artifacts.list_artifacts", listed)
    with pytest.raises(InvalidBundle, match="more than 1,000 files and folders"):
        registry.download(version, tmp_path)


def test_nothing_is_downloaded_that_the_disk_cannot_hold(
    registry: Registry, version: ModelVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    little = mlflow_registry.shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(mlflow_registry.shutil, "disk_usage", lambda _: little)
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(OSError, match="bytes are needed"):
        registry.download(version, into)
    assert list(into.iterdir()) == []


def test_the_run_of_a_publication_is_finished(registry: Registry, version: ModelVersion) -> None:
    with registry._client() as client:
        assert client.get_run(version.run).info.status == "FINISHED"


@pytest.mark.parametrize(("name", "value"), [
    ("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false"), ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"),
    ("MLFLOW_HTTP_REQUEST_TIMEOUT", "5"), ("MLFLOW_DISABLE_TELEMETRY", "true"),
    ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false"),
])  # fmt: skip
def test_mlflow_runs_no_code_and_does_not_wait_for_minutes(
    registry: Registry, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(name, raising=False)
    registry.experiment()
    assert os.environ[name] == value


class _Drips(BaseHTTPRequestHandler):
    """Begins an answer of which a byte arrives now and then, until `over`."""

    over = threading.Event()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        while not self.over.wait(0.05):
            self.wfile.write(b" ")

    def log_message(self, *_: object) -> None:
        """Write nothing to stderr."""


def test_an_answer_that_arrives_byte_by_byte_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No read of it ever takes long; MLflow alone would wait for days."""
    monkeypatch.setattr(time_limit, "CALL_S", 0.5)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Drips) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            registry = Registry(RegistrySettings(home=tmp_path, tracking_uri=f"http://127.0.0.1:{server.server_port}"))
            for _ in range(time_limit.MAX_LEFT):
                with pytest.raises(RegistryUnavailable, match=r"within 0\.5 s"):
                    registry.resolve("champion")
            with pytest.raises(RegistryUnavailable, match="still being answered"):
                registry.resolve("champion")
        finally:
            _Drips.over.set()
            server.shutdown()
            thread.join()
    wait_for(lambda: not any(each.is_alive() for each in registry._limit._left), "the calls end with their connections")


class _AtTheLastMoment(Future[int]):
    """Whoever waits with a limit gives up just when the result is there."""

    def result(self, timeout: float | None = None) -> int:
        found = super().result(LIMIT_S)
        if timeout is not None:
            raise TimeoutError
        return found


def test_a_result_at_the_last_moment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limit, "Future", _AtTheLastMoment)
    assert time_limit.TimeLimit().call(lambda: 7, seconds=1) == 7


class _WebPage(BaseHTTPRequestHandler):
    """Answers everything with `page` and `status`."""

    page = b""
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.page)))
        self.end_headers()
        self.wfile.write(self.page)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Write nothing to stderr."""


@pytest.fixture(
    params=[
        (200, b"<html>Please log in</html>"),
        (200, b"[]"),
        (200, b'{"model_version": [1]}'),
        (404, b"<html>Not found</html>"),
        (404, b'{"detail": "Not Found"}'),
        (403, b"<html>Forbidden</html>"),
    ],
    ids=["no JSON", "no object", "no version", "404 page", "404 of another API", "403 page"],
)
def web_page(request: pytest.FixtureRequest) -> Iterator[str]:
    """An address with a password, whose server answers every request with a page that is not MLflow's JSON."""
    status, page = request.param
    handler = type("Handler", (_WebPage,), {"page": page, "status": status})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://user:s3cret@127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_what_is_no_registry_is_named_without_its_password(web_page: str, tmp_path: Path) -> None:
    registry = Registry(RegistrySettings(home=tmp_path, tracking_uri=web_page))
    with pytest.raises(NotMlflow, match=r"at http://127\.0\.0\.1:\d+ ") as refused:
        registry.resolve("champion")
    assert "s3cret" not in str(refused.value)


def test_a_package_that_mlflow_lacks_says_nothing_about_the_server(tmp_path: Path) -> None:
    cause = "needs a package that is not here: No module named 'x'"
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with pytest.raises(RegistryUnavailable, match=cause) as refused, mlflow_client(store):
        raise ModuleNotFoundError("No module named 'x'")
    assert not isinstance(refused.value, NotMlflow)
