"""Publishes bundles and decides which version is served. A candidate that is worse than the champion is refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from inference.bundle.storage import open_bundle
from inference.domain.model_version import ModelVersion
from inference.registry.__main__ import STARTER
from inference.registry.errors import NoSuchModel, Refused
from inference.registry.mlflow_registry import Registry
from inference.settings import CANDIDATE

if TYPE_CHECKING:
    from training.evaluation.predictions import Predictions


def publish(registry: Registry, folder: Path) -> ModelVersion:
    """Publish the bundle in a folder as candidate. Raises InvalidBundle, RegistryUnavailable."""
    return registry.publish(open_bundle(folder), alias=CANDIDATE, source="manual")


def promote(registry: Registry, *, champion: str, version: str | None, force: bool, seed: int = 0) -> str:
    """Move the alias `champion` to a version (default: that of the candidate); returns the version.

    Unless `force` is set, raises Refused for a version that is significantly worse than the champion on the same test
    lesions, or that cannot be compared with it. A champion that is the starter is replaced without a comparison,
    because its predictions are not stored. Raises NoSuchModel, RegistryUnavailable.
    """
    chosen = registry.version(version) if version else registry.resolve(CANDIDATE)
    try:
        current = registry.resolve(champion)
    except NoSuchModel:
        current = None
    if current and not force and current.version != chosen.version and current.source != STARTER:
        _compare(chosen, current, registry=registry, seed=seed)
    registry.move_alias(champion, chosen.version)
    return chosen.version


def _compare(candidate: ModelVersion, champion: ModelVersion, *, registry: Registry, seed: int) -> None:
    # Only a comparison needs the packages of training: publishing has to work without them.
    from training.evaluation.comparison import NotComparable, worse_than
    from training.evaluation.predictions import InvalidPredictions
    from training.tracking.stored_predictions import NoPredictions

    try:
        own, other = (_predictions(version, registry) for version in (candidate, champion))
        reason = worse_than(own, other, seed=seed)
    except (InvalidPredictions, NoPredictions, NotComparable) as error:
        reason = f"Version {candidate.version} cannot be compared with the champion: {error}"
    if reason:
        raise Refused(f"{reason} Use --force to promote it anyway.")


def _predictions(version: ModelVersion, registry: Registry) -> Predictions:
    from training.tracking.stored_predictions import NoPredictions, fetch_contender

    if version.run is None:
        raise NoPredictions(f"version {version.version} was not published by a run, so its predictions are not stored.")
    contender = fetch_contender(version.run, tracking_uri=registry.tracking_uri)
    if contender.leaky:
        raise NoPredictions(
            f'version {version.version} was tested on lesions that it was trained on (data.split = "image").'
        )
    return contender.predictions
