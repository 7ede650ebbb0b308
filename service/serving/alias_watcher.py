"""Follows one alias of the registry: fetches and verifies its version beside the running one, then swaps."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from inference.bundle.storage import Bundle, InvalidBundle
from inference.domain.model_version import ModelVersion
from inference.prediction.classifier import Classifier
from inference.registry.bundle_cache import BundleCache, CacheUnwritable
from inference.registry.errors import MissingBundle, NoSuchModel, NotMlflow, RegistryRefused, RegistryUnavailable
from inference.registry.mlflow_registry import Registry
from inference.runtimes import GoldenMismatch, RuntimeUnavailable
from service.serving.candidate_check import CandidateCheck, CandidateFailed, CandidateSuperseded
from service.serving.preloader import Preloader
from service.serving.served_model import RefreshOutcome, Refusal, ServedModel
from service.settings import Settings

# The public reasons why a version is not served; the log has the whole reason, with addresses and paths.
REASONS: dict[type[Exception], str] = {
    NoSuchModel: "the registry has no version under this alias.",
    RegistryUnavailable: "the model registry does not answer.",
    RegistryRefused: "the model registry answers with an error.",
    NotMlflow: "what answers at the address of the model registry is not MLflow.",
    MissingBundle: "the files of the registered version are missing.",
    CacheUnwritable: "the disk of the cache is full, cannot be written, or does not keep what is written.",
    InvalidBundle: "the registered version is no valid bundle.",
    GoldenMismatch: "the registered version does not reproduce its golden cases here.",
    RuntimeUnavailable: "no runtime here can execute the registered version.",
    CandidateFailed: "the verification of the registered version hung, crashed, or took too much memory.",
}
# Faults of the version itself; any other fault may be gone at the next refresh.
_PERMANENT = (InvalidBundle, GoldenMismatch, RuntimeUnavailable, CandidateFailed)
MAX_BACKOFF_S = 900.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Backoff:
    """How long a version that failed verification is not downloaded again."""

    version: ModelVersion
    until: float
    wait_s: float
    refusal: Refusal

    def holds(self, version: ModelVersion, *, force: bool, untold: ModelVersion | None) -> bool:
        in_time = not force and time.monotonic() < self.until
        return self.version == version and (in_time or untold == version)


class AliasWatcher:
    """`served` is the version behind the alias, if it could be verified. Only one thread may call `refresh`."""

    def __init__(
        self,
        alias: str,
        *,
        registry: Registry,
        cache: BundleCache,
        settings: Settings,
        preload: Preloader | None = None,
        check: CandidateCheck | None = None,
        meanwhile: Callable[[], None] | None = None,
        superseded: Callable[[], bool] = lambda: False,
    ) -> None:
        """`meanwhile` is called before a verification by `check` if nothing is served: it may install something.

        `superseded` is called all the time during a verification, and ends it when it is true.
        """
        self.alias = alias
        self.served: ServedModel | None = None
        self.refusal: Refusal | None = None
        self.confirmed_at: float | None = None  # of time.monotonic()
        self.withdrawn = False  # the registry's last answer was that the alias does not exist
        self._registry, self._cache, self._settings, self._preload = registry, cache, settings, preload
        self._check, self._meanwhile, self._superseded = check, meanwhile, superseded
        self._backoff: _Backoff | None = None
        self.seen: ModelVersion | None = None  # behind the alias at the last refresh; None without the alias

    @property
    def name(self) -> str:
        """For messages: model@alias."""
        return f"{self._registry.name}@{self.alias}"

    def refresh(self, *, force: bool = False, untold: ModelVersion | None = None) -> RefreshOutcome:
        """Ask the registry, and swap if it names another version. If that fails, the served model stays.

        A version that failed verification is tried again after a growing wait, or at once with `force`; but not
        `untold`, whose refusal is given first to who waits for it.
        """
        version: ModelVersion | None = None
        try:
            version = self.seen = self._registry.resolve(self.alias)
            if self.served and self.served.version == version:
                self._confirm()
                return "unchanged"
            if self._backoff and self._backoff.holds(version, force=force, untold=untold):
                self.refusal = self._backoff.refusal
                return "refused"
            if opened := self._preloaded(version):  # its bundle in the cache has been verified
                self._serve(opened, version)
            else:
                bundle = self._cache.fetch(version, self._registry)
                self._verify(bundle)
                self.install(bundle, version)
        except CandidateSuperseded:
            return "superseded"
        except Exception as error:
            return self._refuse(version, error)
        self._confirm()
        return "swapped"

    def moved(self) -> bool:
        """Whether the registry answers that the alias does not name the version of the last refresh any more.

        Its answer keeps a served model from being stale that it had confirmed before.
        """
        try:
            found = self._registry.resolve(self.alias)
        except NoSuchModel:
            return self.seen is not None
        except Exception:
            return False
        if self.confirmed_at is not None:
            self.confirmed_at = time.monotonic()
        return found != self.seen

    def _verify(self, bundle: Bundle) -> None:
        if self._check is None:
            return
        if self.served is None and self._meanwhile:
            self._meanwhile()
        if self.served is None or self.served.version.digest != bundle.manifest.digest:
            self._check.verify(bundle, self._superseded)

    def install(self, bundle: Bundle, version: ModelVersion) -> None:
        """Load, warm up, replay the golden cases, and only then swap; running requests finish on the old model.

        Raises RuntimeUnavailable, GoldenMismatch, and any other error of a graph.
        """
        if self.served and self.served.version.digest == version.digest:
            classifier = self.served.classifier  # the same bundle under another number
        else:
            settings, opened = self._settings, self._preloaded(version)
            classifier = opened or Classifier.open(
                bundle,
                runtime=settings.runtime,
                precision=settings.precision,
                prevalence=settings.assumed_prevalence,
            )
        self._serve(classifier, version)

    def _preloaded(self, version: ModelVersion) -> Classifier | None:
        return self._preload.take(version.digest) if self._preload else None

    def _serve(self, classifier: Classifier, version: ModelVersion) -> None:
        self.served = ServedModel(classifier, version)
        runtime = classifier.runtime
        facts = {"model": self.name, "version": version.version, "runtime": runtime.name, "graph": runtime.graph}
        log.info("model in service", extra=facts | {"precision": runtime.precision, "reason": runtime.reason})

    def _confirm(self) -> None:
        self.confirmed_at = time.monotonic()
        self.refusal = self._backoff = None
        self.withdrawn = False

    def _refuse(self, version: ModelVersion | None, error: Exception) -> RefreshOutcome:
        self.withdrawn = isinstance(error, NoSuchModel)
        if self.withdrawn:
            self.seen = None
        known = REASONS.get(type(error))
        permanent = version is not None and (isinstance(error, _PERMANENT) or known is None)
        refusal = Refusal(version.version if version else None, f"{self.name}: {known or 'it cannot be loaded.'}")
        if version and permanent:
            before = self._backoff.wait_s if self._backoff and self._backoff.version == version else 0.0
            wait = min(max(2 * before, self._settings.registry_poll_s), MAX_BACKOFF_S)
            self._backoff = _Backoff(version, time.monotonic() + wait, wait, refusal)
        if refusal != self.refusal:  # logged once, not at every refresh
            reason = f"{self.name}: {error}"
            log.warning(
                "no model" if self.served is None else "the model in service stays",
                extra={"version": refusal.version, "reason": reason},
                exc_info=known is None,
            )
        self.refusal = refusal
        return "refused" if permanent else "unavailable"
