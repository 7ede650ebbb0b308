"""HTTP clients that send the next request when they have the answer to the last one.

They are threads with http.client and persistent connections, which take little of the processor from the service.
"""

import http.client
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np

PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Question:
    """One POST request, the same every time."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back: milliseconds of the answers with status 200, how many a second, and what else came back."""

    milliseconds: tuple[float, ...]
    per_second: float
    errors: dict[str, int]

    def row(self) -> dict[str, object]:
        """As the tables have it."""
        found = {"per_second": round(self.per_second, 3), "n": len(self.milliseconds), "errors": self.errors}
        if not self.milliseconds:
            return found
        low, high = min(self.milliseconds), max(self.milliseconds)
        p50, p99 = np.percentile(self.milliseconds, [50, 99])
        return found | {
            "p50": round(float(p50), 2),
            "p99": round(float(p99), 2),
            "spread": [round(low, 2), round(high, 2)],
        }


class Client:
    """One open connection."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=PATIENCE_S)

    def ask(self, question: Question) -> str:
        """Send, read the whole answer, and say its status, or what broke instead."""
        try:
            self._connection.request("POST", question.path, question.body, question.headers)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return type(error).__name__
        return str(answer.status)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def asking(address: str, question: Question) -> Callable[[], None]:
    """One client's call. It raises RuntimeError for any answer but 200."""
    client = Client(address)

    def ask() -> None:
        status = client.ask(question)
        if status != "200":
            raise RuntimeError(f"{address}{question.path} answered {status}")

    return ask


def load(address: str, question: Question, *, clients: int, seconds: float) -> Answers:
    """Ask for `seconds` and wait for what is under way.

    The throughput counts to the last answer. The times leave out the first answer of each client that got another one:
    those found a shorter queue than there are clients.
    """
    end = time.perf_counter() + seconds

    def ask(_: int) -> list[tuple[str, float, float]]:
        client = Client(address)
        found: list[tuple[str, float, float]] = []
        while not found or time.perf_counter() < end:
            began = time.perf_counter()
            status = client.ask(question)
            found.append((status, began, time.perf_counter()))
        client.close()
        return found

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        asked = list(pool.map(ask, range(clients)))
    good = [(start, stop) for each in asked for status, start, stop in each if status == "200"]
    steady = [each[1:] if len(each) > 1 else each for each in asked]
    return Answers(
        milliseconds=tuple(1000 * (stop - start) for each in steady for status, start, stop in each if status == "200"),
        per_second=len(good) / (max(stop for _, stop in good) - began) if good else 0.0,
        errors=dict(Counter(status for each in asked for status, _, _ in each if status != "200")),
    )
