"""The configuration of a run as frozen values. An unknown or missing key is an error."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from inference.domain.graph_names import OPENVINO_FP32, GraphName
from inference.imaging.preprocessing import Preprocessing
from inference.imaging.test_time_augmentation import ViewCount
from training.backbones import BACKBONES
from training.config_sections import (
    AugmentConfig,
    LastBatch,
    LossConfig,
    OptimiserConfig,
    PatientConfig,
    Sampling,
    Section,
    SpeedConfig,
    added,
)

__all__ = [
    "AugmentConfig",
    "Config",
    "DataConfig",
    "ExtraConfig",
    "InvalidConfig",
    "LastBatch",
    "LossConfig",
    "ModelConfig",
    "OptimiserConfig",
    "PatientConfig",
    "PretrainConfig",
    "Sampling",
    "Section",
    "SpeedConfig",
    "StageConfig",
]


class InvalidConfig(ValueError):
    """The file is not a valid configuration; the message names each wrong key and the cause."""


class DataConfig(Section):
    """The images: their source and licence, where they are (relative to LUNAR_DATA), and how they are divided."""

    name: str
    citation: str
    licence: str
    metadata: str
    images: tuple[str, ...] = Field(min_length=1)
    per_class: int | None = Field(None, ge=20, description="at most this many images of each class, for a smoke run")
    split: Literal["lesion", "image"]
    fractions: tuple[float, float, float] | None = Field(None, description="of training, validation and test set")
    folds: int | None = Field(
        None,
        ge=3,
        le=10,
        description="instead of fractions: cross-validation with one network per fold; all are served together",
    )

    @model_validator(mode="after")
    def _check_division(self) -> Self:
        if (self.fractions is None) == (self.folds is None):
            raise ValueError("give either fractions or folds: they say how the images are divided")
        if self.fractions and (abs(sum(self.fractions) - 1) > 1e-9 or min(self.fractions) <= 0):
            raise ValueError(f"the fractions {self.fractions} must be positive and sum to 1")
        if self.folds and self.split != "lesion":
            raise ValueError(f'folds need split = "lesion", not {self.split!r}')
        return self


class ModelConfig(Section):
    """The network. `preprocessing` also goes into the bundle, whose images are prepared in the same way.

    `weights`: "imagenet", "none" (random), or the path of a file that Keras has written for the backbone, such as one
    of keras.applications; a relative path is relative to the working folder.
    """

    backbone: str
    weights: str
    dropout: float = Field(ge=0, lt=1)
    preprocessing: Preprocessing

    @field_validator("weights")
    @classmethod
    def _check_weights(cls, weights: str) -> str:
        if weights not in ("imagenet", "none", "random") and not weights.endswith((".h5", ".keras")):
            raise ValueError(f'{weights!r} is neither "imagenet" nor "none" nor the path of a file .h5 or .keras')
        return "random" if weights == "none" else weights

    @field_validator("backbone")
    @classmethod
    def _check_backbone(cls, backbone: str) -> str:
        if backbone not in BACKBONES:
            raise ValueError(f"unknown backbone {backbone!r}; there are: {', '.join(BACKBONES)}")
        return backbone


class StageConfig(Section):
    """One stage of training.

    `layers`: how many of the backbone's last layers are trained; 0 in warm-up. `batch_norm`: among how many of the last
    layers BatchNorm is trained too. `size`: the side of the images in pixels, if it is not that of the model.
    `prepared_size`: the side at which training images are prepared, from which augmentation crops `size` pixels.
    `images`: folders with other files of the same images; an image with files in several folders is seen once for each.
    """

    layers: int = Field(ge=0)
    batch_norm: int = Field(0, ge=0)
    size: int | None = Field(None, ge=32, le=1024)
    prepared_size: int | None = added(None, ge=32, le=1024)
    images: tuple[str, ...] | None = None
    epochs: int = Field(ge=0)
    learning_rate: float = Field(gt=0)
    patience: int = Field(ge=1, description="epochs without a lower validation loss after which the stage stops")


class PretrainConfig(StageConfig):
    """A stage before all others on another data set: `labels` is a table, `images` a folder, relative to LUNAR_DATA.

    `without`: a table of images that are left out, so that the trained network can be measured on them.
    """

    name: str
    citation: str
    licence: str
    labels: str
    images: tuple[str]
    without: str | None = added(None)
    size: int = Field(ge=32, le=1024)
    epochs: int = Field(ge=1)


class ExtraConfig(Section):
    """Images of another data set that training sees beside HAM10000's in every stage but pretraining.

    `labels` is a table, `images` a folder, relative to LUNAR_DATA. Nothing is measured on them.
    """

    name: str
    citation: str
    licence: str
    labels: str
    images: str


class Config(Section):
    """One run.

    `evaluation_views`: how many views of each test image are averaged in additional metrics, as `tta` of the service
    does. `pretrain`: a stage before warm-up, shared by all folds. `finish`: a stage after fine-tuning. `stored_as`: the
    dtype of the weights in the OpenVINO graph, which always computes in float32. `melanoma_weight`: the weight of
    melanoma relative to the other classes when the classes of a cross-validation are balanced.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    seed: int = Field(ge=0, lt=2**32)
    graphs: tuple[GraphName, ...]
    data: DataConfig
    model: ModelConfig
    augment: AugmentConfig
    loss: LossConfig
    optimiser: OptimiserConfig
    warm_up: StageConfig
    fine_tune: StageConfig
    speed: SpeedConfig = added(SpeedConfig())
    patients: PatientConfig | None = added(None)
    evaluation_views: ViewCount = added(1)
    stored_as: Literal["float32", "float16"] = "float32"
    melanoma_weight: float = Field(1, gt=0)
    pretrain: PretrainConfig | None = None
    extra: ExtraConfig | None = added(None)
    finish: StageConfig | None = None

    @field_validator("graphs")
    @classmethod
    def _check_graphs(cls, graphs: tuple[GraphName, ...]) -> tuple[GraphName, ...]:
        if OPENVINO_FP32 not in graphs:
            raise ValueError(f"{OPENVINO_FP32} must be among them: every bundle has it")
        return graphs

    @model_validator(mode="after")
    def _check_balance(self) -> Self:
        corrected = self.loss.class_weights != "none" or self.loss.logit_adjustment > 0
        if self.optimiser.sampling != "shuffled" and corrected:
            raise ValueError(
                f'sampling = "{self.optimiser.sampling}" already corrects for rare classes: it needs class_weights = '
                '"none" and logit_adjustment = 0'
            )
        return self

    @model_validator(mode="after")
    def _check_stored(self) -> Self:
        if self.stored_as == "float16" and not BACKBONES[self.model.backbone].float16:
            able = ", ".join(name for name, row in BACKBONES.items() if row.float16)
            raise ValueError(f'stored_as = "float16" needs one of these backbones: {able}; not {self.model.backbone}')
        return self

    @model_validator(mode="after")
    def _check_melanoma_weight(self) -> Self:
        if self.data.folds is None and self.melanoma_weight != 1:
            raise ValueError("melanoma_weight needs folds: it balances the classes of a cross-validation")
        return self

    @model_validator(mode="after")
    def _check_devices(self) -> Self:
        if self.speed.prefetch_to_device and self.optimiser.distribute == "mirrored":
            raise ValueError('prefetch_to_device needs distribute = "none": batches are divided among the devices')
        return self

    @model_validator(mode="after")
    def _check_stage_images(self) -> Self:
        if self.data.folds is None and any(
            stage and stage.images for stage in (self.warm_up, self.fine_tune, self.finish)
        ):
            raise ValueError("only with folds may a stage have its own images")
        return self
