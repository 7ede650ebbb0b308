"""Sections of a configuration that do not depend on its data: augmentation, loss, optimiser, patients, speed."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Share = Field(ge=0, le=1)
Sampling = Literal["shuffled", "balanced", "square_root"]
LastBatch = Literal["keep", "drop", "fill"]
Attribute = Literal["age", "sex", "site"]


def added(default: Any, **limits: Any) -> Any:
    """A key that older configurations lack. A dump leaves its default out, so that they keep digest and checkpoints."""
    return Field(default, exclude_if=lambda value: value == default, **limits)


Probability = added(1.0, ge=0, le=1)


class Section(BaseModel):
    """A table of the configuration: frozen, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AugmentConfig(Section):
    """How training images are changed at random.

    `rotation` is a fraction of a full turn; zoom, translation, sides, contrast and brightness are fractions of the
    image's size or of the value range. A flip applies to half of the images. A `*_probability` is the fraction of
    images to which the change applies (1 if the key is missing); its amount is drawn uniformly between minus and plus
    the configured number.

    `crop_area`: bounds of the share of the prepared image that a random crop shows, `crop_ratio` of its width / height
    (Szegedy et al., CVPR 2015). `channel_gain`: each colour channel is multiplied by its own number around 1.
    `blur_sigma`: bounds in pixels; 1 with five taps if it is missing. `sharpen_amount`: how much of what a blur of 1
    pixel takes away is added. `jpeg_quality`: bounds, of 1 to 100, with which some images are compressed again.
    """

    horizontal_flip: bool
    vertical_flip: bool
    rotation: float = Field(ge=0, le=0.5)
    rotation_probability: float = Probability
    zoom: float = Field(ge=0, lt=1)
    zoom_probability: float = Probability
    translation: float = Field(ge=0, lt=1)
    translation_probability: float = Probability
    contrast: float = Share
    contrast_probability: float = Probability
    brightness: float = Share
    brightness_probability: float = Probability
    crop_area: tuple[float, float] | None = added(None)
    crop_ratio: tuple[float, float] = added((0.75, 4 / 3))
    channel_gain: float = added(0.0, ge=0, lt=1)
    channel_probability: float = Probability
    blur_probability: float = Share
    blur_sigma: tuple[float, float] | None = added(None)
    sharpen_probability: float = added(0.0, ge=0, le=1)
    sharpen_amount: tuple[float, float] = added((0.0, 1.0))
    jpeg_probability: float = added(0.0, ge=0, le=1)
    jpeg_quality: tuple[int, int] = added((40, 95))
    erase_probability: float = Share
    erase_sides: tuple[float, float]
    mixup_probability: float = Share
    mixup_alpha: float | None = Field(gt=0, description='of Beta(alpha, alpha); "none": uniform, as in the reference')
    cutmix_probability: float = Share
    cutmix_sides: tuple[float, float]

    @field_validator("mixup_alpha", mode="before")
    @classmethod
    def _parse_none(cls, value: object) -> object:
        return None if value == "none" else value  # TOML has no null

    @model_validator(mode="after")
    def _check_mixing(self) -> Self:
        if self.mixup_probability + self.cutmix_probability > 1:
            raise ValueError("mixup_probability and cutmix_probability exclude each other: their sum must not exceed 1")
        for low, high in (self.erase_sides, self.cutmix_sides):
            if not 0 < low <= high <= 1:
                raise ValueError(f"the sides {low}, {high} must be fractions of the image in 0..1, the smaller first")
        return self

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        limits = {
            "crop_area": (0.01, 1),
            "crop_ratio": (0.1, 10),
            "blur_sigma": (0.1, 10),
            "sharpen_amount": (0, 10),
            "jpeg_quality": (1, 100),
        }
        for name, (least, most) in limits.items():
            bounds = getattr(self, name)
            if bounds and not least <= bounds[0] <= bounds[1] <= most:
                raise ValueError(f"{name} must be two numbers from {least} to {most}, the smaller first, not {bounds}")
        return self


