"""A request and its steps as spans: a real service process, a real OTLP receiver."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from inference.domain.taxonomy import CLASSES
from service.observability.tracing import open_tracing
from tests.support import http
from tests.support.lesion_images import lesion
from tests.support.paths import ROOT
from tests.support.service_log import log_lines
from tests.support.service_process import running_service
from tests.support.trace_collector import Collector
from tests.support.waiting import LIMIT_S

CALLER = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
TRACEPARENT = {"traceparent": f"00-{CALLER[0]}-{CALLER[1]}-01"}
SERVER = 2  # SpanKind in the protocol
VARIABLES = (
    "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED", "OTEL_SERVICE_NAME", "OTEL_TRACES_SAMPLER",
)  # fmt: skip


@pytest.fixture(scope="module")
def environment() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        yield patch


@pytest.fixture(scope="module")
def collector() -> Collector:
    return Collector()


@pytest.fixture(scope="module")
def home(starter_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its log is its own; what its registry knows stays where it lies."""
    home = tmp_path_factory.mktemp("traced")
    (home / "mlflow.db").write_bytes((starter_home / "mlflow.db").read_bytes())
    return home


@pytest.fixture(scope="module")
def traced(home: Path, collector: Collector, environment: pytest.MonkeyPatch) -> Iterator[str]:
    with collector.running() as receiver:
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver)
        environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        with running_service(home) as address:
            yield address


def lines(home: Path) -> list[dict]:
    return log_lines(home / "service.log")


def test_a_request_continues_the_callers_trace_with_a_span_a_step(
    traced: str, collector: Collector, home: Path
) -> None:
    image, before = lesion(width=300, height=200), time.time_ns()
    answer = http.post(f"{traced}/explain", content=image, headers=TRACEPARENT)
    assert answer.status_code == 200
    (span,) = collector.wait_for("POST /explain")
    assert (span["trace"], span["parent"], span["kind"], span["error"]) == (*CALLER, SERVER, False)
    assert span["attributes"] == {
        "http.request.method": "POST",
        "http.route": "/explain",
        "http.response.status_code": 200,
        "lunar.model.version": answer.json()["model"]["version"],
    }
    steps = collector.children(span)
    assert [step["name"] for step in steps] == ["decode", "queue", "inference", "explain"]
    assert all(step["trace"] == CALLER[0] for step in steps)
    moments = [step[end] for step in steps for end in ("start", "end")]
    assert all(before <= after for before, after in pairwise(moments))
    # Steps are read from another clock than their request; between two readings a busy machine may do something else.
    slack = 5_000_000_000  # ns
    assert span["start"] - slack <= moments[0] <= moments[-1] <= span["end"] + slack
    assert before - slack <= span["start"] <= span["end"] <= time.time_ns() + slack
    assert collector.services == {"lunar"}
    (line,) = [each for each in lines(home) if each.get("path") == "/explain"]
    assert line["trace_id"] == CALLER[0]
    check_nothing_private(b"".join(collector.bodies))


def check_nothing_private(sent: bytes) -> None:
    assert not [code for code in CLASSES if f'"{code}"'.encode() in sent]
    assert not [word for word in (b"probab", b"malign", b"lesion", b"127.0.0.1") if word in sent]


def test_a_request_without_a_caller_begins_a_trace_that_the_log_names(
    traced: str, collector: Collector, home: Path
) -> None:
    assert http.post(f"{traced}/predict?lang=en", content=b"GIF89a").status_code == 415
    (span,) = collector.wait_for("POST /predict")
    assert span["parent"] == ""
    assert span["attributes"]["error.type"] == "unsupported-format"
    assert not span["error"], "the client's mistake"
    assert [step["name"] for step in collector.children(span)] == ["decode"]
    (line,) = [each for each in lines(home) if each.get("path") == "/predict"]
    assert line["trace_id"] == span["trace"]
    assert len(span["trace"]) == 32


