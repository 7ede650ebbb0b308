"""The model in service: resolved in the registry, downloaded, verified, warmed up, and then current."""

import asyncio
import logging
from dataclasses import dataclass

from inference.bundle import InvalidBundle
from inference.cache import Cache
from inference.classifier import Classifier
from inference.registry import NoSuchModel, Registry, RegistryUnavailable, Version
from inference.runtimes import GoldenMismatch, RuntimeUnavailable
from service.errors import NoModel
from service.settings import Settings

log = logging.getLogger(__name__)

# What anybody may know of why there is no model; the log has the whole reason, with addresses and paths.
REFUSALS: dict[type[Exception], str] = {
    NoSuchModel: "the registry has no version under this alias.",
    RegistryUnavailable: "the model registry does not answer.",
    InvalidBundle: "the registered version is no valid bundle.",
    GoldenMismatch: "the registered version does not reproduce its golden cases here.",
    RuntimeUnavailable: "no runtime here can execute the registered version.",
}


@dataclass(frozen=True, slots=True)
class Serving:
    """A verified classifier and the registered version it came from."""

    classifier: Classifier
    version: Version


class Champion:
    """Serves the version that the alias holds at start. `current` never blocks."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self._registry = registry
        self._settings = settings
        self._serving: Serving | None = None
        self.refusal = "The model is being loaded."

    def current(self) -> Serving:
        """What is served now. Raises NoModel with the reason."""
        if self._serving is None:
            raise NoModel(self.refusal)
        return self._serving

    async def load(self) -> None:
        """Bring the alias's version into service; try again until it works."""
        while self._serving is None:
            try:
                self._serving = await asyncio.to_thread(self._open)
            except Exception as error:
                known = REFUSALS.get(type(error))
                name = f"{self._settings.model_name}@{self._settings.model_alias}"
                self.refusal = f"{name}: {known or 'it cannot be loaded.'}"
                log.warning("no model", extra={"reason": f"{name}: {error}"}, exc_info=known is None)
                await asyncio.sleep(self._settings.registry_retry_s)
        version, runtime = self._serving.version, self._serving.classifier.runtime
        log.info(
            "model in service",
            extra={"model": version.name, "version": version.version, "runtime": runtime.name, "graph": runtime.graph},
        )

    def _open(self) -> Serving:
        version = self._registry.resolve(self._settings.model_alias)
        bundle = Cache(self._registry.home).fetch(version, self._registry)
        classifier = Classifier.open(bundle, runtime=self._settings.runtime, precision=self._settings.precision)
        return Serving(classifier, version)
