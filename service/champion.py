"""The model in service: what the alias points at, or else what served last, followed in a thread of its own."""

import asyncio
import logging
import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from itertools import product
from typing import get_args

from inference.bundle import Bundle, open_bundle
from inference.cache import Cache, CacheUnwritable
from inference.registry import Registry, Version
from service.errors import NoModel
from service.following import Follower, Outcome, Refusal, Serving
from service.metrics import Metrics
from service.preload import Preload
from service.settings import Settings

FIRST_LOOK_S = 20.0  # longer than MLflow's client waits for a registry that hangs, twice 5 s, and a fallback takes
STALE_AFTER_LOOKS = 20  # so many looks without an answer: 5 minutes by default
_STOP = None

log = logging.getLogger(__name__)


class Champion:
    """Follows the alias that is served and, if there is one, the shadow's. `current` never blocks.

    The registry is only ever asked in the thread that `start` starts: however slow it is, no request waits for it.
    """

    def __init__(self, registry: Registry, settings: Settings, metrics: Metrics) -> None:
        self._settings, self._metrics = settings, metrics
        self._cache = Cache(registry.home)
        self._preload = Preload(self._cache, settings)

        def follower(alias: str, preload: Preload | None = None) -> Follower:
            return Follower(alias, registry=registry, cache=self._cache, settings=settings, preload=preload)

        self._champion = follower(settings.model_alias, self._preload)
        self._shadow = follower(settings.shadow_alias) if settings.shadow_alias else None
        self._wishes: queue.SimpleQueue[Future[Outcome] | None] = queue.SimpleQueue()
        self._has_looked = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="registry", daemon=True)
        for alias, outcome in product((settings.model_alias, settings.shadow_alias), get_args(Outcome)):
            if alias:
                metrics.looks.labels(alias, outcome)  # there from the start: see Metrics
        metrics.watch("lunar_model_stale", "1 if the registry has not confirmed the model in service", self._stale)
        metrics.watch("lunar_model_loaded", "1 if a verified model is in service, else 0: not ready", self._loaded)

    async def start(self) -> None:
        """Begin to follow; returns when the first look has brought what it can, or has taken FIRST_LOOK_S."""
        self._preload.start()
        self._thread.start()
        await asyncio.to_thread(self._has_looked.wait, FIRST_LOOK_S)

    def stop(self) -> None:
        """Stop to follow; does not wait for a registry that does not answer."""
        self._wishes.put(_STOP)
        self._thread.join(timeout=2)

    def current(self) -> Serving:
        """What is served now. Raises NoModel with the reason."""
        serving = self._champion.serving
        if serving is None:
            raise NoModel(self._champion.refusal.reason if self._champion.refusal else "The model is being loaded.")
        return replace(serving, stale=True) if self._stale() else serving

    def shadow(self) -> Serving | None:
        """What the shadow's alias points at, if that could be verified."""
        return self._shadow.serving if self._shadow else None

    @property
    def refusal(self) -> Refusal | None:
        """Why the last look brought nothing into service."""
        return self._champion.refusal

    async def reload(self) -> Outcome:
        """Look at the registry now and try again what was refused; waits for the outcome."""
        wish: Future[Outcome] = Future()
        self._wishes.put(wish)
        return await asyncio.wrap_future(wish)

    def _follow(self) -> None:
        try:
            if self._look(insist=False) != "swapped":
                self._fall_back()
        finally:
            self._has_looked.set()
        self._preload.drop()
        self._look_at_shadow(insist=False)
        while True:
            try:
                wishes = [self._wishes.get(timeout=self._settings.registry_poll_s)]
            except queue.Empty:
                wishes = []
            while not self._wishes.empty():
                wishes.append(self._wishes.get())
            if _STOP in wishes:
                return
            outcome = self._look(insist=bool(wishes))
            for wish in wishes:
                if wish is not None and wish.set_running_or_notify_cancel():
                    wish.set_result(outcome)
            self._look_at_shadow(insist=bool(wishes))  # last: nobody waits for it

    def _look(self, *, insist: bool) -> Outcome:
        outcome = self._look_at(self._champion, insist=insist)
        if outcome == "swapped" and self._champion.serving:
            self._announce(self._champion.serving)
            try:
                self._cache.remember(self._champion.serving.version)
            except CacheUnwritable as error:
                log.warning("the next start without a registry will not find this model", extra={"reason": str(error)})
        return outcome

    def _look_at_shadow(self, *, insist: bool) -> None:
        if self._shadow:
            self._look_at(self._shadow, insist=insist)
            if self._shadow.withdrawn:
                self._shadow.serving = None

    def _look_at(self, follower: Follower, *, insist: bool) -> Outcome:
        outcome = follower.look(insist=insist)
        self._metrics.looks.labels(follower.alias, outcome).inc()
        return outcome

    def _fall_back(self) -> None:
        """Serve what served last, or the bundle that the settings allow, until the registry says what to serve."""
        for find in (self._last_served, self._allowed):
            try:
                found = find()
                if found:
                    self._champion.install(*found)
            except Exception as error:
                log.warning("no model to fall back to", extra={"reason": str(error)})
            if self._champion.serving:
                self._announce(self._champion.serving)
                return

    def _last_served(self) -> tuple[Bundle, Version] | None:
        return self._cache.recall(self._settings.model_name, self._settings.model_alias)

    def _allowed(self) -> tuple[Bundle, Version] | None:
        if self._settings.fallback_bundle is None:
            return None
        bundle = open_bundle(self._settings.fallback_bundle)
        digest = bundle.manifest.digest
        return bundle, Version(self._settings.model_name, f"sha256:{digest[:12]}", None, digest, "file")

    def _announce(self, serving: Serving) -> None:
        version, runtime = serving.version, serving.classifier.runtime
        facts = {"name": version.name, "version": version.version, "alias": version.alias or ""}
        self._metrics.model.info(facts | {"digest": version.digest, "runtime": runtime.name, "graph": runtime.graph})

        self._metrics.drift.follow(version, serving.classifier.bundle.reference)

    def _loaded(self) -> bool:
        return self._champion.serving is not None

    def _stale(self) -> bool:
        if self._champion.serving is None:
            return False
        confirmed = self._champion.confirmed_at
        limit = STALE_AFTER_LOOKS * self._settings.registry_poll_s
        return confirmed is None or time.monotonic() - confirmed > limit
