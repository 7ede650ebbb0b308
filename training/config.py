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
    fractions: tuple[float, float, float] | None = Field(None, description="of training, validation and test part")
    folds: int | None = Field(
        None, ge=3, le=10, description="in place of fractions: one network a fold, all are served"
    )

    @model_validator(mode="after")
    def _divided(self) -> Self:
        if (self.fractions is None) == (self.folds is None):
            raise ValueError("either fractions or folds say how the images are divided")
        if self.fractions and (abs(sum(self.fractions) - 1) > 1e-9 or min(self.fractions) <= 0):
            raise ValueError(f"the fractions {self.fractions} must be positive and sum to 1")
        if self.folds and self.split != "lesion":
            raise ValueError("folds are made by lesion")
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
    """Cross-entropy or focal loss on soft labels; class weights stand inside the loss.

    `logit_adjustment` tau adds tau log(prior) to the logits while training (Menon et al., Long-Tail Learning via Logit
    Adjustment, ICLR 2021): with 1 the network answers as if all classes were equally frequent.
    """

    kind: Literal["cross_entropy", "focal"]
    label_smoothing: float = Field(ge=0, lt=1)
    class_weights: Literal["none", "balanced"]
    focal_gamma: float = Field(ge=0)
    focal_alpha: float = Field(gt=0, le=1)
    logit_adjustment: float = Field(0, ge=0)


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
    """One stage: how many of the backbone's last layers train (none in warm-up), how long, how fast.

    `batch_norm`: of how many of the last layers BatchNorm trains, too. `size` and `images`: a stage may see smaller
    images, or other files of them, than the model is made for.
    """

    layers: int = Field(ge=0)
    batch_norm: int = Field(0, ge=0)
    size: int | None = Field(None, ge=32, le=2048)
    images: tuple[str, ...] | None = None
    epochs: int = Field(ge=0)
    learning_rate: float = Field(gt=0)
    patience: int = Field(ge=1, description="epochs without a better validation loss before it stops")


class PretrainConfig(StageConfig):
    """A stage before all others, on a data set of its own: a table of labels beside a folder of images."""

    name: str
    citation: str
    licence: str
    labels: str
    images: tuple[str]
    size: int = Field(ge=32, le=2048)


class Config(Section):
    """One run. `pretrain` comes before warm-up and is shared by all folds; `finish` comes after fine-tuning.

    `stored_as` is how the OpenVINO graph keeps its weights; it computes in float32 in any case. `melanoma_weight` is
    how much more a melanoma counts than others when a cross-validation balances the classes.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    seed: int
    graphs: tuple[Literal["openvino-fp32", "openvino-int8", "keras"], ...]
    data: DataConfig
    model: ModelConfig
    augment: AugmentConfig
    loss: LossConfig
    optimiser: OptimiserConfig
    warm_up: StageConfig
    fine_tune: StageConfig
    stored_as: Literal["float32", "float16"] = "float32"
    melanoma_weight: float = Field(1, gt=0)
    pretrain: PretrainConfig | None = None
    finish: StageConfig | None = None

    @model_validator(mode="after")
    def _held_out(self) -> Self:
        if self.data.folds is None and any(
            each and each.images for each in (self.warm_up, self.fine_tune, self.finish)
        ):
            raise ValueError("only with folds may a stage have images of its own")
        return self


def load(path: Path) -> Config:
    """Read a TOML file. Raises InvalidConfig, OSError."""
    try:
        return Config.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfig(f"{path}: {error}") from error
    except ValidationError as error:
        reasons = [f"{'.'.join(map(str, e['loc'])) or 'config'}: {e['msg']}" for e in error.errors()]
        raise InvalidConfig(f"{path}: " + "; ".join(reasons)) from error
