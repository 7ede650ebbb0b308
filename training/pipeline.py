"""run(config): the story of a training run on one screen."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import keras

from inference.bundle import Bundle
from inference.registry import Registry, Version
from training import model, stages
from training.config import Config
from training.dataset import load_part
from training.evaluation import evaluate
from training.export import export
from training.index import read_index
from training.split import split_records
from training.tracking import tracked_run

CANDIDATE = "candidate"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """What a run made: the bundle and its version in the registry."""

    bundle: Bundle
    version: Version


def run(config: Config, *, data: Path, folder: Path, registry: Registry, command: str) -> Result:
    """Train, evaluate, export to `folder` and publish as candidate.

    `data` is the folder of LUNAR_DATA; `command` is what the model card names as the source of its numbers.
    """
    keras.utils.set_random_seed(config.seed)
    with tracked_run(registry, config.name) as tracked:
        records = read_index(data / config.data.metadata, [data / images for images in config.data.images])
        split = split_records(records, by=config.data.split, fractions=config.data.fractions, seed=config.seed)
        tracked.parameters(config.model_dump(mode="json") | {"split_digest": split.digest()})
        log.info("%d images; split %s", len(records), split.digest()[:12])

        network = model.build(config.model)
        train, validation = (load_part(part, config.model.preprocessing) for part in (split.train, split.validation))
        history = stages.warm_up(network, train=train, validation=validation, config=config.warm_up, seed=config.seed)
        tracked.history(history, prefix="warm_up.")
        log.info("warm-up: validation accuracy %.3f", history["val_accuracy"][-1])

        findings = evaluate(network, config=config, split=split, validation=validation, command=command)
        tracked.metrics({name: each.value for name, each in findings.metrics.overall.items()}, prefix="test.")
        tracked.content(findings.metrics.model_dump(mode="json"), "test_metrics.json")
        bundle = export(
            network,
            folder,
            name=config.name,
            backbone=config.model.backbone,
            preprocessing=config.model.preprocessing,
            graphs=config.graphs,
            findings=findings,
            probe=validation.images[:16],
        )
        version = registry.publish(bundle, alias=CANDIDATE, source="training", run_id=tracked.run_id)
    return Result(bundle, version)
