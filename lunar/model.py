"""`lunar model`: the versions in the registry. Only `promote`, which compares, needs the packages of training."""

import argparse
from pathlib import Path

from inference.bundle.storage import InvalidBundle, open_bundle
from inference.command_line import Parser, failed
from inference.registry.errors import NoSuchModel, Refused, RegistryUnavailable
from inference.registry.mlflow_registry import Registry
from inference.settings import CANDIDATE, RegistrySettings, read_for_command


def main(arguments: list[str], *, prog: str) -> int:
    """Run one command. Returns the exit status; an error is one line on stderr."""
    options = _parse(arguments, prog=prog)
    settings = read_for_command(RegistrySettings)
    try:
        options.run(options, settings, Registry(settings))
    except BrokenPipeError:
        raise
    except (InvalidBundle, NoSuchModel, OSError, Refused, RegistryUnavailable) as error:
        return failed(f"{prog} {options.command}", error)
    return 0


def _list(_: argparse.Namespace, settings: RegistrySettings, registry: Registry) -> None:
    for version, aliases in registry.versions():
        print(f"{version.version}\t{','.join(aliases) or '-'}\t{version.source or '-'}\t{version.digest[:12] or '-'}")


def _publish(options: argparse.Namespace, _: RegistrySettings, registry: Registry) -> None:
    version = registry.publish(open_bundle(options.bundle), alias=CANDIDATE, source="manual")
    print(f"{version.name}@{version.alias} is version {version.version}")


def _promote(options: argparse.Namespace, settings: RegistrySettings, registry: Registry) -> None:
    from training.tracking.promotion import promote

    version = promote(registry, champion=settings.model_alias, version=options.version, force=options.force)
    print(f"{settings.model_name}@{settings.model_alias} is version {version}")


def _rollback(_: argparse.Namespace, settings: RegistrySettings, registry: Registry) -> None:
    version = registry.roll_back(settings.model_alias)
    print(f"{settings.model_name}@{settings.model_alias} is version {version} again")


def _parse(arguments: list[str], *, prog: str) -> argparse.Namespace:
    parser = Parser(prog=prog, description="The versions of the model LUNAR_MODEL_NAME in the registry.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    words = "list the versions: number, aliases, source and digest, separated by tabs"
    commands.add_parser("list", help=words, description=words).set_defaults(run=_list)
    words = f"publish a bundle under the alias {CANDIDATE}"
    publish = commands.add_parser("publish", help=words, description=words)
    publish.add_argument("bundle", type=Path, help="the folder of the bundle")
    publish.set_defaults(run=_publish)
    words = "make a version the champion, which is served, unless it is worse than the champion"
    promote = commands.add_parser("promote", help=words, description=words)
    promote.add_argument("version", nargs="?", help=f"default: the version of the alias {CANDIDATE}")
    promote.add_argument("--force", action="store_true", help="promote it even if it is worse or cannot be compared")
    promote.set_defaults(run=_promote)
    words = "make the previous champion the champion again"
    commands.add_parser("rollback", help=words, description=words).set_defaults(run=_rollback)
    return parser.parse_args(arguments)