@pytest.mark.parametrize("parent", ["rubbish", "00-0-0-01", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "ff" * 300])
def test_a_traceparent_that_is_none_begins_a_new_trace(traced: str, collector: Collector, parent: str) -> None:
    before = len([span for span in collector.spans if span["name"] == "GET /model"])
    assert http.get(f"{traced}/model", headers={"traceparent": parent}).status_code == 200
    span = collector.wait_for("GET /model", before + 1)[-1]
    assert span["parent"] == ""
    assert int(span["trace"], 16) > 0


def test_what_the_caller_does_not_sample_is_not_sent_but_named_in_the_log(
    traced: str, collector: Collector, home: Path
) -> None:
    unsampled = {"traceparent": f"00-{'a' * 32}-{CALLER[1]}-00"}
    http.get(f"{traced}/ping")
    http.get(f"{traced}/model-card", headers=unsampled)
    http.get(f"{traced}/docs")
    collector.wait_for("GET /docs")
    names = {span["name"] for span in collector.spans}
    assert not {"GET /model-card", "GET /ping", "GET /health/ready"} & names
    found = {line["path"]: line for line in lines(home) if line["message"] == "request"}
    assert found["/model-card"]["trace_id"] == "a" * 32
    assert "trace_id" not in found["/ping"]


def test_requests_are_answered_while_the_collector_is_silent(
    home: Path, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mlflow.db").write_bytes((home / "mlflow.db").read_bytes())
    with socket.create_server(("127.0.0.1", 0)) as silent, environment.context() as patch:
        silent.settimeout(LIMIT_S)
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        patch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", f"{LIMIT_S:g}")
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        with running_service(tmp_path) as address:
            assert http.post(f"{address}/predict", content=lesion()).status_code == 200
            exporting, _ = silent.accept()
            with exporting:  # and never a word
                assert http.post(f"{address}/predict", content=lesion()).status_code == 200


def test_at_the_end_a_collector_that_is_away_is_not_tried_for_long(
    home: Path, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The SDK would try seven times, with pauses of 1, 2, 4... seconds; `docker stop` waits for ten in all."""
    (tmp_path / "mlflow.db").write_bytes((home / "mlflow.db").read_bytes())
    busy = Collector(status=503)
    with busy.running() as receiver, environment.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver)
        patch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", f"{LIMIT_S:g}")
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")  # only at the end
        with running_service(tmp_path) as address:
            assert http.post(f"{address}/predict", content=lesion()).status_code == 200
            assert busy.bodies == []
    assert 1 <= len(busy.bodies) <= 3


def test_without_a_collector_nothing_is_loaded(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert open_tracing() is None
    program = (
        "import sys, service.app; from service.observability.tracing import open_tracing; "
        "open_tracing(); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    modules = loaded.stdout.split()
    assert "service.app" in modules
    # redis 7.4 imports a part of OpenTelemetry by itself, if it is there.
    assert not [
        name for name in modules if name == "service.observability.spans" or name.startswith("opentelemetry.exporter")
    ]


@pytest.mark.parametrize(("variables", "reason"), [
    ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTLP over grpc; allowed: http/protobuf"),
    ({"OTEL_TRACES_EXPORTER": "none"}, None),
    ({"OTEL_SDK_DISABLED": "true"}, None),
])  # fmt: skip
def test_what_turns_it_off(
    variables: dict[str, str], reason: str | None, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with environment.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
        for name, value in variables.items():
            patch.setenv(name, value)
        assert open_tracing() is None
    assert [record.reason for record in caplog.records] == ([reason] if reason else [])  # type: ignore[attr-defined]


def test_without_the_extra_it_is_off_and_the_log_says_so(
    environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with environment.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
        patch.delitem(sys.modules, "service.observability.spans", raising=False)
        patch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
        assert open_tracing() is None
    assert "the extra `tracing` is not installed" in caplog.records[0].reason  # type: ignore[attr-defined]
