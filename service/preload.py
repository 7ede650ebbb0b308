"""What served last, opened while the registry is still being asked: on most starts the registry then names the same."""

from concurrent.futures import Future, ThreadPoolExecutor

from inference.cache import Cache
from inference.classifier import Classifier
from service.settings import Settings


class Preload:
    """A classifier that is opened in a thread of its own: importing MLflow's client keeps only one core busy."""

    def __init__(self, cache: Cache, settings: Settings) -> None:
        self._cache, self._settings = cache, settings
        self._opened: Future[Classifier | None] | None = None

    def start(self) -> None:
        """Begin to open it."""
        pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="preload")
        self._opened = pool.submit(self._open)
        pool.shutdown(wait=False)

    def take(self, digest: str) -> Classifier | None:
        """The classifier of this bundle, waited for; None if it is another's, or could not be opened.

        Who gets None opens the bundle and learns why it cannot be done.
        """
        if self._opened is None or self._opened.exception():
            return None
        classifier = self._opened.result()
        return classifier if classifier and classifier.bundle.manifest.digest == digest else None

    def drop(self) -> None:
        """Let go of it, whether somebody took it or not."""
        self._opened = None

    def _open(self) -> Classifier | None:
        found = self._cache.recall(self._settings.model_name, self._settings.model_alias)
        if found is None:
            return None
        return Classifier.open(found[0], runtime=self._settings.runtime, precision=self._settings.precision)
