"""The served model, and the outcome of one refresh from the registry."""

from dataclasses import dataclass
from typing import Literal

from inference.domain.model_version import ModelVersion
from inference.prediction.classifier import Classifier
from inference.prediction.replies import ModelName
from inference.prediction.serialization import model_reply

# superseded: a verification was ended without a verdict, and the next refresh follows at once.
RefreshOutcome = Literal["unchanged", "swapped", "refused", "unavailable", "superseded"]
ReloadOutcome = Literal["unchanged", "swapped", "refused", "unavailable", "verifying"]


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A verified classifier and the registered version from which it was loaded.

    stale: the registry has not confirmed recently that this is the version to serve.
    """

    classifier: Classifier
    version: ModelVersion
    stale: bool = False

    @property
    def reply(self) -> ModelName:
        """The model's name in the public JSON."""
        return model_reply(self.version, self.classifier.bundle.manifest)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the last refresh brought nothing into service, in words that anybody may read, and of which version."""

    version: str | None
    reason: str
