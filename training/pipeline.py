"""A training run from the configuration to the published bundle."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import keras

from inference.bundle.manifest import Metrics
from inference.bundle.replacement import check_target
from inference.registry.mlflow_registry import Registry
from inference.settings import CANDIDATE
from training.bundling.export import export, head_of
from training.config import Config, InvalidConfig, StageConfig
from training.data.data_split import DataSplit, Split, digest_of_ids
from training.data.extra_images import read_extra
from training.data.patients import with_patients
from training.data.prepared_images import (
    PreparedSplit,
    Records,
    bytes_to_prepare,
    digest_of,
    load_prepared_split,
    prepare_images,
)
from training.data.splits import read_folds, read_split
from training.evaluation.evaluate import EvaluationResult, evaluate
from training.evaluation.out_of_distribution import fit_ood_detector
from training.evaluation.views import measure_views
from training.fitting.checkpoints import Checkpoints
from training.fitting.cross_validation import train_fold, train_folds
from training.fitting.disk_space import check_training
from training.fitting.image_check import check_all_images
from training.fitting.pretraining import pretrain
from training.fitting.reports import Report, Silent
from training.fitting.run_lock import locked
from training.fitting.stage_plan import planned_stages, stage_spec, train_stages, training_spec
from training.fitting.stage_progress import History
from training.networks import network as networks
from training.quantisation.bfloat16 import allow_if_asked
from training.quantisation.quantise import quantise_if_asked
from training.reporting.run_report import RunReport, draw_training, write_run_report
from training.run_folder import Result, finished_before, folder_of, note_finished
from training.tracking.mlflow_run import Run, tracked_run
from training.tracking.tracked_report import TrackedReport

PROBES = 16  # images on which the exported graphs are compared with the network, beside the golden cases

log = logging.getLogger(__name__)


def run(config: Config, *, data: Path, folder: Path, registry: Registry, command: str) -> Result:
    """Train, evaluate, export to `folder` and publish as candidate. A run that was killed resumes where it stopped.

    `data` is the folder of LUNAR_DATA; `command` is what the model card names as the source of its numbers. Numbers,
    plots and predictions go to MLflow before the export; while MLflow does not answer, they are kept. Raises
    InvalidDataset, Diverged, UnstableHead, ParityError, GoldenMismatch, RegistryUnavailable; RunInUse if another
    process trains the same run; and NotReplaceable, before anything else, if no bundle may be written to `folder`.
    """
    check_target(folder)
    keras.utils.set_random_seed(config.seed)
    split = read_split(config, data)
    checkpoints = Checkpoints(folder_of(config, split, registry.home))
    with locked(checkpoints.folder):
        check_all_images(config, split, data=data, checkpoints=checkpoints)
        if earlier := finished_before(checkpoints, folder):
            return earlier
        describe = f"`{command}`\n\n{split.describe()}"
        with tracked_run(registry, config.name, checkpoints, description=describe) as tracked:
            result = _run(config, split, data=data, folder=folder, registry=registry, run=tracked, command=command)
        note_finished(checkpoints, result)
    return result


def _run(
    config: Config, split: DataSplit, *, data: Path, folder: Path, registry: Registry, run: Run, command: str
) -> Result:
    began = time.monotonic()
    checkpoints = run.checkpoints
    _track_origin(run, config, split, data)
    log.info("split %s; checkpoints in %s", split.digest()[:12], checkpoints.folder)
    report = TrackedReport(run, checkpoints, draw=partial(draw_training, name=config.name))

    network, histories = _train(config, split, data=data, home=registry.home, checkpoints=checkpoints, report=report)
    evaluation = _evaluate(network, histories, config=config, split=split, data=data, run=run, command=command)
    log.info("fitting the out-of-distribution detector")
    ood_detector = fit_ood_detector(
        partial(networks.respond, network), config=config, split=split, evaluation=evaluation
    )
    log.info("exporting")
    probe = prepare_images(split.validation[:PROBES], config.model.preprocessing)
    bundle = export(network, folder, config=config, evaluation=evaluation, ood_detector=ood_detector, probe=probe)
    bundle = quantise_if_asked(bundle, config, data=data)
    bundle = allow_if_asked(bundle, config, data=data)
    run.metrics({"wall_seconds": time.monotonic() - began})
    log.info("publishing")
    run.deliver()
    return Result(bundle, registry.publish(bundle, alias=CANDIDATE, source="training", run_id=run.run_id))


def _evaluate(
    network: networks.Network,
    histories: Mapping[str, History],
    *,
    config: Config,
    split: DataSplit,
    data: Path,
    run: Run,
    command: str,
) -> EvaluationResult:
    """Evaluate the network, shift its bias after a cross-validation, and write and send the report."""
    predict = partial(networks.respond, network)
    evaluation = evaluate(predict, head=head_of(network), config=config, split=split, command=command, rebalance=True)
    networks.shift_bias(network, evaluation.offsets)
    views = measure_views(
        predict,
        evaluation,
        split=split,
        head=head_of(network),
        spec=config.model.preprocessing,
        count=config.evaluation_views,
        seed=config.seed,
    )
    _track_results(
        run,
        RunReport(
            config=config,
            split=split,
            histories=histories,
            evaluation=evaluation,
            views=views,
            head=head_of(network),
            features=partial(networks.features, network),
            metadata=data / config.data.metadata,
        ),
        run.checkpoints.folder / "report",
    )
    return evaluation


def _track_origin(run: Run, config: Config, split: DataSplit, data: Path) -> None:
    """Log the configuration, the data sets, and the digests of the split and of the images' bytes."""
    splits = split.splits()
    digest = digest_of([record for records in splits.values() for record in records])
    run.parameters(config.model_dump(mode="json") | {"split_digest": split.digest(), "data_digest": digest})
    run.datasets(
        {
            name: {
                "name": f"{config.data.name}: {name}, {len(records)} images",
                "digest": digest_of_ids(records),
                "source": str(data / config.data.metadata),
            }
            for name, records in splits.items()
        }
    )


