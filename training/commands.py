"""The commands of `python -m training`. Each takes the parsed options, the settings and the registry."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from inference.bundle.manifest import Manifest, Metrics
from inference.bundle.replacement import BundleChanged, NotReplaceable
from inference.bundle.storage import InvalidBundle, open_bundle
from inference.registry.errors import NoSuchModel, Refused, RegistryUnavailable
from inference.registry.mlflow_registry import Registry
from inference.runtimes import GoldenMismatch, RuntimeUnavailable
from inference.settings import PREFIX, RegistrySettings
from training.config import Config, InvalidConfig
from training.config_file import load
from training.data.dataverse import BrokenArchive
from training.data.download import BrokenDownload
from training.data.ham10000 import InvalidDataset
from training.evaluation.comparison import NotComparable
from training.evaluation.predictions import InvalidPredictions
from training.fitting.run_lock import RunInUse
from training.quantisation.gate import BelowGate
from training.tracking.stored_predictions import NoPredictions


def expected_errors() -> tuple[type[Exception], ...]:
    """The errors that the user can correct: their message is printed without a traceback."""
    from training.backbones.weight_files import MissingWeights
    from training.bundling.export import ParityError, UnstableHead
    from training.fitting.divergence import Diverged

    return (
        BelowGate,
        BrokenArchive,
        BrokenDownload,
        BundleChanged,
        Diverged,
        GoldenMismatch,
        InvalidBundle,
        InvalidConfig,
        InvalidDataset,
        InvalidPredictions,
        MissingWeights,
        NoPredictions,
        NoSuchModel,
        NotComparable,
        NotReplaceable,
        OSError,
        ParityError,
        Refused,
        RegistryUnavailable,
        RunInUse,
        RuntimeUnavailable,
        UnstableHead,
    )


class DataSettings(BaseSettings):
    """The folder of the data sets, from the environment variable LUNAR_DATA."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True)

    data: Path = Field(Path("../shared/data"))


def fetch(options: argparse.Namespace, *_: object) -> None:
    """Download HAM10000."""
    from training.data import dataverse

    dataverse.fetch(options.folder)
    print(f"{options.folder} contains HAM10000; set LUNAR_DATA={options.folder}")


def run(options: argparse.Namespace, settings: RegistrySettings, registry: Registry) -> None:
    """Train, evaluate, export and publish."""
    config = _read_config(options)
    from training import pipeline  # imports TensorFlow: only once the configuration has been read

    folder = options.bundle or settings.home / "bundles" / config.name
    changes = "".join(f" --set {shlex.quote(change)}" for change in options.set)
    command = f"python -m training run {options.config.as_posix()}{changes}"
    result = pipeline.run(config, data=DataSettings().data, folder=folder, registry=registry, command=command)
    _print_metrics(result.bundle.manifest.metrics)
    if result.repeated:
        print("This run was finished before; nothing was trained. Another seed or configuration makes another run.")
        print(f"{result.bundle.path} was published as version {result.version.version}")
    else:
        print(f"{result.bundle.path} is version {result.version.version}, alias {result.version.alias}")


def fold(options: argparse.Namespace, settings: RegistrySettings, *_: object) -> None:
    """Train the network of one fold."""
    config = _read_config(options)
    from training.pipeline import run_fold

    checkpoints = run_fold(config, options.number, data=DataSettings().data, home=settings.home)
    print(f"The network of fold {options.number} is trained: {checkpoints / f'fold-{options.number}'}")


def show_augmented(options: argparse.Namespace, *_: object) -> None:
    """Draw a preview of the augmentation."""
    config = _read_config(options)
    from training.reporting.augmentation_preview import write_augmentation_preview

    write_augmentation_preview(config, data=DataSettings().data, path=options.out)
    print(f"{options.out}: each row shows one image, first unchanged, then augmented as in training")


def clean(options: argparse.Namespace, settings: RegistrySettings, *_: object) -> None:
    """Delete checkpoints that no run needs any more."""
    from training.fitting.cleaning import clean_up

    freed = clean_up(settings.home, everything=options.all)
    for path, count in freed.items():
        print(f"{count / 1e6:9.1f} MB  {path}")
    print(f"{sum(freed.values()) / 1e9:.2f} GB freed under {settings.home}")


