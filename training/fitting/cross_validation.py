"""Cross-validation: one network for each fold, trained on the lesions of the other folds, combined into one model."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras

from inference.imaging.preprocessing import Preprocessing
from training.config import Config, StageConfig
from training.data.data_split import Folds
from training.data.extra_images import read_extra
from training.data.ham10000 import read_files
from training.data.patients import with_patients
from training.data.prepared_images import PreparedSplit, Records, bytes_to_prepare, load_prepared_split
from training.fitting.checkpoints import Checkpoints
from training.fitting.disk_space import check_training
from training.fitting.pretraining import pretrain
from training.fitting.reports import OfFold, Report
from training.fitting.run_lock import locked
from training.fitting.stage_plan import planned_stages, train_stages, training_spec
from training.fitting.stage_progress import History
from training.networks import network as networks
from training.networks.ensemble import combine
from training.networks.network import Network

log = logging.getLogger(__name__)


def train_folds(
    config: Config, folds: Folds, *, data: Path, home: Path, checkpoints: Path, report: Report
) -> tuple[Network, Mapping[str, History]]:
    """Train the networks of all folds, with checkpoints in `checkpoints`/fold-<n>; trained stages are not repeated.

    Returns one float32 network that combines them, and the history of every stage, by fold and stage. Raises
    InvalidDataset.
    """
    members: list[Network] = []
    histories: dict[str, History] = {}
    for fold in range(folds.count):
        network, of_fold = train_fold(
            fold,
            config,
            folds,
            data=data,
            home=home,
            checkpoints=checkpoints,
            report=report,
        )
        histories |= {f"{fold + 1} {stage}": history for stage, history in of_fold.items()}
        members.append(networks.for_export(network, config))
    return combine(members, size=config.model.preprocessing.size, stored_as=config.stored_as), histories


def train_fold(
    fold: int, config: Config, folds: Folds, *, data: Path, home: Path, checkpoints: Path, report: Report
) -> tuple[Network, dict[str, History]]:
    """Train the network of one fold, counted from 0, on the lesions of the other folds.

    Several processes may train different folds at the same time. Nothing is chosen on the held-out fold: each stage
    keeps its last epoch. Raises InvalidDataset, Diverged, and RunInUse if another process trains the same fold.
    """
    log.info("fold %d of %d", fold + 1, folds.count)
    seen, extra = folds.seen_by(fold), read_extra(config, data)

    def read(stage: StageConfig) -> tuple[Records, Preprocessing]:
        folders = stage.images or config.data.images
        records = _read_seen(folders, metadata=config.data.metadata, data=data, seen=seen)
        return [*records, *extra], training_spec(config, stage)

    def load(stage: StageConfig) -> tuple[PreparedSplit, None]:
        records, spec = read(stage)
        split = load_prepared_split(records, spec, cache=home / "prepared")
        return with_patients(split, records, config=config.patients, metadata=data / config.data.metadata), None

    folder = checkpoints / f"fold-{fold + 1}"
    with locked(folder):
        keras.utils.set_random_seed(config.seed)  # the first weights are the same, whichever folds come before
        network = networks.build_for(config)
        stages = planned_stages(config).values()
        sources = {(stage.images, training_spec(config, stage)): stage for stage in stages}.values()
        prepared = sum(bytes_to_prepare(*read(stage), cache=home / "prepared") for stage in sources)
        check_training(home, network, stages, folder=folder, prepared=prepared, moments=config.optimiser.moments)
        pretrain(network, config, data=data, home=home, report=report)
        histories = train_stages(
            network, config, load=load, checkpoints=Checkpoints(folder), report=OfFold(report, fold + 1), member=fold
        )
    return network, histories


def _read_seen(images: Sequence[str], *, metadata: str, data: Path, seen: frozenset[str]) -> Records:
    """The records of the files in these folders whose lesions are in `seen`."""
    files = read_files(data / metadata, [data / folder for folder in images])
    return [record for record in files if record.lesion_id in seen]
