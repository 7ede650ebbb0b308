"""Which version is served: publish, promote, roll back; a candidate that is worse is refused."""

from __future__ import annotations

from pathlib import Path

from inference.bundle import open_bundle
from inference.registry import STARTER, NoSuchModel, Registry, Version
from training.compare import NoPredictions, NotComparable, fetch_contender, worse_than
from training.predictions import Predictions

CANDIDATE = "candidate"


class Refused(RuntimeError):
    """The candidate may not become champion; the message says why."""


def publish(registry: Registry, folder: Path) -> Version:
    """Publish a bundle's folder as candidate. Raises InvalidBundle, RegistryUnavailable."""
    return registry.publish(open_bundle(folder), alias=CANDIDATE, source="manual")


def promote(registry: Registry, *, champion: str, version: str | None, force: bool, seed: int = 0) -> str:
    """Point the alias `champion` at a version (default: the candidate's) and return it.

    Raises Refused for a version that is worse than the champion on the same test lesions beyond its interval, or that
    cannot be compared with it, unless forced. The starter is no measure: it comes without its predictions and gives
    way to anything that somebody promotes.
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


def roll_back(registry: Registry, *, champion: str) -> str:
    """Point the alias back at what it pointed at before, and return that version. Raises Refused, NoSuchModel."""
    previous = registry.previous(champion)
    if previous is None:
        raise Refused(f"{registry.name}@{champion} has no earlier version to go back to.")
    registry.move_alias(champion, previous)
    return previous


def _compare(candidate: Version, champion: Version, *, registry: Registry, seed: int) -> None:
    try:
        own, other = (_predictions(version, registry) for version in (candidate, champion))
        reason = worse_than(own, other, seed=seed)
    except (NotComparable, NoPredictions) as error:
        reason = f"Version {candidate.version} cannot be compared with the champion: {error}"
    if reason:
        raise Refused(f"{reason} Use --force to promote it all the same.")


def _predictions(version: Version, registry: Registry) -> Predictions:
    if version.run is None:
        raise NoPredictions(f"version {version.version} belongs to no run.")
    return fetch_contender(version.run, tracking_uri=registry.tracking_uri).predictions
