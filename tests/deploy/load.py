"""People at work: clients that ask through the proxy all the time, and what they notice."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

import httpx2

from tests.support import http


@dataclass
class Noticed:
    """What the clients of one load saw: answers by status and reason, or by error, and seconds an answer."""

    answers: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    versions: Counter[str] = field(default_factory=Counter)
    stale: int = 0

    @property
    def asked(self) -> int:
        return sum(self.answers.values())

    @property
    def failed(self) -> int:
        return sum(count for answer, count in self.answers.items() if answer != "200")

    def report(self) -> dict[str, Any]:
        """For the report: JSON types only."""
        cuts = quantiles(self.seconds, n=100)
        return {
            "answers": dict(self.answers),
            "median_ms": round(1000 * cuts[49]),
            "p99_ms": round(1000 * cuts[98]),
            "slowest_ms": round(1000 * max(self.seconds)),
            "model_versions": dict(self.versions),
            "marked_stale": self.stale,
        }


@contextmanager
def load(address: str, image: bytes, *, key: str, clients: int = 4) -> Iterator[Noticed]:
    """Half of the clients send a key to /explain; the others use the page with its session cookie. Ends with the block.

    A client sends one request after the other over connections that it keeps, and repeats nothing by itself.
    """
    noticed, stop = Noticed(), threading.Event()

    def work(number: int) -> None:
        headers = {"X-API-Key": key} if number % 2 else {}
        path = "/explain" if number % 2 else "/predict"
        with http.Client(base_url=address, headers=headers) as client:
            if not number % 2:
                client.get("/").raise_for_status()  # gives the cookie
            while not stop.is_set():
                _ask(client, path, image, noticed)

    threads = [threading.Thread(target=work, args=[number]) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield noticed
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _ask(client: http.Client, path: str, image: bytes, noticed: Noticed) -> None:
    begun = time.monotonic()
    try:
        response = client.post(path, files={"file": image})
    except httpx2.TransportError as error:
        noticed.answers[type(error).__name__] += 1
        return
    noticed.seconds.append(time.monotonic() - begun)
    if response.status_code != 200:
        noticed.answers[f"{response.status_code} {_reason(response)}"] += 1
    else:
        noticed.answers["200"] += 1
        answer = response.json()
        noticed.versions[answer["model"]["version"]] += 1
        noticed.stale += any(warning["code"] == "stale_model" for warning in answer["warnings"])


def _reason(response: httpx2.Response) -> str:
    """Who refused, and why: without the number of the request, so that the same reasons add up."""
    if response.headers.get("content-type") != "application/problem+json":
        return response.text[:200]
    problem = response.json()
    return f"{problem['title']}: {problem.get('detail')}"
