"""What a bundle was made from: its configuration, and the division of the images that the configuration gives."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from pydantic import ValidationError

from inference.bundle.storage import CONFIG, Bundle
from training.config import Config, InvalidConfig
from training.data.data_split import DataSplit
from training.data.extra_images import read_ids
from training.data.ham10000 import InvalidDataset, read_rows
from training.data.splits import read_split


def read_origin(bundle: Bundle, data: Path) -> tuple[Config, DataSplit]:
    """The configuration that made the bundle, and its split of the images.

    Raises InvalidConfig if the bundle holds no configuration that this version can read, InvalidDataset if `data` gives
    another split or lacks images.
    """
    config = read_config(bundle)
    split, made_of = read_split(config, data), bundle.manifest.data
    if made_of is None or not made_of.is_of_split(split.digest()):
        raise InvalidDataset(f"The images under {data} are not those that {bundle.manifest.name} was trained on.")
    counts = {name: len(records) for name, records in split.splits().items()}
    if counts != made_of.images:
        raise InvalidDataset(
            f"{bundle.manifest.name} was made of {_listed(made_of.images)} images; {data} has {_listed(counts)}."
        )
    return config, split


def read_config(bundle: Bundle) -> Config:
    """The configuration that made the bundle. Raises InvalidConfig if it holds none that this version can read."""
    path = bundle.path / CONFIG
    if not path.is_file():
        raise InvalidConfig(f"{bundle.path} holds no {CONFIG}: it was not made by a training run.")
    try:
        return Config.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        keys = ", ".join(".".join(map(str, each["loc"])) for each in error.errors())
        raise InvalidConfig(
            f"{path} is of another version of Lunar, or damaged; wrong: {keys or 'all of it'}."
        ) from error


def trained_images(config: Config, split: DataSplit, data: Path) -> frozenset[str]:
    """The ids of all images that training may have seen, in any of its stages. Raises InvalidDataset."""
    names = split.by_kind(
        split=lambda split: {record.image_id for record in (*split.train, *split.validation)},
        folds=lambda folds: _of_lesions(data / config.data.metadata, folds.of_lesion),
    )
    if config.extra:
        names |= read_ids(data / config.extra.labels)
    if config.pretrain:
        left_out = read_ids(data / config.pretrain.without) if config.pretrain.without else frozenset()
        names |= read_ids(data / config.pretrain.labels) - left_out
    return frozenset(names)


def _of_lesions(metadata: Path, lesions: Collection[str]) -> set[str]:
    """All images of these lesions: a stage may have files of some that the folds have not."""
    rows = read_rows(metadata, columns=("image_id", "lesion_id"))
    return {row["image_id"] for row in rows if row["lesion_id"] in lesions}


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} ({name})" for name, count in counts.items())
