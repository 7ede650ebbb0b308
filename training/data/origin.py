"""What a bundle was made from: its configuration, and the division of the images that the configuration gives."""

from __future__ import annotations

from pathlib import Path

from inference.bundle.storage import Bundle
from training.config import Config, InvalidConfig
from training.data.data_split import DataSplit
from training.data.ham10000 import InvalidDataset
from training.data.splits import read_split

CONFIG = "config.json"  # in the bundle


def read_origin(bundle: Bundle, data: Path) -> tuple[Config, DataSplit]:
    """The configuration that made the bundle, and its split of the images.

    Raises InvalidConfig if the bundle holds no configuration, InvalidDataset if `data` gives another split.
    """
    path = bundle.path / CONFIG
    if not path.is_file():
        raise InvalidConfig(f"{bundle.path} holds no {CONFIG}: it was not made by a training run.")
    config = Config.model_validate_json(path.read_text(encoding="utf-8"))
    split = read_split(config, data)
    if bundle.manifest.data is None or not bundle.manifest.data.is_of_split(split.digest()):
        raise InvalidDataset(f"The images under {data} are not those that {bundle.manifest.name} was trained on.")
    return config, split
