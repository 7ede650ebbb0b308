"""python -m training: run a configuration, promote what it published."""

import argparse
import logging
import os
import sys
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from inference.registry import NoSuchModel, Registry, RegistryUnavailable
from inference.settings import RegistrySettings
from training.config import InvalidConfig, load
from training.index import InvalidDataset


class DataSettings(BaseSettings):
    """Where the data sets are: LUNAR_DATA."""

    model_config = SettingsConfigDict(env_prefix="LUNAR_", frozen=True)

    data: Path = Field(Path("../shared/data"))


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 1 with the cause on stderr."""
    given = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for chatty in ("alembic", "mlflow"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        return int(given.action(given))
    except (InvalidConfig, InvalidDataset, NoSuchModel, RegistryUnavailable, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def _run(given: argparse.Namespace) -> int:
    config = load(given.config)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from training.pipeline import run  # imports TensorFlow: after the configuration proved readable

    settings = RegistrySettings()
    folder = given.bundle or settings.home / "bundles" / config.name
    command = f"python -m training run {given.config.as_posix()}"
    result = run(config, data=DataSettings().data, folder=folder, registry=Registry(settings), command=command)
    overall = result.bundle.manifest.metrics.overall if result.bundle.manifest.metrics else {}
    for name, each in overall.items():
        print(f"{name:24} {each.value:.3f} [{each.low:.3f}, {each.high:.3f}]")
    print(f"{result.bundle.path} is version {result.version.version}, alias {result.version.alias}")
    return 0


def _promote(given: argparse.Namespace) -> int:
    settings = RegistrySettings()
    registry = Registry(settings)
    version = given.version or registry.resolve("candidate").version
    registry.move_alias(settings.model_alias, version)
    print(f"{settings.model_name}@{settings.model_alias} is version {version}")
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    actions = parser.add_subparsers(required=True)
    run = actions.add_parser("run", help="train, evaluate, export, publish as candidate")
    run.add_argument("config", type=Path)
    run.add_argument("--bundle", type=Path, help="folder to write the bundle to; default: under LUNAR_HOME")
    run.set_defaults(action=_run)
    promote = actions.add_parser("promote", help="serve a version")
    promote.add_argument("version", nargs="?", help="default: the candidate's")
    promote.set_defaults(action=_promote)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
