"""The package lunar-client against the real service, and against one that is busy."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from threading import Thread

import lunar_client.replies
import pytest
from lunar_client import AsyncLunarClient, LunarClient, Refused, Retries, Unreachable

from tests.support import http
from tests.support.lesion_images import lesion
from tests.support.waiting import LIMIT_S

LESION = lesion("PNG")


@pytest.fixture
def client(starter_service: str) -> Iterator[LunarClient]:
    with LunarClient(starter_service, language="en", timeout_s=LIMIT_S) as opened:
        yield opened


def test_its_replies_have_the_fields_of_the_api(starter_service: str) -> None:
    """Those of /model are the exception: the manifest is left as it is."""
    schemas = http.get(f"{starter_service}/openapi.json").json()["components"]["schemas"]
    own = lunar_client.replies
    for kind in (own.PredictReply, own.ExplainReply, own.ClassMapReply, own.EvidenceReply, own.PredictedClass,
                 own.Risk, own.Notice, own.ModelName, own.ModelReply):  # fmt: skip
        assert set(kind.model_json_schema()["properties"]) == set(schemas[kind.__name__]["properties"]), kind
    assert set(own.Problem.model_json_schema()["properties"]) == set(schemas["ProblemReply"]["properties"])


def test_an_image_is_classified_and_explained(client: LunarClient, tmp_path: Path) -> None:
    (path := tmp_path / "lesion.png").write_bytes(LESION)
    reply = client.predict(path, tta=2, coverage=0.8)
    explained = client.explain(LESION, target="mel", render="overlay", coverage=0.95)
    assert reply.prediction_set and explained.prediction_set
    assert (reply.prediction_set.coverage, explained.prediction_set.coverage) == (0.8, 0.95)
    assert sum(reply.probabilities.values()) == pytest.approx(1)
    assert reply.prediction.name in ("Melanoma", "Vascular lesion") or reply.prediction.name.isascii()
    explained.explanations[0].save_overlay(tmp_path / "overlay.png")
    assert (tmp_path / "overlay.png").read_bytes().startswith(b"\x89PNG")
    assert explained.explanations[0].class_ == "mel"
    with pytest.raises(ValueError, match="not asked for"):
        explained.explanations[0].save_heatmap(tmp_path / "none.png")
    assert client.model().model == reply.model


def test_several_images_keep_their_order_and_a_bad_one_its_error(client: LunarClient) -> None:
    images = [LESION, b"no image", lesion("JPEG"), LESION]
    outcomes = list(client.predict_many(images, concurrency=2))
    assert [outcome.image for outcome in outcomes] == images
    assert [outcome.error is None for outcome in outcomes] == [True, False, True, True]
    assert isinstance(outcomes[1].error, Refused)
    assert outcomes[1].error.problem.status == 415


def test_the_asynchronous_client_gives_the_same(starter_service: str, client: LunarClient) -> None:
    async def classify() -> list[object]:
        async with AsyncLunarClient(starter_service, language="en", timeout_s=LIMIT_S) as lunar:
            explained = await lunar.explain(LESION, coverage=0.9)
            return [
                explained.prediction,
                *[outcome.reply.prediction async for outcome in lunar.predict_many([LESION] * 3, concurrency=2)],
                (await lunar.model()).model,
            ]

    expected = client.predict(LESION)
    assert asyncio.run(classify()) == [expected.prediction] * 4 + [expected.model]


@contextmanager
def busy_service(
    refusals: int, *, status: int = 503, request_id: str = ', "request_id": "1"'
) -> Iterator[tuple[str, list[float]]]:
    """A service that refuses with `Retry-After: 1` at first; yields its address and the times of its requests."""
    times: list[float] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            times.append(time.monotonic())
            busy = len(times) <= refusals
            problem = f'{{"type": "x", "title": "Busy", "status": {status}{request_id}}}'
            body = problem.encode() if busy else b"{}"
            self.send_response(status if busy else 200)
            self.send_header("Retry-After", "1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", times
        server.shutdown()


def refusal_of(client: LunarClient) -> str:
    with client:
        try:
            client.model()
        except Refused as error:
            return str(error)
        except Unreachable as error:
            return "not Lunar" if "not as Lunar does" in str(error) else str(error)
    return ""


def test_a_busy_service_is_asked_again_when_it_says() -> None:
    with busy_service(refusals=2) as (address, times):
        assert refusal_of(LunarClient(address)) == "not Lunar"  # `{}` is no model, so the third answer was read
    assert len(times) == 3
    assert all(later - earlier >= 0.99 for earlier, later in pairwise(times))


@pytest.mark.parametrize(("status", "attempts"), [(502, 2), (503, 2), (408, 1)])
def test_the_proxys_problems_are_understood(status: int, attempts: int) -> None:
    """As deploy/haproxy.cfg writes them: without a request_id."""
    with busy_service(refusals=9, status=status, request_id="") as (address, times):
        assert refusal_of(LunarClient(address, retries=Retries(attempts=1))) == f"{status} Busy"
    assert len(times) == attempts


@pytest.mark.parametrize("retries", [Retries(attempts=0), Retries(longest_wait_s=0.5)])
def test_retries_have_limits(retries: Retries) -> None:
    with busy_service(refusals=9) as (address, times):
        assert refusal_of(LunarClient(address, retries=retries)) == "503 Busy"
    assert len(times) == 1


def test_nobody_at_the_address_is_an_error_that_names_it() -> None:
    client = LunarClient("http://127.0.0.1:9", retries=Retries(attempts=1, first_wait_s=0))
    with client, pytest.raises(Unreachable, match=r"127\.0\.0\.1:9.* does not answer"):
        client.model()
