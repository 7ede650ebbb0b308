"""BentoML: `bentoml serve bento:Classifier --port PORT`."""

import bentoml
from model import answer, load, squeeze
from PIL.Image import Image


@bentoml.service(traffic={"timeout": 120})
class Classifier:
    """One image a request, as in BentoML's documentation."""

    def __init__(self) -> None:
        self.run = load()

    @bentoml.api
    def predict(self, image: Image) -> dict[str, float]:
        """Probabilities by class."""
        return answer(self.run(squeeze(image))[0])
