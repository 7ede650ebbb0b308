"""Command line of the registry.

`python -m inference.registry publish BUNDLE [--alias ALIAS]` publishes a bundle.
`python -m inference.registry starter BUNDLE` registers the starter bundle, unless another model is served.
"""

import argparse
import sys
from pathlib import Path, PurePosixPath

from inference.bundle.storage import Bundle, InvalidBundle, open_bundle
from inference.command_line import Parser
from inference.domain.model_version import ModelVersion
from inference.registry.errors import NoSuchModel, RegistryUnavailable
from inference.registry.mlflow_registry import Registry
from inference.settings import CANDIDATE, RegistrySettings, read_for_command

STARTER = "starter"


def register_starter(registry: Registry, bundle: Bundle, *, alias: str) -> ModelVersion:
    """The version behind `alias`, after publishing the starter bundle if the alias is unset or at an older starter.

    It is published again too if the files of its version are gone. A version that somebody else published is not
    replaced. Raises RegistryUnavailable.
    """
    try:
        current = registry.resolve(alias)
    except NoSuchModel:
        return registry.publish(bundle, alias=alias, source=STARTER)
    if current.source == STARTER and not _is_complete(registry, current, bundle):
        return registry.publish(bundle, alias=alias, source=STARTER)
    return current


def _is_complete(registry: Registry, version: ModelVersion, bundle: Bundle) -> bool:
    """Whether the version is this bundle, and the registry still has all its files."""
    if version.digest != bundle.manifest.digest:
        return False
    files = {PurePosixPath(path.relative_to(bundle.path)) for path in bundle.path.rglob("*") if path.is_file()}
    return registry.files(version) >= files


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; print the version behind the alias. Returns the exit status."""
    parser = Parser(
        prog="python -m inference.registry",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=("publish", "starter"))
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of the bundle")
    parser.add_argument("--alias", help=f"default: {CANDIDATE} for publish, LUNAR_MODEL_ALIAS for starter")
    options = parser.parse_args(arguments)
    settings = read_for_command(RegistrySettings)
    registry = Registry(settings)
    try:
        bundle = open_bundle(options.bundle)
        if options.action == "starter":
            version = register_starter(registry, bundle, alias=options.alias or settings.model_alias)
        else:
            version = registry.publish(bundle, alias=options.alias or CANDIDATE, source="manual")
    except (InvalidBundle, OSError, RegistryUnavailable) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{version.name}@{version.alias} is version {version.version} ({version.source}, {version.digest[:12]})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
