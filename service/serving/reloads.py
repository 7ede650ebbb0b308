"""Those who asked for a refresh and wait for its outcome."""

import queue
from concurrent.futures import Future

from service.serving.served_model import ReloadOutcome

_STOP = None


class Reloads:
    """Any thread may ask and stop; only the thread that follows the registry collects and answers."""

    def __init__(self) -> None:
        self.stopped = False
        self._queue: queue.SimpleQueue[Future[ReloadOutcome] | None] = queue.SimpleQueue()
        self._waiting: list[Future[ReloadOutcome]] = []

    def ask(self) -> Future[ReloadOutcome]:
        """The outcome of a refresh that begins after this call, or "verifying"."""
        outcome: Future[ReloadOutcome] = Future()
        self._queue.put(outcome)
        return outcome

    def stop(self) -> None:
        """End the following."""
        self._queue.put(_STOP)

    @property
    def asked(self) -> bool:
        """Whether somebody waits."""
        return bool(self._waiting)

    def collect(self, timeout_s: float = 0.0) -> None:
        """Take what has come; if nothing has, wait so long."""
        try:
            self._take(self._queue.get(block=timeout_s > 0, timeout=timeout_s or None))
            while True:
                self._take(self._queue.get_nowait())
        except queue.Empty:
            return

    def answer(self, outcome: ReloadOutcome) -> None:
        """Tell those who wait; some have given up."""
        for waiting in self._waiting:
            if waiting.set_running_or_notify_cancel():
                waiting.set_result(outcome)
        self._waiting.clear()

    def _take(self, asked: Future[ReloadOutcome] | None) -> None:
        if asked is _STOP:
            self.stopped = True
        else:
            self._waiting.append(asked)
