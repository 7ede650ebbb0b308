"""Client of Lunar's API. Lunar is not a medical device."""

from lunar_client.async_client import AsyncLunarClient
from lunar_client.errors import LunarError, Refused, Unreachable
from lunar_client.outcome import Outcome
from lunar_client.replies import ExplainReply, ModelReply, PredictReply, Problem
from lunar_client.retries import Retries
from lunar_client.sync_client import LunarClient

__all__ = [
    "AsyncLunarClient",
    "ExplainReply",
    "LunarClient",
    "LunarError",
    "ModelReply",
    "Outcome",
    "PredictReply",
    "Problem",
    "Refused",
    "Retries",
    "Unreachable",
]
