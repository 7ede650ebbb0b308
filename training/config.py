"""The configuration of a run: frozen values read from TOML; an unknown or missing key is an error."""

import tomllib
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from inference.image import Preprocessing
from training.backbones import BACKBONES

Share = Field(ge=0, le=1)


class InvalidConfig(ValueError):
    """The file is not a configuration; the message names each key and what is wrong with it."""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataConfig(Section):
    """Which images, relative to LUNAR_DATA, whose they are, and how they are divided."""

    name: str
    citation: str
    licence: str
    metadata: str
    images: tuple[str, ...] = Field(min_length=1)
    per_class: int | None = Field(None, ge=20, description="only so many images of each class: for a smoke run")
    split: Literal["lesion", "image"]
    fractions: tuple[float, float, float]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if abs(sum(self.fractions) - 1) > 1e-9 or min(self.fractions) <= 0:
            raise ValueError(f"the fractions {self.fractions} must be positive and sum to 1")
        return self


class ModelConfig(Section):
    """The network; `preprocessing` is what the bundle will demand of the images it is given."""

    backbone: str
    weights: Literal["imagenet", "random"]
    dropout: float = Field(ge=0, lt=1)
    preprocessing: Preprocessing

    @field_validator("backbone")
    @classmethod
    def _known(cls, backbone: str) -> str:
        if backbone not in BACKBONES:
            raise ValueError(f"unknown backbone {backbone!r}; there are: {', '.join(BACKBONES)}")
        return backbone


class AugmentConfig(Section):
    """What is done to training images. Rotation is a share of a turn, the rest shares of size or range."""

    horizontal_flip: bool
    vertical_flip: bool
    rotation: float = Field(ge=0, le=0.5)
    zoom: float = Field(ge=0, lt=1)
    translation: float = Field(ge=0, lt=1)
    contrast: float = Share
    brightness: float = Share
    blur_probability: float = Share
    erase_probability: float = Share
    erase_sides: tuple[float, float]
    mixup_probability: float = Share
    mixup_alpha: float | None = Field(gt=0, description="Beta(alpha, alpha); none: uniform, as in the reference")
    cutmix_probability: float = Share
    cutmix_sides: tuple[float, float]

    @field_validator("mixup_alpha", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        return None if value == "none" else value  # TOML has no null

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.mixup_probability + self.cutmix_probability > 1:
            raise ValueError("mixup_probability and cutmix_probability exclude each other: their sum must not exceed 1")
        for low, high in (self.erase_sides, self.cutmix_sides):
            if not 0 < low <= high <= 1:
                raise ValueError(f"the sides {low}, {high} must be shares of the image, the smaller first")
        return self


class LossConfig(Section):
    """Cross-entropy or focal loss on soft labels; class weights stand inside the loss."""

    kind: Literal["cross_entropy", "focal"]
    label_smoothing: float = Field(ge=0, lt=1)
    class_weights: Literal["none", "balanced"]
    focal_gamma: float = Field(ge=0)
    focal_alpha: float = Field(gt=0, le=1)


class OptimiserConfig(Section):
    """AdamW; no weight decay on biases and BatchNorm."""

    batch: int = Field(ge=1)
    weight_decay: float = Field(ge=0)
    clip: float = Field(gt=0)
    clip_by: Literal["variable", "global"]
    schedule: Literal["plateau", "cosine"]
    plateau_patience: int = Field(ge=1)
    plateau_factor: float = Field(gt=0, lt=1)
    precision: Literal["float32", "mixed_float16"]
    distribute: Literal["none", "mirrored"]


class StageConfig(Section):
    """One stage: how many of the backbone's last layers train (none in warm-up), how long, how fast."""

    layers: int = Field(ge=0)
    epochs: int = Field(ge=0)
    learning_rate: float = Field(gt=0)
    patience: int = Field(ge=1, description="epochs without a better validation loss before it stops")


class Config(Section):
    """One run."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    seed: int
    graphs: tuple[Literal["openvino-fp32", "keras"], ...]
    data: DataConfig
    model: ModelConfig
    augment: AugmentConfig
    loss: LossConfig
    optimiser: OptimiserConfig
    warm_up: StageConfig
    fine_tune: StageConfig


def load(path: Path) -> Config:
    """Read a TOML file. Raises InvalidConfig, OSError."""
    try:
        return Config.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfig(f"{path}: {error}") from error
    except ValidationError as error:
        reasons = [f"{'.'.join(map(str, e['loc'])) or 'config'}: {e['msg']}" for e in error.errors()]
        raise InvalidConfig(f"{path}: " + "; ".join(reasons)) from error
