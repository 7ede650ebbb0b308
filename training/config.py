"""The configuration of a run: frozen values read from TOML; an unknown or missing key is an error."""

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from inference.image import Preprocessing
from training.backbones import BACKBONES


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
    split: Literal["lesion", "image"]
    fractions: tuple[float, float, float]

    @model_validator(mode="after")
    def _whole(self) -> "DataConfig":
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


class WarmUpConfig(Section):
    """The head's training on the frozen backbone's pooled features."""

    epochs: int = Field(ge=1)
    batch: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    label_smoothing: float = Field(ge=0, lt=1)
    class_weights: Literal["none", "balanced"]
    views: Literal[1, 2, 4, 8]


class Config(Section):
    """One run."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    seed: int
    graphs: tuple[Literal["openvino-fp32", "keras"], ...]
    data: DataConfig
    model: ModelConfig
    warm_up: WarmUpConfig


def load(path: Path) -> Config:
    """Read a TOML file. Raises InvalidConfig, OSError."""
    try:
        return Config.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfig(f"{path}: {error}") from error
    except ValidationError as error:
        reasons = [f"{'.'.join(map(str, e['loc'])) or 'config'}: {e['msg']}" for e in error.errors()]
        raise InvalidConfig(f"{path}: " + "; ".join(reasons)) from error