def _track_results(run: Run, report: RunReport, folder: Path) -> None:
    """Write the report, and send its files and the metrics of the test set."""
    write_run_report(folder, report)
    run.folder(folder)
    _track_metrics(run, report.evaluation.metrics, prefix="test.")
    if report.views:
        _track_metrics(run, report.views, prefix=f"test.views_{report.config.evaluation_views}.")


def _track_metrics(run: Run, metrics: Metrics, *, prefix: str) -> None:
    run.metrics({name: interval.value for name, interval in metrics.overall.items()}, prefix=prefix)
    for code, numbers in metrics.per_class.items():
        run.metrics({name: interval.value for name, interval in numbers.items()}, prefix=f"{prefix}{code}.")


def _train(
    config: Config, split: DataSplit, *, data: Path, home: Path, checkpoints: Checkpoints, report: Report
) -> tuple[networks.Network, Mapping[str, History]]:
    """The trained network in float32, and the history of every stage."""
    return split.by_kind(
        split=lambda split: _train_split(config, split, data=data, home=home, checkpoints=checkpoints, report=report),
        folds=lambda folds: train_folds(
            config, folds, data=data, home=home, checkpoints=checkpoints.folder, report=report
        ),
    )


def _train_split(
    config: Config, split: Split, *, data: Path, home: Path, checkpoints: Checkpoints, report: Report
) -> tuple[networks.Network, Mapping[str, History]]:
    seen = (*split.train, *read_extra(config, data))

    def load(stage: StageConfig) -> tuple[PreparedSplit, PreparedSplit]:
        cache = home / "prepared"
        train = load_prepared_split(seen, training_spec(config, stage), cache=cache)
        train = with_patients(train, seen, config=config.patients, metadata=data / config.data.metadata)
        return train, load_prepared_split(split.validation, stage_spec(config, stage), cache=cache)

    network = networks.build_for(config)
    _check_space(network, config, seen, split.validation, home=home, folder=checkpoints.folder)
    pretrain(network, config, data=data, home=home, report=report)
    histories = train_stages(network, config, load=load, checkpoints=checkpoints, report=report)
    return networks.for_export(network, config), histories


def _check_space(
    network: networks.Network, config: Config, train: Records, validation: Records, *, home: Path, folder: Path
) -> None:
    stages = planned_stages(config).values()
    needed = {(train, training_spec(config, stage)) for stage in stages}
    needed |= {(validation, stage_spec(config, stage)) for stage in stages}
    prepared = sum(bytes_to_prepare(records, spec, cache=home / "prepared") for records, spec in needed)
    check_training(home, network, stages, folder=folder, prepared=prepared, moments=config.optimiser.moments)


def run_fold(config: Config, number: int, *, data: Path, home: Path) -> Path:
    """Train the network of fold `number`, counted from 1, for a later `run`; returns the folder of its checkpoints.

    Raises InvalidConfig if the configuration has no such fold, and InvalidDataset.
    """
    if not 1 <= number <= (config.data.folds or 0):
        raise InvalidConfig(f"{config.name} has no fold {number}; data.folds is {config.data.folds}.")
    folds = read_folds(config, data)
    checkpoints = folder_of(config, folds, home)
    check_all_images(config, folds, data=data, checkpoints=Checkpoints(checkpoints))
    train_fold(number - 1, config, folds, data=data, home=home, checkpoints=checkpoints, report=Silent())
    return checkpoints
