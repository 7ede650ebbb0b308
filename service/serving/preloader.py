"""Opens the last served model while the registry is still being asked; it usually names the same version."""

from concurrent.futures import Future, ThreadPoolExecutor

from inference.prediction.classifier import Classifier
from inference.registry.bundle_cache import BundleCache
from service.settings import Settings


class Preloader:
    """Opens a classifier in its own thread, because importing MLflow's client occupies only one core."""

    def __init__(self, cache: BundleCache, settings: Settings) -> None:
        self._cache, self._settings = cache, settings
        self._digest: Future[str] = Future()
        self._opened: Future[Classifier] | None = None

    def start(self) -> None:
        """Start to open the last served model."""
        pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="preload")
        self._opened = pool.submit(self._open)
        pool.shutdown(wait=False)

    def take(self, digest: str) -> Classifier | None:
        """Wait for the classifier of this bundle; None, without waiting, if another one is being opened.

        None too if it could not be opened: the caller then opens the bundle itself and gets the error.
        """
        if self._opened is None or self._digest.result() != digest or self._opened.exception():
            return None
        return self._opened.result()

    def drop(self) -> None:
        """Release the classifier, whether it was taken or not."""
        self._opened = None

    def _open(self) -> Classifier:
        last_served = None
        try:
            last_served = self._cache.recall(self._settings.model_name, self._settings.model_alias)
        finally:
            self._digest.set_result(last_served[1].digest if last_served else "")
        if last_served is None:
            raise LookupError("no model has been served here")
        settings = self._settings
        return Classifier.open(
            last_served[0],
            runtime=settings.runtime,
            precision=settings.precision,
            prevalence=settings.assumed_prevalence,
        )