class LossConfig(Section):
    """Cross-entropy or focal loss on soft labels, with the class weights inside the loss.

    `logit_adjustment` tau adds tau log(prior) to the logits during training (Menon et al., Long-Tail Learning via Logit
    Adjustment, ICLR 2021). With tau = 1 the network's answers assume that all classes are equally frequent.
    """

    kind: Literal["cross_entropy", "focal"]
    label_smoothing: float = Field(ge=0, lt=1)
    class_weights: Literal["none", "balanced"]
    focal_gamma: float = Field(ge=0)
    focal_alpha: float = Field(gt=0, le=1)
    logit_adjustment: float = Field(0, ge=0)


class OptimiserConfig(Section):
    """AdamW without weight decay on biases and BatchNorm.

    `schedule`: "plateau" and "cosine" change the learning rate after each epoch, "cosine_steps" with each step, after a
    linear rise over `rise_epochs`. `ema`: the momentum, for each step, of an exponential moving average of the weights,
    which is what is validated and kept. `accumulate`: batches whose gradients are averaged into one step. `sampling`:
    whether an epoch shows every image once, every class equally often, or each class in proportion to the square root
    of its frequency. `last_batch`: whether an incomplete batch is kept, left out, or filled up with other images.

    `precision` is that of the backbone; variables, head and loss are always float32. "mixed_bfloat16" needs an A100 or
    later (compute capability 8.0). It is as fast there as float16 and has the exponent range of float32, so that
    gradients do not underflow. "mixed_float16" is for older GPUs (V100, T4); it has three more bits of precision, and
    the loss is scaled.
    """

    batch: int = Field(ge=1)
    weight_decay: float = Field(ge=0)
    clip: float = Field(gt=0)
    clip_by: Literal["variable", "global"]
    schedule: Literal["plateau", "cosine", "cosine_steps"]
    rise_epochs: float = added(0.0, ge=0)
    ema: float | None = added(None, gt=0, lt=1)
    accumulate: int = added(1, ge=1)
    sampling: Sampling = added("shuffled")
    last_batch: LastBatch = added("keep")
    plateau_patience: int = Field(ge=1)
    plateau_factor: float = Field(gt=0, lt=1)
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"]
    distribute: Literal["none", "mirrored"]

    @property
    def moments(self) -> int:
        """How many numbers the optimiser keeps for each trained weight."""
        return 2 + (self.ema is not None) + (self.accumulate > 1)

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if self.rise_epochs and self.schedule != "cosine_steps":
            raise ValueError('rise_epochs needs schedule = "cosine_steps"')
        if self.accumulate > 1 and self.distribute == "mirrored":
            raise ValueError('accumulate needs distribute = "none": Keras cannot accumulate on several devices')
        return self


class PatientConfig(Section):
    """What is known of the patient, as a second input in training.

    `attributes` are read from the metadata's columns age, sex and localization. `units`: the width of the layer that
    turns them into something that is added to the logits. `drop_probability`: the share of the training images whose
    attributes are hidden. Validation, evaluation and the exported model do without attributes.
    """

    attributes: tuple[Attribute, ...] = Field(min_length=1)
    units: int = Field(ge=1)
    drop_probability: float = Field(gt=0, le=1)

    @field_validator("attributes")
    @classmethod
    def _check_attributes(cls, attributes: tuple[Attribute, ...]) -> tuple[Attribute, ...]:
        if len(set(attributes)) < len(attributes):
            raise ValueError(f"each attribute may be named once, not {', '.join(attributes)}")
        return attributes


class SpeedConfig(Section):
    """How Keras executes steps; the numbers that are computed stay the same but for rounding.

    `xla`: "auto" compiles with XLA on a GPU. `steps_per_execution`: steps that run without returning to Python.
    `prefetch_to_device`: the next batch is copied to the GPU while a step computes.
    """

    xla: Literal["auto", "on", "off"] = "auto"
    steps_per_execution: int = Field(1, ge=1)
    prefetch_to_device: bool = False
