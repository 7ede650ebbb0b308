"""Bundles in MLflow: publish, resolve an alias, download.

`python -m inference.registry publish BUNDLE [--alias ALIAS]` publishes a bundle.
`python -m inference.registry starter BUNDLE` registers the committed starter, if nobody else's champion is there.
"""

import argparse
import errno
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from inference.bundle import Bundle, InvalidBundle, open_bundle
from inference.mlflow_model import BUNDLE_PATH, shell
from inference.settings import RegistrySettings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

EXPERIMENT = "lunar"
MODEL_PATH = "model"
STARTER = "starter"
MAX_BUNDLE_BYTES = 2_000_000_000
_DISK_FULL = os.strerror(errno.ENOSPC)


class NoSuchModel(LookupError):
    """The registry answers, but it has no such model or alias."""


class RegistryUnavailable(RuntimeError):
    """The registry does not answer, or not as a registry does."""


@dataclass(frozen=True, slots=True)
class Version:
    """One registered version. `digest` is the bundle's; `source` says who published it (starter, training, ...);
    `run` is the MLflow run it came from.
    """

    name: str
    version: str
    alias: str | None
    digest: str
    source: str
    run: str | None = None


class Registry:
    """The registered model `settings.model_name`, in a local sqlite file or on an MLflow server."""

    def __init__(self, settings: RegistrySettings) -> None:
        self.name = settings.model_name
        self.home = settings.home.resolve()
        self.tracking_uri = settings.tracking_uri or f"sqlite:///{self.home / 'mlflow.db'}"

    def resolve(self, alias: str) -> Version:
        """The version behind an alias. Raises NoSuchModel, RegistryUnavailable."""
        with self._client() as client:
            return self._describe(client.get_model_version_by_alias(self.name, alias), alias=alias)

    def download(self, version: Version, into: Path) -> Path:
        """Download the files of a version's bundle into a folder, unverified; where they lie then.

        Raises InvalidBundle for one of an absurd size or without files, RegistryUnavailable, and OSError if the disk is
        full.
        """
        try:
            return self._download(version, into)
        except NoSuchModel as error:
            raise InvalidBundle(f"{version.name} {version.version} has no bundle at {BUNDLE_PATH}.") from error

    def _download(self, version: Version, into: Path) -> Path:
        with self._client() as client:
            from mlflow.artifacts import download_artifacts

            source = client.get_model_version_download_uri(version.name, version.version)
            source = f"{_behind_run(source, tracking_uri=self.tracking_uri)}/{BUNDLE_PATH}"
            size = sum(_sizes(source, tracking_uri=self.tracking_uri))
            if size > MAX_BUNDLE_BYTES:
                raise InvalidBundle(f"The bundle has {size:,} bytes; allowed: {MAX_BUNDLE_BYTES:,}.")
            if size > shutil.disk_usage(into).free:
                raise OSError(errno.ENOSPC, f"{_DISK_FULL}; {size:,} bytes are needed")
            return Path(download_artifacts(artifact_uri=source, dst_path=str(into), tracking_uri=self.tracking_uri))

    def publish(self, bundle: Bundle, *, alias: str, source: str, run_id: str | None = None) -> Version:
        """Upload a bundle as a new version, which is an MLflow model too, and point `alias` at it.

        The version belongs to the run `run_id`, or to a new one made for it. Raises RegistryUnavailable.
        """
        tags = {"digest": bundle.manifest.digest, "source": source, "backbone": bundle.manifest.backbone}
        quiet_mlflow()
        with shell() as model, self._client() as client:
            run = run_id or client.create_run(self.experiment(), run_name=f"publish-{source}").info.run_id
            client.log_artifacts(run, str(bundle.path), f"{MODEL_PATH}/{BUNDLE_PATH}")
            client.log_artifacts(run, str(model), MODEL_PATH)
            if run_id is None:
                client.set_terminated(run)
            if not client.search_registered_models(f"name = '{self.name}'"):
                client.create_registered_model(self.name)
            created = client.create_model_version(self.name, f"runs:/{run}/{MODEL_PATH}", run, tags=tags)
            client.set_registered_model_alias(self.name, alias, created.version)
        return Version(self.name, str(created.version), alias, bundle.manifest.digest, source, run)

    def experiment(self) -> str:
        """The id of the project's experiment, created if need be. Raises RegistryUnavailable."""
        with self._client() as client:
            found = client.get_experiment_by_name(EXPERIMENT)
            if found:
                return str(found.experiment_id)
            # Without a location MLflow 3.17 on sqlite writes artifacts to ./mlruns, wherever that is.
            location = str(self.home / "artifacts") if self.tracking_uri.startswith("sqlite:") else None
            return client.create_experiment(EXPERIMENT, artifact_location=location)

    def version(self, version: str) -> Version:
        """A version by its number. Raises NoSuchModel, RegistryUnavailable."""
        with self._client() as client:
            return self._describe(client.get_model_version(self.name, version), alias=None)

    def move_alias(self, alias: str, version: str) -> None:
        """Point an alias at a version; `previous` remembers the one before. Raises NoSuchModel, RegistryUnavailable."""
        with self._client() as client:
            before = client.get_registered_model(self.name).aliases.get(alias)
            client.set_registered_model_alias(self.name, alias, version)
            if before is not None and str(before) != version:
                client.set_registered_model_tag(self.name, f"previous.{alias}", str(before))

    def previous(self, alias: str) -> str | None:
        """The version that the alias pointed at before it was moved. Raises NoSuchModel, RegistryUnavailable."""
        with self._client() as client:
            found = client.get_registered_model(self.name).tags.get(f"previous.{alias}")
            return None if found is None else str(found)

    def _describe(self, found: "ModelVersion", *, alias: str | None) -> Version:
        tags = found.tags
        return Version(
            self.name, str(found.version), alias, tags.get("digest", ""), tags.get("source", ""), found.run_id
        )

    @contextmanager
    def _client(self) -> Iterator["MlflowClient"]:
        quiet_mlflow()
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        self.home.mkdir(parents=True, exist_ok=True)
        try:
            yield MlflowClient(tracking_uri=self.tracking_uri, registry_uri=self.tracking_uri)
        except MlflowException as error:
            if _says_disk_full(error):
                raise OSError(errno.ENOSPC, _DISK_FULL) from error
            # MLflow 3.17 reports an unknown alias as an invalid parameter.
            if error.error_code == "RESOURCE_DOES_NOT_EXIST" or (
                "alias" in error.message and "not found" in error.message
            ):
                raise NoSuchModel(error.message) from error
            raise RegistryUnavailable(f"MLflow at {_without_secrets(self.tracking_uri)} failed.") from error
        except (InvalidBundle, NoSuchModel, RegistryUnavailable):
            raise
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            raise RegistryUnavailable(f"MLflow at {_without_secrets(self.tracking_uri)} failed.") from error
        except Exception as error:
            # An answer that is no JSON, or another JSON than MLflow's, fails anywhere in its client.
            raise RegistryUnavailable(
                f"What answers at {_without_secrets(self.tracking_uri)} does not answer as MLflow does."
            ) from error


