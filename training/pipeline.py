"""run(config): the story of a training run on one screen."""

from __future__ import annotations

import hashlib
import logging
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras

from inference.bundle import Bundle
from inference.registry import Registry, Version
from training import model, stages
from training.checkpoint import Checkpoints
from training.config import Config
from training.dataset import digest_of, load_part
from training.dossier import write_dossier
from training.evaluation import evaluate, read_split
from training.export import export
from training.novelty import learn_novelty
from training.promotion import CANDIDATE
from training.split import Split
from training.tracking import tracked_run

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
    began = time.monotonic()
    keras.utils.set_random_seed(config.seed)
    split = read_split(config, data)
    checkpoints = Checkpoints(registry.home / "runs" / f"{config.name}-{identity(config, split)}")
    with tracked_run(registry, config.name, checkpoints) as tracked:
        tracked.parameters(config.model_dump(mode="json") | {"split_digest": split.digest()})
        tracked.parameters({"data_digest": digest_of([record for part in split.parts().values() for record in part])})
        log.info("split %s; checkpoints in %s", split.digest()[:12], checkpoints.folder)

        network = model.build_for(config)
        spec, cache = config.model.preprocessing, registry.home / "prepared"
        train, validation = (load_part(part, spec, cache=cache) for part in (split.train, split.validation))
        course = stages.Course(network, train, validation, config, checkpoints, tracked.epoch)
        histories = {stages.WARM_UP: stages.warm_up(course), stages.FINE_TUNE: stages.fine_tune(course)}
        network = model.in_float32(network, config.model)

        predict = partial(model.respond, network)
        findings = evaluate(predict, config=config, split=split, command=command)
        novelty = learn_novelty(predict, config=config, split=split, findings=findings)
        bundle = export(
            network, folder, config=config, findings=findings, novelty=novelty, probe=validation.images[:16]
        )
        with tempfile.TemporaryDirectory() as dossier:
            write_dossier(
                Path(dossier),
                config=config,
                split=split,
                histories=histories,
                findings=findings,
                bundle=bundle,
                metadata=data / config.data.metadata,
            )
            tracked.folder(Path(dossier))
        for best in sorted(checkpoints.folder.glob("*-best.npz")):
            tracked.file(best, "checkpoints")
        tracked.metrics({name: each.value for name, each in findings.metrics.overall.items()}, prefix="test.")
        tracked.metrics({"wall_seconds": time.monotonic() - began})
        version = registry.publish(bundle, alias=CANDIDATE, source="training", run_id=tracked.run_id)
    return Result(bundle, version)


def identity(config: Config, split: Split) -> str:
    """A short digest of everything that decides what a run computes: another configuration is another run."""
    return hashlib.sha256((config.model_dump_json() + split.digest()).encode()).hexdigest()[:12]
