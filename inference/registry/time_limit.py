"""A limit of time for calls of a registry over HTTP: MLflow's own timeout begins anew with every byte."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from inference.registry.errors import RegistryUnavailable

T = TypeVar("T")

CALL_S = 30.0  # for an answer, and for the listing of a bundle
LEAST_RATE = 100_000  # bytes a second of a download, after CALL_S
MAX_LEFT = 4  # calls that were given up and still run


class TimeLimit:
    """Runs calls in threads of their own, and gives up those that take too long.

    Nothing can end a thread that receives byte after byte. It is left behind until the other side closes; as long as
    MAX_LEFT are, further calls are refused.
    """

    def __init__(self) -> None:
        self._left: list[threading.Thread] = []

    def call(self, work: Callable[[], T], *, seconds: float) -> T:
        """The result of `work`, or its exception. Raises RegistryUnavailable after so many seconds."""
        self._left = [thread for thread in self._left if thread.is_alive()]
        if len(self._left) >= MAX_LEFT:
            raise RegistryUnavailable(f"{MAX_LEFT} requests to the registry are still being answered.")
        outcome: Future[T] = Future()
        thread = threading.Thread(target=_run, args=(work, outcome), name="registry call", daemon=True)
        thread.start()
        try:
            return outcome.result(timeout=seconds)
        except TimeoutError as error:
            if outcome.done():  # at the last moment, or the error is of the work itself
                return outcome.result()
            self._left.append(thread)
            raise RegistryUnavailable(f"The registry has not answered completely within {seconds:g} s.") from error


def _run(work: Callable[[], T], outcome: "Future[T]") -> None:
    try:
        outcome.set_result(work())
    except Exception as error:  # noqa: BLE001 - whoever waits gets it
        outcome.set_exception(error)
