"""The model in service: resolved in the registry, downloaded, verified, warmed up, and then current."""

import asyncio
import logging
from dataclasses import dataclass

from inference.bundle import InvalidBundle
from inference.classifier import Classifier
from inference.registry import NoSuchModel, Registry, RegistryUnavailable, Version
from inference.runtimes import GoldenMismatch, RuntimeUnavailable
from service.errors import NoModel
from service.settings import Settings

log = logging.getLogger(__name__)

REFUSALS = (InvalidBundle, NoSuchModel, RegistryUnavailable, RuntimeUnavailable, GoldenMismatch, OSError)


@dataclass(frozen=True, slots=True)
class Serving:
    """A verified classifier and the registered version it came from."""

    classifier: Classifier
    version: Version


class Champion:
    """Follows one alias. `current` never blocks."""

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
            except REFUSALS as error:
                self.refusal = f"{self._settings.model_name}@{self._settings.model_alias}: {error}"
                log.warning("no model", extra={"reason": self.refusal})
                await asyncio.sleep(self._settings.registry_retry_s)
        version, runtime = self._serving.version, self._serving.classifier.runtime
        log.info(
            "model in service",
            extra={"model": version.name, "version": version.version, "runtime": runtime.name, "graph": runtime.graph},
        )

    def _open(self) -> Serving:
        version = self._registry.resolve(self._settings.model_alias)
        bundle = self._registry.fetch(version)
        classifier = Classifier.open(bundle, runtime=self._settings.runtime, precision=self._settings.precision)
        return Serving(classifier, version)
