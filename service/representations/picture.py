"""image/png: the heat map or the overlay itself."""

from dataclasses import replace

from inference.explainers.class_maps import ExplanationRequest
from service.errors import NotAcceptable
from service.representations.representation import Answered, Document


def one_picture(explanation: ExplanationRequest | None, media_type: str) -> ExplanationRequest:
    """The request for a single picture: the heat map if only that was asked for, else the overlay.

    Raises NotAcceptable if there would be several.
    """
    if explanation is None or len(explanation.targets) > 1 or len(explanation.methods) > 1:
        raise NotAcceptable(f"{media_type} is one picture: ask for one target and one method, or for application/json.")
    return explanation if explanation.render == "heatmap" else replace(explanation, render="overlay")


class PngPicture:
    """One picture, so that `curl -o overlay.png` is enough."""

    def narrow(self, explanation: ExplanationRequest | None, data: bytes) -> ExplanationRequest | None:
        """One target, one method. Raises NotAcceptable."""
        return one_picture(explanation, "image/png")

    def render(self, answered: Answered) -> Document:
        """The PNG, as the JSON has it in base64."""
        (class_map,) = answered.analysis.maps
        return Document(class_map.overlay or class_map.heatmap or b"", "image/png")
