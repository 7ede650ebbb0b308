"""run(config): the story of a training run on one screen."""

from __future__ import annotations

import hashlib
import logging
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras

from inference.bundle import Bundle
from inference.registry import Registry, Version
from training import model
from training.checkpoint import Checkpoints
from training.config import Config, InvalidConfig, StageConfig
from training.cross_validation import train_fold, train_folds
from training.curriculum import teach
from training.dataset import Part, digest_of, load_part, prepare_images
from training.dossier import write_dossier
from training.evaluation import evaluate, read_split
from training.export import export, head_of
from training.folds import Folds
from training.novelty import learn_novelty
from training.pretraining import pretrain
from training.progress import History
from training.promotion import CANDIDATE
from training.quantise import quantise_if_asked
from training.split import Split
from training.stages import silent
from training.tracking import Run, tracked_run

PROBES = 16

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
    checkpoints = Checkpoints(folder_of(config, split, registry.home))
    with tracked_run(registry, config.name, checkpoints) as tracked:
        tracked.parameters(config.model_dump(mode="json") | {"split_digest": split.digest()})
        tracked.parameters({"data_digest": digest_of([record for part in split.parts().values() for record in part])})
        log.info("split %s; checkpoints in %s", split.digest()[:12], checkpoints.folder)

        network, histories = _train(config, split, data=data, home=registry.home, checkpoints=checkpoints, run=tracked)
        predict = partial(model.respond, network)
        findings = evaluate(predict, head=head_of(network), config=config, split=split, command=command, rebalance=True)
        model.shift_bias(network, findings.offsets)
        novelty = learn_novelty(predict, config=config, split=split, findings=findings)
        others = split.records if isinstance(split, Folds) else split.validation
        probe = prepare_images(others[:PROBES], config.model.preprocessing)
        bundle = export(network, folder, config=config, findings=findings, novelty=novelty, probe=probe)
        bundle = quantise_if_asked(bundle, config, data=data)
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
        for best in sorted(checkpoints.folder.rglob("*-best.npz")):
            tracked.file(best, ("checkpoints" / best.parent.relative_to(checkpoints.folder)).as_posix())
        tracked.metrics({name: each.value for name, each in findings.metrics.overall.items()}, prefix="test.")
        tracked.metrics({"wall_seconds": time.monotonic() - began})
        version = registry.publish(bundle, alias=CANDIDATE, source="training", run_id=tracked.run_id)
    return Result(bundle, version)


def _train(
    config: Config, split: Split | Folds, *, data: Path, home: Path, checkpoints: Checkpoints, run: Run
) -> tuple[model.Network, Mapping[str, History]]:
    if isinstance(split, Folds):
        return train_folds(config, split, data=data, home=home, checkpoints=checkpoints.folder, report=run.epoch)

    def material(stage: StageConfig) -> tuple[Part, Part]:
        spec = config.model.preprocessing.model_copy(update={"size": stage.size or config.model.preprocessing.size})
        train, validation = (load_part(part, spec, cache=home / "prepared") for part in (split.train, split.validation))
        return train, validation

    network = model.build_for(config)
    pretrain(network, config, data=data, home=home, report=run.epoch)
    histories = teach(network, config, material=material, checkpoints=checkpoints, report=run.epoch)
    return model.for_export(network, config), histories


def run_fold(config: Config, number: int, *, data: Path, home: Path) -> Path:
    """Train one network of a cross-validation, counted from 1, for a later `run`; returns where its checkpoints lie.

    Raises InvalidConfig, InvalidDataset.
    """
    keras.utils.set_random_seed(config.seed)
    folds = read_split(config, data)
    if not isinstance(folds, Folds) or not 1 <= number <= folds.count:
        raise InvalidConfig(f"{config.name} has no fold {number}; data.folds is {config.data.folds}.")
    checkpoints = folder_of(config, folds, home)
    train_fold(number - 1, config, folds, data=data, home=home, checkpoints=checkpoints, report=silent)
    return checkpoints


def folder_of(config: Config, split: Split | Folds, home: Path) -> Path:
    """Where a run keeps its checkpoints: the name has a digest of all that decides what is computed."""
    digest = hashlib.sha256((config.model_dump_json() + split.digest()).encode()).hexdigest()
    return home / "runs" / f"{config.name}-{digest[:12]}"