def _says_disk_full(error: BaseException | None) -> bool:
    """MLflow 3.17 wraps the failures of a download, as errors or as their text."""
    while error:
        if _DISK_FULL in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _behind_run(source: str, *, tracking_uri: str) -> str:
    """Where the files of a run lie: asked for runs:/..., MLflow 3.17 reports any failure as a wrong path."""
    from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository

    if not source.startswith("runs:/"):
        return source
    return str(RunsArtifactRepository.get_underlying_uri(source, tracking_uri))


def _sizes(source: str, *, tracking_uri: str) -> Iterator[int]:
    """The size in bytes of every file below an artifact's address."""
    from mlflow.artifacts import list_artifacts

    waiting = [source]
    while waiting:
        folder = waiting.pop()
        for each in list_artifacts(artifact_uri=folder, tracking_uri=tracking_uri):
            if each.is_dir:
                waiting.append(f"{folder}/{PurePosixPath(each.path).name}")
            else:
                yield each.file_size or 0


def quiet_mlflow() -> None:
    """No telemetry, no chatter, no minutes of retries, unless the environment says otherwise.

    To be called before MLflow is imported: it reads some of this then.
    """
    for name, value in _MLFLOW_ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def _without_secrets(uri: str) -> str:
    return re.sub(r"//[^/@]*@", "//", uri)


_MLFLOW_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # the default of 7 with back-off takes minutes to say no
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",  # seconds without a byte
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",  # nothing that is loaded may run code
}


def register_starter(registry: Registry, bundle: Bundle, *, alias: str) -> Version:
    """Serve the committed starter unless someone else's model is already served.

    Publishes when the alias points nowhere, or at another starter; never replaces what somebody promoted.
    """
    try:
        current = registry.resolve(alias)
    except NoSuchModel:
        return registry.publish(bundle, alias=alias, source=STARTER)
    if current.source == STARTER and current.digest != bundle.manifest.digest:
        return registry.publish(bundle, alias=alias, source=STARTER)
    return current


def main(arguments: list[str] | None = None) -> int:
    """The command line; prints what the alias points at afterwards."""
    settings = RegistrySettings()
    parser = argparse.ArgumentParser(prog="python -m inference.registry", description=__doc__)
    parser.add_argument("action", choices=("publish", "starter"))
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--alias", help="default: candidate for publish, LUNAR_MODEL_ALIAS for starter")
    given = parser.parse_args(arguments)
    registry = Registry(settings)
    try:
        bundle = open_bundle(given.bundle)
        if given.action == "starter":
            version = register_starter(registry, bundle, alias=given.alias or settings.model_alias)
        else:
            version = registry.publish(bundle, alias=given.alias or "candidate", source="manual")
    except (InvalidBundle, OSError, RegistryUnavailable) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{version.name}@{version.alias} is version {version.version} ({version.source}, {version.digest[:12]})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
