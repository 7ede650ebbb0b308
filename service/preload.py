"""What served last, opened while the registry is still being asked: on most starts the registry then names the same."""

from concurrent.futures import Future, ThreadPoolExecutor

from inference.cache import Cache
from inference.classifier import Classifier
from service.settings import Settings


class Preload:
    """A classifier that is opened in a thread of its own: importing MLflow's client keeps only one core busy."""

    def __init__(self, cache: Cache, settings: Settings) -> None:
        self._cache, self._settings = cache, settings
        self._digest: Future[str] = Future()
        self._opened: Future[Classifier] | None = None

    def start(self) -> None:
        """Begin to open it."""
        pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="preload")
        self._opened = pool.submit(self._open)
        pool.shutdown(wait=False)

    def take(self, digest: str) -> Classifier | None:
        """The classifier of this bundle, waited for; None, without waiting, if another is being opened, or if this one
        could not be.

        Who gets None opens the bundle and learns why it cannot be done.
        """
        if self._opened is None or self._digest.result() != digest or self._opened.exception():
            return None
        return self._opened.result()

    def drop(self) -> None:
        """Let go of it, whether somebody took it or not."""
        self._opened = None

    def _open(self) -> Classifier:
        found = None
        try:
            found = self._cache.recall(self._settings.model_name, self._settings.model_alias)
        finally:
            self._digest.set_result(found[1].digest if found else "")
        if found is None:
            raise LookupError("nothing has been in service here")
        return Classifier.open(found[0], runtime=self._settings.runtime, precision=self._settings.precision)
