"""One network a fold, each trained on the lesions of the other folds; together they are the model that is served."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from training import model, stages
from training.checkpoint import Checkpoints
from training.config import Config, StageConfig
from training.curriculum import teach
from training.dataset import Part, load_part
from training.ensemble import combine
from training.folds import Folds
from training.index import read_index
from training.model import Network
from training.pretraining import pretrain
from training.progress import History

log = logging.getLogger(__name__)


def train_folds(
    config: Config, folds: Folds, *, data: Path, home: Path, checkpoints: Path, report: stages.Report
) -> tuple[Network, Mapping[str, History]]:
    """Train what is not yet trained of every fold's network, in `checkpoints`/fold-<n>.

    Returns them as one network, in float32, and all histories. Raises InvalidDataset.
    """
    members: list[Network] = []
    histories: dict[str, History] = {}
    for fold in range(folds.count):
        network, learnt = train_fold(
            fold, config, folds, data=data, home=home, checkpoints=checkpoints, report=partial(_tell, report, fold)
        )
        histories |= {f"{fold + 1} {stage}": history for stage, history in learnt.items()}
        members.append(model.for_export(network, config))
    return combine(members, config), histories


def train_fold(
    fold: int, config: Config, folds: Folds, *, data: Path, home: Path, checkpoints: Path, report: stages.Report
) -> tuple[Network, dict[str, History]]:
    """Train the network of one fold, counted from 0, on the lesions of the others; several may be trained at once.

    Nothing is chosen on the held-out fold: each stage keeps its last epoch. Raises InvalidDataset.
    """
    log.info("fold %d of %d", fold + 1, folds.count)
    seen = folds.seen_by(fold)

    def material(stage: StageConfig) -> tuple[Part, None]:
        return _load(stage, config, seen=seen, data=data, cache=home / "prepared"), None

    network = model.build_for(config)
    pretrain(network, config, data=data, home=home, report=report)
    kept = Checkpoints(checkpoints / f"fold-{fold + 1}")
    return network, teach(network, config, material=material, checkpoints=kept, report=report, member=fold)


def _tell(report: stages.Report, fold: int, stage: str, epoch: int, numbers: dict[str, float]) -> None:
    report(f"fold-{fold + 1}.{stage}", epoch, numbers)


def _load(stage: StageConfig, config: Config, *, seen: frozenset[str], data: Path, cache: Path) -> Part:
    folders = [data / images for images in stage.images or config.data.images]
    records = [each for each in read_index(data / config.data.metadata, folders) if each.lesion_id in seen]
    spec = config.model.preprocessing
    return load_part(records, spec.model_copy(update={"size": stage.size or spec.size}), cache=cache)
