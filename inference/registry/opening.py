"""The bundle that a command line works with: a folder, or what the registry's alias names."""

from pathlib import Path

from inference.bundle.storage import Bundle, InvalidBundle, open_bundle
from inference.domain.model_version import ModelVersion
from inference.registry.bundle_cache import BundleCache, CacheUnwritable
from inference.registry.errors import NoSuchModel, RegistryUnavailable
from inference.registry.mlflow_registry import Registry
from inference.runtimes import GoldenMismatch, RuntimeUnavailable
from inference.settings import RegistrySettings, read_for_command

# What keeps a command from having a model: the bundle, the registry, the cache or the runtime.
MODEL_ERRORS = (CacheUnwritable, GoldenMismatch, InvalidBundle, NoSuchModel, RegistryUnavailable, RuntimeUnavailable)


def open_model(folder: Path | None) -> tuple[Bundle, ModelVersion]:
    """The bundle in `folder`, or without one the version behind LUNAR_MODEL_ALIAS. Raises MODEL_ERRORS."""
    if folder is not None:
        bundle = open_bundle(folder)
        digest = bundle.manifest.digest
        return bundle, ModelVersion(bundle.manifest.name, f"sha256:{digest[:12]}", None, digest, "file")
    settings = read_for_command(RegistrySettings)
    registry = Registry(settings)
    version = registry.resolve(settings.model_alias)
    return BundleCache(settings.home).fetch(version, registry), version
