"""Client of the MLflow registry: publish bundles, resolve and move aliases, download bundles."""

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from inference.bundle.storage import Bundle, InvalidBundle
from inference.domain.model_version import ModelVersion
from inference.mlflow_model.packaging import BUNDLE_PATH, model_files
from inference.registry import time_limit
from inference.registry.artifacts import artifact_location, behind_run, database_address, follow_home, list_files
from inference.registry.creation import create_experiment, create_registered_model, create_run, create_version
from inference.registry.errors import MissingBundle, NoSuchModel, Refused
from inference.registry.local_alias import read_alias
from inference.registry.mlflow_client import DISK_FULL, mlflow_client, without_secrets
from inference.registry.time_limit import T, TimeLimit
from inference.settings import RegistrySettings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion as MlflowVersion

EXPERIMENT = "lunar"
MODEL_PATH = "model"
MAX_BUNDLE_BYTES = 2_000_000_000


class Registry:
    """The registered model `settings.model_name`, on an MLflow server or in a local sqlite file."""

    def __init__(self, settings: RegistrySettings) -> None:
        self.name = settings.model_name
        self.home = settings.home.resolve()
        self._local = settings.tracking_uri is None
        self.tracking_uri = settings.tracking_uri or database_address(self.home)
        self._limit = TimeLimit()

    def resolve(self, alias: str) -> ModelVersion:
        """The version behind an alias. Raises NoSuchModel, RegistryUnavailable."""
        if self._local and (found := read_alias(self.home, self.name, alias)):
            return found
        return self._limited(lambda: self._resolve(alias), seconds=time_limit.CALL_S)

    def _resolve(self, alias: str) -> ModelVersion:
        with self._client() as client:
            return self._describe(client.get_model_version_by_alias(self.name, alias), alias=alias)

    def download(self, version: ModelVersion, into: Path) -> Path:
        """Download a version's bundle into a folder, without verification, and return the bundle's folder.

        Raises MissingBundle if the version's files are gone, InvalidBundle for more than MAX_BUNDLE_BYTES,
        RegistryUnavailable, and OSError if the disk is full.
        """
        try:
            return self._download(version, into)
        except NoSuchModel as error:  # the run was deleted, for instance by `mlflow gc`
            raise MissingBundle(f"The files of {version.name} {version.version} are missing: {error}") from error

    def _download(self, version: ModelVersion, into: Path) -> Path:
        source, sizes = self._limited(lambda: self._find(version), seconds=time_limit.CALL_S)
        size = sum(sizes.values())
        if size > MAX_BUNDLE_BYTES:
            raise InvalidBundle(f"The bundle has {size:,} bytes; allowed: {MAX_BUNDLE_BYTES:,}.")
        if size > shutil.disk_usage(into).free:
            raise OSError(errno.ENOSPC, f"{DISK_FULL}; {size:,} bytes are needed")
        seconds = time_limit.CALL_S + size / time_limit.LEAST_RATE
        return self._limited(lambda: self._fetch(source, into), seconds=seconds)

    def _fetch(self, source: str, into: Path) -> Path:
        with self._client():
            from mlflow.artifacts import download_artifacts

            return Path(download_artifacts(artifact_uri=source, dst_path=str(into), tracking_uri=self.tracking_uri))

    def _limited(self, work: Callable[[], T], *, seconds: float) -> T:
        """A file is there or not; what comes over the network may come for ever."""
        return work() if self._local else self._limit.call(work, seconds=seconds)

    def files(self, version: ModelVersion) -> set[PurePosixPath]:
        """The files of a version's bundle, below its folder; none if they or their run were deleted.

        Raises InvalidBundle for a listing without an end, RegistryUnavailable.
        """
        try:
            return set(self._find(version)[1])
        except (MissingBundle, NoSuchModel):
            return set()

    def _find(self, version: ModelVersion) -> tuple[str, dict[PurePosixPath, int]]:
        """The address of a version's bundle, and its files with their sizes. Raises MissingBundle if there are none."""
        with self._client() as client:
            source = client.get_model_version_download_uri(version.name, version.version)
            source = f"{behind_run(source, tracking_uri=self.tracking_uri)}/{BUNDLE_PATH}"
            sizes = dict(list_files(source, tracking_uri=self.tracking_uri))
        if not sizes:
            place = without_secrets(source)
            raise MissingBundle(f"The files of {version.name} {version.version} are missing: nothing is at {place}.")
        return source, sizes

    def publish(self, bundle: Bundle, *, alias: str, source: str, run_id: str | None = None) -> ModelVersion:
        """Upload a bundle as an MLflow model, register it as a new version, and point `alias` at it.

        The version belongs to the run `run_id`, or to a new run. Raises RegistryUnavailable.
        """
        tags = {"digest": bundle.manifest.digest, "source": source, "backbone": bundle.manifest.backbone}
        with model_files() as model, self._client() as client:
            _check_names(self.name, alias)  # MLflow itself would refuse them after the upload
            run = run_id or create_run(client, self.experiment(), name=f"publish-{source}")
            _upload(client, run, bundle.path)
            client.log_artifacts(run, str(model), MODEL_PATH)
            if run_id is None:
                client.set_terminated(run)
            if not client.search_registered_models(f"name = '{self.name}'"):
                create_registered_model(client, self.name)
            version = create_version(client, self.name, f"runs:/{run}/{MODEL_PATH}", run=run, tags=tags)
            self._point(client, alias, version)
        return ModelVersion(self.name, version, alias, bundle.manifest.digest, source, run)

    def experiment(self) -> str:
        """The id of the project's experiment, which is created if it is missing. Raises RegistryUnavailable."""
        with self._client() as client:
            existing = client.get_experiment_by_name(EXPERIMENT)
            if existing:
                return str(existing.experiment_id)
            # Without a location, MLflow 3.17 on sqlite writes artifacts to ./mlruns in the working folder.
            location = artifact_location(self.home) if self.tracking_uri.startswith("sqlite") else None
            return create_experiment(client, EXPERIMENT, location=location)

    def version(self, version: str) -> ModelVersion:
        """A version by its number. Raises NoSuchModel, RegistryUnavailable."""
        with self._client() as client:
            return self._describe(client.get_model_version(self.name, version), alias=None)

    def versions(self) -> list[tuple[ModelVersion, tuple[str, ...]]]:
        """Every version with its aliases, the newest first. Raises NoSuchModel, RegistryUnavailable."""
        with self._client() as client:
            aliases = client.get_registered_model(self.name).aliases
            found = client.search_model_versions(f"name = '{self.name}'")
            newest_first = sorted(found, key=lambda each: -int(each.version))
            return [
                (
                    self._describe(each, alias=None),
                    tuple(sorted(alias for alias, version in aliases.items() if str(version) == str(each.version))),
                )
                for each in newest_first
            ]

    def move_alias(self, alias: str, version: str) -> None:
        """Point an alias at a version; keep the earlier one for `previous`. Raises NoSuchModel, RegistryUnavailable."""
        with self._client() as client:
            self._point(client, alias, version)

    def previous(self, alias: str) -> str | None:
        """The version behind the alias before its last move, if any. Raises NoSuchModel, RegistryUnavailable."""
        with self._client() as client:
            model = client.get_registered_model(self.name)
            current = model.aliases.get(alias)
            # Without the number: a registry of the first edition, which knew one previous version only.
            earlier = model.tags.get(f"previous.{alias}.{current}") or model.tags.get(f"previous.{alias}")
            return None if earlier is None or str(earlier) == str(current) else str(earlier)

    def roll_back(self, alias: str) -> str:
        """Move an alias back to its previous version; returns it. Raises Refused, NoSuchModel, RegistryUnavailable."""
        previous = self.previous(alias)
        if previous is None:
            raise Refused(f"{self.name}@{alias} has no previous version to roll back to.")
        self.move_alias(alias, previous)
        return previous

    def _point(self, client: "MlflowClient", alias: str, version: str) -> None:
        before = client.get_registered_model(self.name).aliases.get(alias)
        # The tag first, and one for each version: if the registry fails between the two, what went before stays known.
        if before is not None and str(before) != version:
            client.set_registered_model_tag(self.name, f"previous.{alias}.{version}", str(before))
        client.set_registered_model_alias(self.name, alias, version)

    def _describe(self, registered: "MlflowVersion", *, alias: str | None) -> ModelVersion:
        return ModelVersion(
            name=self.name,
            version=str(registered.version),
            alias=alias,
            digest=registered.tags.get("digest", ""),
            source=registered.tags.get("source", ""),
            run=registered.run_id,
        )

    @contextmanager
    def _client(self) -> Iterator["MlflowClient"]:
        """A client whose errors are those of inference.registry.errors, or OSError if the disk is full."""
        self.home.mkdir(parents=True, exist_ok=True)
        with mlflow_client(self.tracking_uri) as client:
            if self._local:
                follow_home(self.home, EXPERIMENT)
            yield client


def _upload(client: "MlflowClient", run: str, folder: Path) -> None:
    """Upload a bundle file by file, as MLflow 3.17 does itself, and show how far it is."""
    from inference.progress import long_step

    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with long_step("publishing", total=len(files), unit="files") as step:
        for path in files:
            below = path.relative_to(folder).parent.as_posix()
            client.log_artifact(run, str(path), str(PurePosixPath(MODEL_PATH, BUNDLE_PATH, below)))
            step.advance(note=path.name)


def _check_names(model: str, alias: str) -> None:
    """Raises MLflow's own error for a name that MLflow 3.17 does not allow."""
    from mlflow.utils import validation

    validation._validate_model_name(model)
    validation._validate_model_alias_name(alias)  # type: ignore[no-untyped-call]
    validation._validate_model_alias_name_reserved(alias)  # type: ignore[no-untyped-call]
