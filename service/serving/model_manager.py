"""Keeps the model in service: follows the alias in a thread of its own, and falls back to the last served model."""

import asyncio
import logging
import threading
import time
from dataclasses import replace
from functools import partial
from typing import get_args

from inference.bundle.storage import Bundle, open_bundle
from inference.domain.model_version import ModelVersion
from inference.registry.bundle_cache import BundleCache, CacheUnwritable
from inference.registry.mlflow_registry import Registry
from service.errors import NoModel
from service.observability.metrics import Metrics
from service.serving.alias_watcher import AliasWatcher
from service.serving.candidate_check import CandidateCheck
from service.serving.preloader import Preloader
from service.serving.reloads import Reloads
from service.serving.served_model import RefreshOutcome, Refusal, ReloadOutcome, ServedModel
from service.settings import Settings

FIRST_LOOK_S = 20.0  # covers two timeouts (5 s each) of MLflow's client at a registry that hangs, and a fallback
STALE_AFTER_LOOKS = 20  # polls without an answer; 5 minutes by default

log = logging.getLogger(__name__)


class ModelManager:
    """Follows the alias of the served model and, if the settings name one, that of the shadow. `current` never blocks.

    Only the thread that `start` starts asks the registry, so that no request waits for a slow registry.
    """

    def __init__(self, registry: Registry, settings: Settings, metrics: Metrics) -> None:
        self._settings, self._metrics = settings, metrics.model
        self._cache = BundleCache(registry.home)
        self._preload = Preloader(self._cache, settings)
        self._check = CandidateCheck(settings) if settings.candidate_timeout_s else None
        watch = partial(AliasWatcher, registry=registry, cache=self._cache, settings=settings, check=self._check)
        self._watcher = watch(
            settings.model_alias, preload=self._preload, meanwhile=self._fall_back, superseded=self._served_moved
        )
        self._shadow = watch(settings.shadow_alias, superseded=self._served_calls) if settings.shadow_alias else None
        self._reloads = Reloads()
        self._next_look = 0.0  # of time.monotonic(), while a candidate is verified
        self._untold: ModelVersion | None = None  # somebody knows that it is being verified, but not what came of it
        self._refreshed_once = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="registry", daemon=True)
        for watcher in filter(None, (self._watcher, self._shadow)):
            self._metrics.follows(watcher.alias, get_args(RefreshOutcome))
        self._metrics.watch(loaded=self._loaded, stale=self._stale)

    async def start(self) -> None:
        """Start to follow the aliases; return once a model serves, after the first refresh, or after FIRST_LOOK_S."""
        self._preload.start()
        self._thread.start()
        await asyncio.to_thread(self._refreshed_once.wait, FIRST_LOOK_S)

    def stop(self) -> None:
        """Stop following the aliases; does not wait for a registry that does not answer."""
        self._reloads.stop()
        if self._check:
            self._check.stop()
        self._thread.join(timeout=2)

    def current(self) -> ServedModel:
        """The served model. Raises NoModel with the reason."""
        served = self._watcher.served
        if served is None:
            raise NoModel(self._watcher.refusal.reason if self._watcher.refusal else "The model is being loaded.")
        return replace(served, stale=True) if self._stale() else served

    def shadow(self) -> ServedModel | None:
        """The verified version behind the shadow's alias, if there is one."""
        return self._shadow.served if self._shadow else None

    @property
    def refusal(self) -> Refusal | None:
        """Why the last refresh brought nothing into service; None if it succeeded."""
        return self._watcher.refusal

    async def reload(self) -> ReloadOutcome:
        """Ask the registry now, and wait for the outcome, but for no verification.

        A refused version is tried again, unless its refusal is what an earlier call did not wait for.
        """
        return await asyncio.wrap_future(self._reloads.ask())

    def _follow(self) -> None:
        try:
            outcome = self._refresh_served(force=False)
            if outcome != "swapped":
                self._fall_back()
        finally:
            self._refreshed_once.set()
        self._preload.drop()
        if outcome != "superseded":
            outcome = self._refresh_shadow(force=False)
        while not self._reloads.stopped:
            self._reloads.collect(0.0 if outcome == "superseded" else self._settings.registry_poll_s)
            if not self._reloads.stopped:
                outcome = self._look(force=self._reloads.asked)

    def _look(self, *, force: bool) -> RefreshOutcome:
        outcome = self._refresh_served(force=force, untold=self._untold if force else None)
        if outcome == "superseded":
            return outcome  # who waits gets the outcome of the refresh that follows
        if self._reloads.asked or outcome != "refused":
            self._untold = None
        self._reloads.answer(outcome)
        return self._refresh_shadow(force=force)  # last, because no request waits for it

    def _served_moved(self) -> bool:
        """During the verification of a candidate: whether it is not the one to serve any more, by a look now and then.

        Who asks for a reload gets such a look at once, and is told that a candidate is being verified. The next one who
        asks is told what came of it.
        """
        if not self._look_is_due():
            return False
        moved = self._watcher.moved()
        if not moved and self._reloads.asked:
            self._untold = self._watcher.seen
            self._reloads.answer("verifying")
        return moved

    def _served_calls(self) -> bool:
        """During the verification of a version for the shadow: whether the served model comes first."""
        return self._look_is_due() and (self._reloads.asked or self._watcher.moved())

    def _look_is_due(self) -> bool:
        self._reloads.collect()
        if not self._reloads.asked and time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + self._settings.registry_poll_s
        return True

    def _refresh_served(self, *, force: bool, untold: ModelVersion | None = None) -> RefreshOutcome:
        outcome = self._refresh(self._watcher, force=force, untold=untold)
        if outcome == "swapped" and self._watcher.served:
            self._announce(self._watcher.served)
            try:
                self._cache.remember(self._watcher.served.version)
            except CacheUnwritable as error:
                log.warning("the next start without a registry will not find this model", extra={"reason": str(error)})
        return outcome

    def _refresh_shadow(self, *, force: bool) -> RefreshOutcome:
        if self._shadow is None:
            return "unchanged"
        outcome = self._refresh(self._shadow, force=force)
        if self._shadow.withdrawn:
            self._shadow.served = None
        return outcome

    def _refresh(self, watcher: AliasWatcher, *, force: bool, untold: ModelVersion | None = None) -> RefreshOutcome:
        self._next_look = time.monotonic() + self._settings.registry_poll_s
        outcome = watcher.refresh(force=force, untold=untold)
        self._metrics.refreshed(watcher.alias, outcome)
        return outcome

    def _fall_back(self) -> None:
        """Serve the last served model, or the settings' fallback bundle, until a registered version is verified."""
        if self._watcher.served:
            return
        for find in (self._last_served, self._fallback_bundle):
            try:
                if bundle_and_version := find():
                    self._watcher.install(*bundle_and_version)
            except Exception as error:
                log.warning("no model to fall back to", extra={"reason": str(error)})
            if self._watcher.served:
                self._announce(self._watcher.served)
                self._refreshed_once.set()  # the start does not wait for a verification
                return

    def _last_served(self) -> tuple[Bundle, ModelVersion] | None:
        return self._cache.recall(self._settings.model_name, self._settings.model_alias)

    def _fallback_bundle(self) -> tuple[Bundle, ModelVersion] | None:
        if self._settings.fallback_bundle is None:
            return None
        bundle = open_bundle(self._settings.fallback_bundle)
        digest = bundle.manifest.digest
        return bundle, ModelVersion(self._settings.model_name, f"sha256:{digest[:12]}", None, digest, "file")

    def _announce(self, served: ServedModel) -> None:
        classifier = served.classifier
        runtime, prevalence = classifier.runtime, classifier.prevalence
        if self._settings.prevalence and prevalence is None:
            log.warning("this bundle has no calibrated likelihoods: LUNAR_PREVALENCE does not apply to its answers")
        reference = classifier.bundle.reference if prevalence is None else None  # it describes the model's own answers
        self._metrics.swapped(served.version, runtime=runtime.name, graph=runtime.graph, reference=reference)

    def _loaded(self) -> bool:
        return self._watcher.served is not None

    def _stale(self) -> bool:
        if self._watcher.served is None:
            return False
        confirmed = self._watcher.confirmed_at
        limit = STALE_AFTER_LOOKS * self._settings.registry_poll_s
        return confirmed is None or time.monotonic() - confirmed > limit
