"""Reads an alias from the local registry's database, without importing MLflow, which takes longer than a prediction."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from inference.domain.model_version import ModelVersion
from inference.registry.artifacts import DATABASE

SCHEMA = "dc11669786a5"  # of MLflow 3.17's database; with another one MLflow itself is asked
WORKSPACES = ("MLFLOW_WORKSPACE", "MLFLOW_ENABLE_WORKSPACES")  # with them MLflow looks at other rows
LATEST = "latest"  # MLflow's own alias, in any case, of the newest version
_VERSION = """
    SELECT version, run_id FROM registered_model_aliases JOIN model_versions USING (workspace, name, version)
    WHERE workspace = 'default' AND name = ? AND alias = ? AND status = 'READY' AND current_stage = 'None'
"""
_TAGS = "SELECT key, value FROM model_version_tags WHERE workspace = 'default' AND name = ? AND version = ?"


def read_alias(home: Path, name: str, alias: str) -> ModelVersion | None:
    """The version behind an alias; None wherever MLflow should be asked: for its errors, and for what is unusual."""
    if alias.lower() == LATEST or any(map(os.environ.get, WORKSPACES)):
        return None
    try:
        with closing(sqlite3.connect(f"{(home / DATABASE).as_uri()}?mode=ro", uri=True, timeout=1)) as database:
            if database.execute("SELECT version_num FROM alembic_version").fetchall() != [(SCHEMA,)]:
                return None
            found = database.execute(_VERSION, (name, alias)).fetchone()
            if found is None:
                return None
            tags = dict(database.execute(_TAGS, (name, found[0])))
    except (sqlite3.Error, OSError):
        return None
    return ModelVersion(name, str(found[0]), alias, tags.get("digest", ""), tags.get("source", ""), found[1])
