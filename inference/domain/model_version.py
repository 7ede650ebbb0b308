"""A registered version of a model: a value without I/O."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One registered version.

    `alias` is the alias under which it was looked up, None if by number. `digest` is the bundle's, `source` names who
    published it (starter, training, manual), `run` is the id of the MLflow run that it came from.
    """

    name: str
    version: str
    alias: str | None
    digest: str
    source: str
    run: str | None = None
