"""The folder of a run under LUNAR_HOME, and the result that an earlier call left."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from inference.bundle.storage import Bundle, InvalidBundle, open_bundle
from inference.domain.model_version import ModelVersion
from training.backbones.weight_files import digest_of_weights
from training.config import Config
from training.data.data_split import DataSplit
from training.fitting.checkpoints import Checkpoints
from training.fitting.cleaning import FINISHED


@dataclass(frozen=True, slots=True)
class Result:
    """The bundle that a run wrote, and its version in the registry. `repeated`: an earlier call has made both."""

    bundle: Bundle
    version: ModelVersion
    repeated: bool = False


def folder_of(config: Config, split: DataSplit, home: Path) -> Path:
    """The folder of a run's checkpoints. Its name holds a digest of everything that decides what is computed."""
    text = config.model_dump_json() + split.digest() + digest_of_weights(config.model.weights)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return home / "runs" / f"{config.name}-{digest[:12]}"


def note_finished(checkpoints: Checkpoints, result: Result) -> None:
    """Remember that the run was published."""
    checkpoints.note(FINISHED, json.dumps(asdict(result.version)))


def finished_before(checkpoints: Checkpoints, folder: Path) -> Result | None:
    """The result of an earlier call, if `folder` still holds its bundle."""
    note = checkpoints.note(FINISHED)
    if note is None:
        return None
    version = ModelVersion(**json.loads(note))
    try:
        bundle = open_bundle(folder)
    except (InvalidBundle, OSError):
        return None
    return Result(bundle, version, repeated=True) if bundle.manifest.digest == version.digest else None