def evaluate(options: argparse.Namespace, *_: object) -> None:
    """Measure a bundle on its own test set."""
    from training.bundling.card_maps import maps_table
    from training.bundling.card_uncertainty import uncertainty_sections
    from training.bundling.refit import evaluate_bundle, evaluate_maps_of

    bundle, data = open_bundle(options.bundle), DataSettings().data
    if options.maps:
        print(maps_table(evaluate_maps_of(bundle, data=data)))
        return
    command = f"python -m training evaluate {options.bundle.as_posix()}"
    evaluation = evaluate_bundle(bundle, data=data, command=command)
    _print_metrics(evaluation.metrics)
    print("\n".join(["", *uncertainty_sections(evaluation.uncertainty)]))


def refit(options: argparse.Namespace, *_: object) -> None:
    """Compute calibration, metrics and references of a bundle again."""
    from training.bundling import refit as refitting
    from training.quantisation.requantise import requantise

    data, lost = DataSettings().data, list[str]()

    def finish(staging: Path, before: Manifest) -> None:
        lost.extend(requantise(staging, before=before, data=data))

    bundle = refitting.refit(options.bundle, data=data, maps=options.maps, finish=finish)
    for each in lost:
        print(each)
    print(f"{options.bundle} now has the digest {bundle.manifest.digest[:12]}")


def quantise(options: argparse.Namespace, *_: object) -> None:
    """Add an int8 graph, or allow bf16."""
    from training.bundling.model_card import bfloat16_table, quantisation_table
    from training.quantisation import bfloat16
    from training.quantisation import quantise as quantising

    make = bfloat16.allow_bfloat16 if options.precision == "bf16" else quantising.quantise
    bundle = make(options.bundle, data=DataSettings().data, ungated=options.ungated)
    if options.precision == "int8" and bundle.manifest.quantisation:
        print(quantisation_table(bundle.manifest.quantisation))
    if options.precision == "bf16" and bundle.manifest.bfloat16:
        print(bfloat16_table(bundle.manifest.bfloat16))
    print(f"{options.bundle} now has the digest {bundle.manifest.digest[:12]}")


def compare(options: argparse.Namespace, _: RegistrySettings, registry: Registry) -> None:
    """Compare runs with the first one, or show published results."""
    from training.evaluation import comparison
    from training.reporting import comparison_report, quoted_report
    from training.reporting.published_results import QUOTED, read_quoted
    from training.tracking.mlflow_run import keep_files
    from training.tracking.stored_predictions import fetch_contender

    everything = options.quoted == [] or not (options.quoted or options.runs)
    names = QUOTED if everything else options.quoted or ()
    quoted = [read_quoted(name) for name in names]
    if options.runs:
        contenders = [fetch_contender(run, tracking_uri=registry.tracking_uri) for run in options.runs]
        compared = comparison.compare(contenders, seed=options.seed)
        texts = (function(compared, quoted=quoted) for function in (comparison_report.markdown, comparison_report.html))
    else:
        texts = (function(quoted) for function in (quoted_report.markdown, quoted_report.html))
    options.out.mkdir(parents=True, exist_ok=True)
    files = [options.out / "comparison.md", options.out / "comparison.html"]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text, encoding="utf-8")
    if options.runs:
        keep_files(registry, options.runs[0], files, "comparison")
    print(files[0].read_text(encoding="utf-8"))


def publish(options: argparse.Namespace, _: RegistrySettings, registry: Registry) -> None:
    """Publish a bundle as candidate."""
    from training.tracking import promotion

    version = promotion.publish(registry, options.bundle)
    print(f"{version.name}@{version.alias} is version {version.version}")


def promote(options: argparse.Namespace, settings: RegistrySettings, registry: Registry) -> None:
    """Make a version the champion."""
    from training.tracking import promotion

    version = promotion.promote(registry, champion=settings.model_alias, version=options.version, force=options.force)
    print(f"{settings.model_name}@{settings.model_alias} is version {version}")


def rollback(_: argparse.Namespace, settings: RegistrySettings, registry: Registry) -> None:
    """Make the previous champion the champion again."""
    version = registry.roll_back(settings.model_alias)
    print(f"{settings.model_name}@{settings.model_alias} is version {version} again")


def _read_config(options: argparse.Namespace) -> Config:
    return load(options.config, changes=options.set)


def _print_metrics(metrics: Metrics | None) -> None:
    for name, interval in metrics.overall.items() if metrics else ():
        print(f"{name:24} {interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]")
