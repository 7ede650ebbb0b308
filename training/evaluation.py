"""What the trained network is worth: validation chooses, then the test part is read, once."""

from __future__ import annotations

from dataclasses import dataclass

from inference.manifest import Data, Metrics
from inference.probability import softmax
from inference.risk import Thresholds
from training import dataset, metrics
from training.backbones import BACKBONES
from training.config import Config
from training.model import Network, infer
from training.split import Split

_HOW = {
    "lesion": "Split by lesion: no lesion is in two parts.",
    "image": "Split by image, which leaks: lesions are in several parts, so the results are too good.",
}


@dataclass(frozen=True, slots=True)
class Findings:
    """What evaluation found out, to be written into the manifest."""

    temperature: float
    thresholds: Thresholds
    metrics: Metrics
    data: Data


def evaluate(network: Network, *, config: Config, split: Split, validation: dataset.Part, command: str) -> Findings:
    """Choose temperature and thresholds on validation data, then measure on the test part."""
    logits = infer(network, validation.images)
    temperature = metrics.fit_temperature(validation.labels, logits)
    thresholds = metrics.choose_thresholds(validation.labels, softmax(logits, temperature))

    test = dataset.load_part(split.test, config.model.preprocessing)
    measured = metrics.measure(
        test.labels,
        softmax(infer(network, test.images), temperature),
        lesions=dataset.lesions_of(split.test),
        source="the test part",
        command=command,
        seed=config.seed,
    )
    return Findings(temperature, thresholds, measured, _describe(config, split))


def _describe(config: Config, split: Split) -> Data:
    imagenet = config.model.weights == "imagenet"
    return Data(
        name=config.data.name,
        citation=config.data.citation,
        pretraining=BACKBONES[config.model.backbone].citation if imagenet else "random weights.",
        licence=config.data.licence,
        split=f"{_HOW[config.data.split]} Seed {config.seed}, digest {split.digest()[:12]}.",
        images={"train": len(split.train), "validation": len(split.validation), "test": len(split.test)},
        counts=dataset.counts_of((*split.train, *split.validation, *split.test)),
    )
