"""One row of the table of representations, and what its renderer has to offer."""

import importlib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Literal, Protocol

from inference.domain.taxonomy import Language
from inference.explainers.class_maps import ExplanationRequest
from inference.imaging.test_time_augmentation import ViewCount
from inference.prediction.classifier import Analysis
from service.analysis import References
from service.serving.served_model import ServedModel

Route = Literal["predict", "explain"]


@dataclass(frozen=True, slots=True)
class Answered:
    """An analysed image and all that a document about it may name."""

    request_id: str
    language: Language
    analysis: Analysis
    explanation: ExplanationRequest | None
    tta: ViewCount
    coverage: float
    references: References
    served: ServedModel


@dataclass(frozen=True, slots=True)
class Document:
    """A response's body and its type."""

    content: bytes
    media_type: str


class Renderer(Protocol):
    """Turns an answer into a document of one standard."""

    def narrow(self, explanation: ExplanationRequest | None, data: bytes) -> ExplanationRequest | None:
        """What has to be drawn for an upload `data`; called before anything is computed. Raises NotAcceptable."""

    def render(self, answered: Answered) -> Document:
        """The document. It may take long, so it is called outside the event loop, unless the row says that it is quick.

        Raises NotAcceptable.
        """


@dataclass(frozen=True, slots=True)
class Representation:
    """One row.

    renderer: "module:class". routes: which answers can be represented so, and `quick` those of which `render` takes
    less time than handing it to a thread. extra: the optional dependencies that the renderer needs, and `package` one
    of them. report: whether render=sr asks for one.
    """

    media_type: str
    renderer: str
    routes: tuple[Route, ...] = ("predict", "explain")
    quick: tuple[Route, ...] = ()
    extra: str | None = None
    package: str | None = None
    report: bool = False

    @property
    def installed(self) -> bool:
        """Whether what the renderer imports is there."""
        return self.package is None or _is_installed(self.package)

    def open(self) -> Renderer:
        """The renderer."""
        module, _, name = self.renderer.partition(":")
        renderer: Renderer = getattr(importlib.import_module(module), name)()
        return renderer


@cache
def _is_installed(package: str) -> bool:
    """Looked up once: it searches the folders of sys.path, for every request."""
    return find_spec(package) is not None
