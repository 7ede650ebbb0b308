"""Configurations for tests: without augmentation and label smoothing, unless a test asks for them."""

from inference.imaging.preprocessing import Preprocessing
from training.config import (
    AugmentConfig,
    Config,
    DataConfig,
    LossConfig,
    ModelConfig,
    OptimiserConfig,
    StageConfig,
)

NOTHING = AugmentConfig(
    horizontal_flip=False,
    vertical_flip=False,
    rotation=0,
    zoom=0,
    translation=0,
    contrast=0,
    brightness=0,
    blur_probability=0,
    erase_probability=0,
    erase_sides=(0.1, 0.2),
    mixup_probability=0,
    mixup_alpha="none",
    cutmix_probability=0,
    cutmix_sides=(0.3, 0.6),
)
EVERYTHING = NOTHING.model_copy(
    update={
        "horizontal_flip": True,
        "vertical_flip": True,
        "rotation": 0.5,
        "zoom": 0.15,
        "translation": 0.08,
        "contrast": 0.15,
        "brightness": 0.2,
        "blur_probability": 0.5,
        "sharpen_probability": 0.5,
        "erase_probability": 0.5,
        "mixup_probability": 0.5,
        "cutmix_probability": 0.5,
    }
)
PLATEAU = OptimiserConfig(
    batch=8, weight_decay=0, clip=1, clip_by="global", schedule="plateau", plateau_patience=2, plateau_factor=0.5,
    precision="float32", distribute="none",
)  # fmt: skip
LOSS = LossConfig(kind="cross_entropy", label_smoothing=0.0, class_weights="none", focal_gamma=2, focal_alpha=0.25)
DATA = DataConfig(
    name="drawn", citation="", licence="", metadata="", images=("",), split="lesion", fractions=(0.7, 0.15, 0.15)
)


def config_of(
    backbone: str = "efficientnet-lite2",
    *,
    size: int = 64,
    weights: str = "imagenet",
    dropout: float = 0.0,
    **changes: object,
) -> Config:
    """A configuration of small, fast parts; `changes` replace its sections."""
    spec = Preprocessing(size=size, fit="squash")
    parts = {
        "name": "test",
        "seed": 3,
        "graphs": ("openvino-fp32",),
        "data": DATA,
        "model": ModelConfig(backbone=backbone, weights=weights, dropout=dropout, preprocessing=spec),
        "augment": NOTHING,
        "loss": LOSS,
        "optimiser": PLATEAU,
        "warm_up": StageConfig(layers=0, epochs=1, learning_rate=1e-3, patience=10),
        "fine_tune": StageConfig(layers=30, epochs=1, learning_rate=1e-3, patience=10),
    }
    return Config.model_validate(parts | changes)
