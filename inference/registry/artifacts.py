"""Where MLflow keeps the files of a version: listing them, and the place of those of a local registry."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from inference.bundle.storage import InvalidBundle
from inference.registry.errors import RegistryRefused

DATABASE, ARTIFACTS = "mlflow.db", "artifacts"
MAX_ENTRIES = 1000  # files and folders of a bundle; without a limit a server could list for ever
_PLAIN = "/ "  # what addresses need no escape for, beside letters, digits and -._~

# Every column of MLflow 3.17 that holds an absolute address of an artifact.
_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def database_address(home: Path) -> str:
    """The address of the local registry. SQLAlchemy 2.1 takes % for an escape and ? for the begin of options."""
    path = str(home / DATABASE)
    escaped = path.replace("%", "%25").replace("?", "%3F")
    # With the driver's name MLflow 3.17 does not make the parent folder of the address, which has the escapes in it.
    return f"sqlite:///{path}" if escaped == path else f"sqlite+pysqlite:///{escaped}"


def artifact_location(home: Path) -> str:
    """The address of a local registry's artifacts; a path, unless MLflow 3.17 would read it as another path."""
    folder = home / ARTIFACTS
    return str(folder) if quote(str(folder), safe=_PLAIN) == str(folder) else folder.as_uri()


def follow_home(home: Path, experiment: str) -> None:
    """Point the addresses of the local registry into this home, if the home was moved or copied here.

    MLflow stores absolute addresses; without this it would read from, and write to, the place where the home was. An
    experiment whose artifacts somebody keeps elsewhere on purpose is left alone. Raises RegistryRefused.
    """
    database, location = home / DATABASE, artifact_location(home)
    if not database.exists():
        return
    try:
        with closing(sqlite3.connect(database)) as connection, connection:
            before = _location_of(connection, experiment)
            if before is not None and before != location and _was_moved(before, home):
                _replace(connection, before, location)
    except sqlite3.Error as error:
        raise RegistryRefused(f"{database} still has the addresses of its former place: {error}.") from error


def _replace(connection: sqlite3.Connection, before: str, location: str) -> None:
    for table, column in _ADDRESSES:
        connection.execute(
            f"UPDATE {table} SET {column} = ? || substr({column}, ?)"  # noqa: S608 - names of this file  # nosec B608
            f" WHERE {column} = ? OR substr({column}, 1, ?) = ?",
            [location, len(before) + 1, before, len(before) + 1, f"{before}/"],
        )


def _location_of(connection: sqlite3.Connection, experiment: str) -> str | None:
    try:
        row = connection.execute("SELECT artifact_location FROM experiments WHERE name = ?", [experiment]).fetchone()
    except sqlite3.OperationalError:
        return None  # its tables are being made
    return row[0] if row else None


def _was_moved(location: str, home: Path) -> bool:
    if "://" in location and not location.startswith("file://"):
        return False
    path = url2pathname(urlsplit(location).path) if location.startswith("file:") else location
    return (home / ARTIFACTS).is_dir() or not Path(path).is_dir()


def list_files(source: str, *, tracking_uri: str) -> Iterator[tuple[PurePosixPath, int]]:
    """The path below the address of an artifact, and the size in bytes, of every file there.

    Raises InvalidBundle after MAX_ENTRIES files and folders.
    """
    from mlflow.artifacts import list_artifacts

    folders, seen = [PurePosixPath()], 0
    while folders:
        folder = folders.pop()
        address = source if folder == PurePosixPath() else f"{source}/{folder}"
        for artifact in list_artifacts(artifact_uri=address, tracking_uri=tracking_uri):
            seen += 1
            if seen > MAX_ENTRIES:
                raise InvalidBundle(f"The bundle has more than {MAX_ENTRIES:,} files and folders.")
            path = folder / PurePosixPath(artifact.path).name
            if artifact.is_dir:
                folders.append(path)
            else:
                yield path, artifact.file_size or 0


def behind_run(source: str, *, tracking_uri: str) -> str:
    """The address behind runs:/..., for which MLflow 3.17 would report every failure as a wrong path."""
    from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository

    if not source.startswith("runs:/"):
        return source
    return str(RunsArtifactRepository.get_underlying_uri(source, tracking_uri))
