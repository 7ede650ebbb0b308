"""The parts of one running service; routes receive them as `InjectedComponents`."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

from fastapi import Depends, Request

from inference.registry.mlflow_registry import Registry
from service.analysis import RequestAnalyzer
from service.http import problems
from service.http.upload_bounds import Uploads
from service.observability.metrics import Metrics
from service.observability.tracing import open_tracing
from service.security.authorization import AccessPolicy
from service.security.key_store import KeyStore
from service.security.rate_limit import RateLimiter
from service.serving.decoders import Decoder, open_decoder
from service.serving.inference_scheduler import InferenceScheduler
from service.serving.model_manager import ModelManager
from service.serving.shadow import Shadow
from service.settings import Settings

if TYPE_CHECKING:
    from service.observability.spans import Spans


@dataclass(frozen=True, slots=True)
class Components:
    """Created once for each application; `app.state.components` holds them."""

    settings: Settings
    metrics: Metrics
    model_manager: ModelManager
    decoder: Decoder
    scheduler: InferenceScheduler
    shadow: Shadow
    analyzer: RequestAnalyzer
    rate_limiter: RateLimiter
    access_policy: AccessPolicy
    spans: "Spans | None"

    @classmethod
    def create(cls, settings: Settings) -> Self:
        """Connect the parts; loads no model and starts no thread. Raises InvalidKeys."""
        metrics = Metrics(problems.CAUSES)
        model_manager = ModelManager(Registry(settings), settings, metrics)
        decoder = open_decoder(settings, metrics.decoders)
        scheduler = InferenceScheduler(settings, metrics, decoder)
        shadow = Shadow(model_manager, settings, metrics, decoder)
        rate_limiter = RateLimiter(settings)
        return cls(
            settings=settings,
            metrics=metrics,
            model_manager=model_manager,
            decoder=decoder,
            scheduler=scheduler,
            shadow=shadow,
            analyzer=RequestAnalyzer(model_manager, scheduler, shadow, Uploads(settings)),
            rate_limiter=rate_limiter,
            access_policy=AccessPolicy(settings, KeyStore(settings), rate_limiter),
            spans=open_tracing(),
        )

    async def start(self) -> None:
        """Load the model and start the decoders.

        The port opens afterwards, so that a proxy sends refused requests to another replica.
        """
        await asyncio.gather(self.decoder.start(), self.model_manager.start())

    async def stop(self) -> None:
        """Finish the work that runs and close every part."""
        await asyncio.to_thread(self.model_manager.stop)
        await self.scheduler.close()
        await self.shadow.close()
        await self.decoder.close()
        await self.rate_limiter.aclose()
        if self.spans:
            await asyncio.to_thread(self.spans.close)


async def components_of(request: Request) -> Components:
    """The components of the application that received the request."""
    components: Components = request.app.state.components
    return components


InjectedComponents = Annotated[Components, Depends(components_of)]
