"""Command line of training: fetch the data, train, evaluate and quantise bundles, compare runs, promote a model."""

import argparse
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from inference.command_line import Parser

INTERRUPTED = 130  # the exit status of a command that Ctrl+C has stopped

_CONFIG = "a TOML file, such as training/configs/smoke.toml"
_BUNDLE = "the folder of the bundle"
_REFERENCE = Path(__file__).parent / "reference"

AddArgument = Callable[..., argparse.Action]
AddCommand = Callable[[str, str], AddArgument]  # (name, words) -> add_argument of its parser


def main(arguments: list[str] | None = None, *, prog: str = "python -m training", registry: bool = True) -> int:
    """Run one command; without `registry`, those of the model registry are left out.

    Returns the exit status: 0, 1 with the cause on stderr, or INTERRUPTED.
    """
    options = _parse(arguments, prog=prog, registry=registry)
    try:
        return _execute(options)
    except KeyboardInterrupt:
        trains = options.command in ("run", "fold")
        words = " The same command continues after the last finished epoch." if trains else ""
        print(f"Interrupted.{words}", file=sys.stderr)
        return INTERRUPTED


def _execute(options: argparse.Namespace) -> int:
    # Imports take seconds: a question for help does not wait for them.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from inference.registry.mlflow_client import configure_mlflow
    from inference.registry.mlflow_registry import Registry
    from inference.settings import RegistrySettings, read_for_command

    configure_mlflow()
    from training import commands

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for name in ("alembic", "mlflow"):  # they log every step
        logging.getLogger(name).setLevel(logging.WARNING)
    settings = read_for_command(RegistrySettings)
    try:
        getattr(commands, options.command)(options, settings, Registry(settings))
    except Exception as error:
        if not isinstance(error, commands.expected_errors()):
            raise
        print(error, file=sys.stderr)
        return 1
    return 0


def _parse(arguments: list[str] | None, *, prog: str, registry: bool) -> argparse.Namespace:
    parser = Parser(prog=prog, description=__doc__)
    added = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, words: str) -> AddArgument:
        one = added.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
        one.set_defaults(command=name.replace("-", "_"))
        return one.add_argument

    _add_training(command)
    _add_bundles(command)
    _add_comparison(command)
    if registry:
        _add_registry(command)
    return parser.parse_args(arguments)


def _add_training(command: AddCommand) -> None:
    add = command("fetch", "download HAM10000 from Harvard Dataverse, unless the folder already contains it")
    add("folder", type=Path, help="where the data set is written; it may be a download from Kaggle")
    add = command("run", "train, evaluate, export a bundle and publish it as candidate; resumes a killed run")
    _add_config(add)
    add("--bundle", type=Path, help="a new or empty folder, or a bundle to replace; default: under LUNAR_HOME")
    add = command("fold", "train the network of one fold of a cross-validation; `run` then uses it")
    _add_config(add)
    add("number", type=int, help="the number of the fold, counted from 1")
    add = command("show-augmented", "draw a preview of augmented training images")
    _add_config(add)
    add("out", type=Path, help="the PNG to write; it shows images of the data set and must not be published")
    add = command("clean", "delete the checkpoints of finished runs, but for the last stage's best weights")
    add("--all", action="store_true", help="delete those too, and the prepared images, which are then made again")


def _add_config(add: AddArgument) -> None:
    add("config", type=Path, help=_CONFIG)
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="replace a value of the configuration, such as optimiser.batch=8; the name of the run then shows it",
    )


def _add_bundles(command: AddCommand) -> None:
    add = command("evaluate", "measure a bundle on its own test set")
    add("bundle", type=Path, help=_BUNDLE)
    add("--maps", action="store_true", help="measure its heat maps instead, on a sample; takes minutes")
    add = command("refit", "compute calibration, metrics and drift reference of a bundle again from the data")
    add("bundle", type=Path, help=_BUNDLE)
    add("--maps", action="store_true", help="measure its heat maps again too, on a sample; takes minutes")
    add = command("quantise", "add an int8 graph to a bundle, or allow bf16, if it passes the gate against fp32")
    add("bundle", type=Path, help=_BUNDLE)
    add("--precision", choices=("int8", "bf16"), default="int8", help="default: int8; bf16 computes the fp32 graph")
    add("--ungated", action="store_true", help="add it without measuring it: for untrained networks in benchmarks")


def _add_comparison(command: AddCommand) -> None:
    quoted = sorted(path.stem for path in _REFERENCE.glob("*.json"))
    add = command("compare", "compare runs with the first one on the lesions that all of them were tested on")
    add("runs", nargs="*", metavar="RUN", help="MLflow run ids, two or more; none: the published results alone")
    add("--quoted", nargs="*", choices=quoted, help="show these published results beside the runs; no names: all")
    add("--out", type=Path, default=Path("comparison"), help="folder for comparison.md and comparison.html")
    add("--seed", type=int, default=0, help="seed of the bootstrap; default: 0")


def _add_registry(command: AddCommand) -> None:
    add = command("publish", "publish a bundle as candidate")
    add("bundle", type=Path, help=_BUNDLE)
    add = command("promote", "make a version the champion, which is served, unless it is worse than the champion")
    add("version", nargs="?", help="default: the version of the candidate")
    add("--force", action="store_true", help="promote it even if it is worse or cannot be compared")
    command("rollback", "make the previous champion the champion again")


if __name__ == "__main__":
    raise SystemExit(main())
