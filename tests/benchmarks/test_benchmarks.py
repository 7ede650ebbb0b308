"""A benchmark for real, in short; the clients; and that the peers get the versions that Lunar serves with."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import pytest

from benchmarks.harness.load_clients import Question, load
from benchmarks.harness.measuring import paired, take_turns
from benchmarks.http import CROWDED_ROUTES, ROUTES
from tests.support.paths import ROOT
from tests.support.waiting import LIMIT_S


def test_the_service_is_measured_for_real() -> None:
    """The starter over HTTP with a hundredth of the durations."""
    command = [sys.executable, "-m", "benchmarks.http", "--only", "starter", "--share", "0.01"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    found = json.loads(line)
    assert found["share"] == 0.01
    starter = found["models"]["starter"]
    assert set(starter["one_client"]) == {"runtime call", *ROUTES}
    for route in ROUTES:
        row = starter["one_client"][route]
        assert row["spread"][0] <= row["median"] <= row["p99"] <= row["spread"][1]
        assert row["of_runtime_call"]["n"] >= 2
    for route in CROWDED_ROUTES:
        assert starter["clients"]["2"][route]["errors"] == {}
        for clients in ("2", "8", "32"):  # the service may refuse when the machine is busy, but nobody is lost
            answers = starter["clients"][clients][route]
            assert set(answers["errors"]) <= {"503"}
            assert answers["n"] > 0
            assert answers["n"] + sum(answers["errors"].values()) >= int(clients)
    assert starter["one_client"]["runtime call"]["median"] > 1
    assert starter["eight_and_bare"]["of_best"]["n"] == 3


def test_a_model_that_is_not_there_is_named() -> None:
    command = [sys.executable, "-m", "benchmarks.http", "--only", "V3"]
    done = subprocess.run([*command, "--bundle", "models/starter"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no 'V3'" in done.stderr
    assert "starter, V2M fp32" in done.stderr


@pytest.fixture
def flaky() -> Iterator[str]:
    """A server that refuses every fourth request and hangs up on every sixth."""
    numbers = count(1)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            number = next(numbers)
            if number % 6 == 0:
                self.close_connection = True
                return
            self.send_response(503 if number % 4 == 0 else 200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_clients_count_what_is_no_answer(flaky: str) -> None:
    expected = {"503", "RemoteDisconnected"}
    found = load(flaky, Question("/", b"x"), clients=3, seconds=0.5)
    while found.errors.keys() < expected:  # on a busy machine there may be fewer than six requests
        found = load(flaky, Question("/", b"x"), clients=3, seconds=0.5)
    row = found.row()
    assert found.errors.keys() == expected
    assert row["n"] == len(found.milliseconds) > 0
    assert 0 < found.per_second < 1e5


def test_every_way_has_its_turn_and_what_settles_is_not_timed() -> None:
    calls: list[str] = []
    times = take_turns({name: lambda name=name: calls.append(name) for name in "ab"}, seconds=0, settle=2, calls=3)
    assert calls == ["a"] * 5 + ["b"] * 5 + ["a"] * 5 + ["b"] * 5
    assert [[len(each) for each in times[name]] for name in "ab"] == [[3, 3], [3, 3]]


def test_ratios_are_those_of_the_same_round() -> None:
    """The machine was ten times slower in the second round, for both."""
    ratios, differences = paired([[2, 2, 9], [20, 20, 20]], [[1, 1, 1], [10, 10, 10]])
    assert ratios == [2, 2]
    assert differences == [1, 10]


def test_the_peers_serve_with_the_same_engines() -> None:
    def pinned(lock: str) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9-]+)(?:\[[^]]+\])?==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))

    ours, theirs = pinned("requirements-training.lock"), pinned("requirements-peers.lock")
    for name in ("keras", "numpy", "openvino", "pillow", "tensorflow-cpu"):
        assert ours[name] == theirs[name]
    assert {"bentoml", "litserve", "ray"} < set(theirs)
    assert "torch" not in theirs  # from this machine a lock would name a build that others do not have
