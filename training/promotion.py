"""Which version is served: publish, promote, roll back; a candidate that is worse is refused."""

from __future__ import annotations

from pathlib import Path

from inference.bundle import Bundle, open_bundle
from inference.registry import NoSuchModel, Registry, Version
from training.compare import NotComparable, worse_than
from training.export import PREDICTIONS
from training.predictions import Predictions, read_predictions

CANDIDATE = "candidate"


class Refused(RuntimeError):
    """The candidate may not become champion; the message says why."""


def publish(registry: Registry, folder: Path) -> Version:
    """Publish a bundle's folder as candidate. Raises InvalidBundle, RegistryUnavailable."""
    return registry.publish(open_bundle(folder), alias=CANDIDATE, source="manual")


def promote(registry: Registry, *, champion: str, version: str | None, force: bool, seed: int = 0) -> str:
    """Point the alias `champion` at a version (default: the candidate's) and return it.

    Raises Refused for a version that is worse than the champion on the same test lesions beyond its interval, or that
    cannot be compared with it, unless forced.
    """
    chosen = registry.version(version) if version else registry.resolve(CANDIDATE)
    try:
        current = registry.resolve(champion)
    except NoSuchModel:
        current = None
    if current and not force and current.version != chosen.version:
        _compare(registry.fetch(chosen), registry.fetch(current), seed=seed)
    registry.move_alias(champion, chosen.version)
    return chosen.version


def roll_back(registry: Registry, *, champion: str) -> str:
    """Point the alias back at what it pointed at before, and return that version. Raises Refused, NoSuchModel."""
    previous = registry.previous(champion)
    if previous is None:
        raise Refused(f"{registry.name}@{champion} has no earlier version to go back to.")
    registry.move_alias(champion, previous)
    return previous


def _compare(candidate: Bundle, champion: Bundle, *, seed: int) -> None:
    try:
        reason = worse_than(_predictions(candidate), _predictions(champion), seed=seed)
    except NotComparable as error:
        reason = f"It cannot be compared with the champion: {error}"
    if reason:
        raise Refused(f"{reason} Use --force to promote it all the same.")


def _predictions(bundle: Bundle) -> Predictions:
    path = bundle.path / PREDICTIONS
    if not path.is_file():
        raise NotComparable(f"the bundle {bundle.manifest.name} holds no {PREDICTIONS}.")
    return read_predictions(path)
