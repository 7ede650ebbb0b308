"""run(config): the story of a training run on one screen."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import keras

from inference.bundle import Bundle
from inference.registry import Registry, Version
from training import model, stages
from training.checkpoint import Checkpoints
from training.config import Config
from training.dataset import load_part
from training.evaluation import evaluate
from training.export import export
from training.index import limit_classes, read_index
from training.split import Split, split_records
from training.tracking import tracked_run

CANDIDATE = "candidate"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """What a run made: the bundle and its version in the registry."""

    bundle: Bundle
    version: Version


def run(config: Config, *, data: Path, folder: Path, registry: Registry, command: str) -> Result:
    """Train, evaluate, export to `folder` and publish as candidate; a run that was killed goes on where it stopped.

    `data` is the folder of LUNAR_DATA; `command` is what the model card names as the source of its numbers.
    """
    keras.utils.set_random_seed(config.seed)
    records = read_index(data / config.data.metadata, [data / images for images in config.data.images])
    if config.data.per_class:
        records = limit_classes(records, config.data.per_class, seed=config.seed)
    split = split_records(records, by=config.data.split, fractions=config.data.fractions, seed=config.seed)
    checkpoints = Checkpoints(registry.home / "runs" / f"{config.name}-{identity(config, split)}")
    with tracked_run(registry, config.name, checkpoints) as tracked:
        tracked.parameters(config.model_dump(mode="json") | {"split_digest": split.digest()})
        log.info("%d images; split %s; checkpoints in %s", len(records), split.digest()[:12], checkpoints.folder)

        network = model.build_for(config)
        train, validation = (load_part(part, config.model.preprocessing) for part in (split.train, split.validation))
        course = stages.Course(network, train, validation, config, checkpoints)
        tracked.history(stages.warm_up(course), prefix="warm_up.")
        tracked.history(stages.fine_tune(course), prefix="fine_tune.")
        network = model.in_float32(network, config.model)

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


def identity(config: Config, split: Split) -> str:
    """A short digest of everything that decides what a run computes: another configuration is another run."""
    return hashlib.sha256((config.model_dump_json() + split.digest()).encode()).hexdigest()[:12]
