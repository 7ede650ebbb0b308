"""The outcome for one of several images."""

from dataclasses import dataclass

from lunar_client.errors import LunarError
from lunar_client.messages import Image
from lunar_client.replies import PredictReply


@dataclass(frozen=True)
class Outcome:
    """An image as it was given, and either its reply or its error; OSError: the file cannot be read."""

    image: Image
    reply: PredictReply | None = None
    error: LunarError | OSError | None = None
