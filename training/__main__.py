"""python -m training: fetch the data, run a configuration, compare runs, decide what is served."""

import argparse
import logging
import os
import sys
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from inference.bundle import InvalidBundle, open_bundle
from inference.manifest import Metrics
from inference.registry import NoSuchModel, Registry, RegistryUnavailable, quiet_mlflow
from inference.runtimes import GoldenMismatch
from inference.settings import RegistrySettings
from training.compare import NoPredictions, NotComparable, compare, fetch_contender
from training.comparison_report import html, markdown
from training.config import InvalidConfig, load
from training.download import BrokenDownload
from training.fetch import BrokenArchive, fetch
from training.fidelity import BelowGate
from training.index import InvalidDataset
from training.predictions import InvalidPredictions
from training.promotion import Refused, promote, publish, roll_back
from training.quoted import QUOTED, read_quoted

# Everything that a person can cause and mend: its message is shown, without a traceback.
MENDABLE = (
    BelowGate,
    BrokenArchive,
    BrokenDownload,
    GoldenMismatch,
    InvalidBundle,
    InvalidConfig,
    InvalidDataset,
    InvalidPredictions,
    NoPredictions,
    NoSuchModel,
    NotComparable,
    OSError,
    Refused,
    RegistryUnavailable,
)


class DataSettings(BaseSettings):
    """Where the data sets are: LUNAR_DATA."""

    model_config = SettingsConfigDict(env_prefix="LUNAR_", frozen=True)

    data: Path = Field(Path("../shared/data"))


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 1 with the cause on stderr."""
    given = _parse(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    quiet_mlflow()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for chatty in ("alembic", "mlflow"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    settings = RegistrySettings()
    try:
        given.action(given, settings, Registry(settings))
    except MENDABLE as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _fetch(given: argparse.Namespace, *_: object) -> None:
    fetch(given.folder)
    print(f"{given.folder} holds HAM10000; set LUNAR_DATA={given.folder}")


def _run(given: argparse.Namespace, settings: RegistrySettings, registry: Registry) -> None:
    config = load(given.config)
    from training.pipeline import run  # imports TensorFlow: after the configuration proved readable

    folder = given.bundle or settings.home / "bundles" / config.name
    command = f"python -m training run {given.config.as_posix()}"
    result = run(config, data=DataSettings().data, folder=folder, registry=registry, command=command)
    _print_metrics(result.bundle.manifest.metrics)
    print(f"{result.bundle.path} is version {result.version.version}, alias {result.version.alias}")


def _fold(given: argparse.Namespace, settings: RegistrySettings, *_: object) -> None:
    config = load(given.config)
    from training.pipeline import run_fold

    print(
        f"Trained: {run_fold(config, given.number, data=DataSettings().data, home=settings.home)}/fold-{given.number}"
    )


def _show_augmented(given: argparse.Namespace, *_: object) -> None:
    config = load(given.config)
    from training.contact_sheet import write_contact_sheet

    write_contact_sheet(config, data=DataSettings().data, path=given.out)
    print(f"{given.out}: each row an image, first as it is, then as training sees it")


def _evaluate(given: argparse.Namespace, *_: object) -> None:
    from training.refit import evaluate_bundle

    command = f"python -m training evaluate {given.bundle.as_posix()}"
    _print_metrics(evaluate_bundle(open_bundle(given.bundle), data=DataSettings().data, command=command).metrics)


def _refit(given: argparse.Namespace, *_: object) -> None:
    from training.fidelity import BelowGate
    from training.quantise import quantise
    from training.refit import refit

    before = open_bundle(given.bundle).manifest.quantisation
    bundle = refit(given.bundle, data=DataSettings().data)
    if before:
        try:
            bundle = quantise(given.bundle, data=DataSettings().data, ungated=not before.gated)
        except BelowGate as error:
            print(f"It has no int8 graph any more. {error}")
    print(f"{given.bundle} is now {bundle.manifest.digest[:12]}")


def _quantise(given: argparse.Namespace, *_: object) -> None:
    from training.card import quantisation_table
    from training.quantise import quantise

    bundle = quantise(given.bundle, data=DataSettings().data, ungated=given.ungated)
    print(quantisation_table(bundle.manifest.model_dump(mode="json")["quantisation"]))
    print(f"{given.bundle} is now {bundle.manifest.digest[:12]}")


def _compare(given: argparse.Namespace, _: RegistrySettings, registry: Registry) -> None:
    contenders = [fetch_contender(run, tracking_uri=registry.tracking_uri) for run in given.runs]
    comparison = compare(contenders, seed=given.seed)
    quoted = [read_quoted(name) for name in given.quoted]
    text = markdown(comparison, quoted=quoted)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "comparison.md").write_text(text, encoding="utf-8")
    (given.out / "comparison.html").write_text(html(comparison, quoted=quoted), encoding="utf-8")
    from training.tracking import keep_files

    keep_files(registry, given.runs[0], given.out, "comparison")
    print(text)


def _publish(given: argparse.Namespace, _: RegistrySettings, registry: Registry) -> None:
    version = publish(registry, given.bundle)
    print(f"{version.name}@{version.alias} is version {version.version}")


def _promote(given: argparse.Namespace, settings: RegistrySettings, registry: Registry) -> None:
    version = promote(registry, champion=settings.model_alias, version=given.version, force=given.force)
    print(f"{settings.model_name}@{settings.model_alias} is version {version}")


def _rollback(_: argparse.Namespace, settings: RegistrySettings, registry: Registry) -> None:
    version = roll_back(registry, champion=settings.model_alias)
    print(f"{settings.model_name}@{settings.model_alias} is version {version} again")


def _print_metrics(metrics: Metrics | None) -> None:
    for name, each in metrics.overall.items() if metrics else ():
        print(f"{name:24} {each.value:.3f} [{each.low:.3f}, {each.high:.3f}]")


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    actions = parser.add_subparsers(required=True)

    def action(name: str, function: object, words: str) -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=words, description=words)
        added.set_defaults(action=function)
        return added

    add = action("fetch", _fetch, "download HAM10000 from its public home, or accept what is there").add_argument
    add("folder", type=Path)
    add = action("run", _run, "train, evaluate, export, publish as candidate; goes on if it was killed").add_argument
    add("config", type=Path)
    add("--bundle", type=Path, help="folder to write the bundle to; default: under LUNAR_HOME")
    add = action("fold", _fold, "train one network of a cross-validation; `run` puts them together").add_argument
    add("config", type=Path)
    add("number", type=int, help="counted from 1")
    add = action("show-augmented", _show_augmented, "write a contact sheet of augmented training images").add_argument
    add("config", type=Path)
    add("out", type=Path, help="a PNG; it shows data-set images, so keep it to yourself")
    add = action("evaluate", _evaluate, "measure a bundle on its own test part").add_argument
    add("bundle", type=Path)
    add = action("refit", _refit, "recompute what a bundle owes to data, from its graph and the data").add_argument
    add("bundle", type=Path)
    add = action("quantise", _quantise, "give a bundle an int8 graph, if it is as good as the fp32 graph").add_argument
    add("bundle", type=Path)
    add("--ungated", action="store_true", help="whatever it is worth, unmeasured: for networks that nobody trained")
    add = action("compare", _compare, "runs against the first one, on the same lesions").add_argument
    add("runs", nargs="+", metavar="RUN", help="MLflow run ids")
    add("--quoted", nargs="*", choices=QUOTED, default=(), help="show published results beside them")
    add("--out", type=Path, default=Path("comparison"), help="folder for comparison.md and comparison.html")
    add("--seed", type=int, default=0)
    add = action("publish", _publish, "publish a bundle's folder as candidate").add_argument
    add("bundle", type=Path)
    add = action("promote", _promote, "serve a version; refuses one that is worse than the champion").add_argument
    add("version", nargs="?", help="default: the candidate's")
    add("--force", action="store_true", help="promote it even if it is worse or cannot be compared")
    action("rollback", _rollback, "serve again what was served before")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
