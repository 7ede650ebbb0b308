"""One alias of the registry, followed: its version is fetched and verified beside the running one, then swapped in."""

import logging
import time
from dataclasses import dataclass
from typing import Literal

from inference.bundle import Bundle, InvalidBundle
from inference.cache import Cache, CacheUnwritable
from inference.classifier import Classifier
from inference.registry import NoSuchModel, Registry, RegistryUnavailable, Version
from inference.runtimes import GoldenMismatch, RuntimeUnavailable
from service.preload import Preload
from service.settings import Settings

Outcome = Literal["unchanged", "swapped", "refused", "unavailable"]

# What anybody may know of why a version does not serve; the log has the whole reason, with addresses and paths.
REASONS: dict[type[Exception], str] = {
    NoSuchModel: "the registry has no version under this alias.",
    RegistryUnavailable: "the model registry does not answer.",
    CacheUnwritable: "the disk of the cache is full, cannot be written, or does not keep what is written.",
    InvalidBundle: "the registered version is no valid bundle.",
    GoldenMismatch: "the registered version does not reproduce its golden cases here.",
    RuntimeUnavailable: "no runtime here can execute the registered version.",
}
# Faults of the version itself; anything else may be gone at the next look.
_LASTING = (InvalidBundle, GoldenMismatch, RuntimeUnavailable)
LONGEST_BAR_S = 900.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Serving:
    """A verified classifier and the registered version it came from.

    stale: the registry has not confirmed for a while that this is the version to serve.
    """

    classifier: Classifier
    version: Version
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the last look brought nothing into service: in words for anybody, and of which version."""

    version: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class _Bar:
    """A version that failed verification is not downloaded again at every look."""

    version: Version
    until: float
    wait_s: float
    refusal: Refusal

    def holds(self, version: Version) -> bool:
        return self.version == version and time.monotonic() < self.until


class Follower:
    """`serving` is what the alias points at, as far as that could be verified. Only one thread may look."""

    def __init__(
        self, alias: str, *, registry: Registry, cache: Cache, settings: Settings, preload: Preload | None = None
    ) -> None:
        self.alias = alias
        self.serving: Serving | None = None
        self.refusal: Refusal | None = None
        self.confirmed_at: float | None = None  # of time.monotonic()
        self.withdrawn = False  # the registry's last word was that nothing is behind this alias
        self._registry, self._cache, self._settings, self._preload = registry, cache, settings, preload
        self._bar: _Bar | None = None

    @property
    def name(self) -> str:
        """How people write it: model@alias."""
        return f"{self._registry.name}@{self.alias}"

    def look(self, *, insist: bool = False) -> Outcome:
        """Ask the registry and swap if it names another version; whatever that version does, what serves stays.

        A version that failed verification is tried again after a growing wait, or at once if the caller insists.
        """
        version: Version | None = None
        try:
            version = self._registry.resolve(self.alias)
            if self.serving and self.serving.version == version:
                self._confirm()
                return "unchanged"
            if self._bar and self._bar.holds(version) and not insist:
                self.refusal = self._bar.refusal
                return "refused"
            if opened := self._preloaded(version):  # its bundle in the cache has just been verified
                self._serve(opened, version)
            else:
                self.install(self._cache.fetch(version, self._registry), version)
        except Exception as error:
            return self._refuse(version, error)
        self._confirm()
        return "swapped"

    def install(self, bundle: Bundle, version: Version) -> None:
        """Load, warm up, replay the golden cases, and only then serve; requests in flight finish on the one before.

        Raises RuntimeUnavailable, GoldenMismatch, and whatever else a graph may cause.
        """
        if self.serving and self.serving.version.digest == version.digest:
            classifier = self.serving.classifier  # the same bundle under another number
        else:
            settings, opened = self._settings, self._preloaded(version)
            classifier = opened or Classifier.open(bundle, runtime=settings.runtime, precision=settings.precision)
        self._serve(classifier, version)

    def _preloaded(self, version: Version) -> Classifier | None:
        return self._preload.take(version.digest) if self._preload else None

    def _serve(self, classifier: Classifier, version: Version) -> None:
        self.serving = Serving(classifier, version)
        runtime = classifier.runtime
        facts = {"model": self.name, "version": version.version, "runtime": runtime.name, "graph": runtime.graph}
        log.info("model in service", extra=facts | {"precision": runtime.precision, "reason": runtime.reason})

    def _confirm(self) -> None:
        self.confirmed_at = time.monotonic()
        self.refusal = self._bar = None
        self.withdrawn = False

    def _refuse(self, version: Version | None, error: Exception) -> Outcome:
        self.withdrawn = isinstance(error, NoSuchModel)
        known = REASONS.get(type(error))
        lasting = version is not None and (isinstance(error, _LASTING) or known is None)
        refusal = Refusal(version.version if version else None, f"{self.name}: {known or 'it cannot be loaded.'}")
        if version and lasting:
            before = self._bar.wait_s if self._bar and self._bar.version == version else 0.0
            wait = min(max(2 * before, self._settings.registry_poll_s), LONGEST_BAR_S)
            self._bar = _Bar(version, time.monotonic() + wait, wait, refusal)
        if refusal != self.refusal:  # said once, not at every look
            reason = f"{self.name}: {error}"
            log.warning(
                "no model" if self.serving is None else "the model in service stays",
                extra={"version": refusal.version, "reason": reason},
                exc_info=known is None,
            )
        self.refusal = refusal
        return "refused" if lasting else "unavailable"
