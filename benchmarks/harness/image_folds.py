"""The folds of a configuration on other files of the same lesions."""

from pathlib import Path

from training.config import Config
from training.data.data_split import Folds
from training.data.splits import read_folds

CENTRE_CROPS, ALL_IMAGES = "ham10000/images_224_center", "ham10000/images_256_center"


def folds_of(config: Config, folder: str, data: Path) -> Folds:
    """The images in `folder`, under `data`, in the folds that the configuration gives their lesions."""
    of_folder = config.data.model_copy(update={"images": (folder,)})
    return read_folds(config.model_copy(update={"data": of_folder}), data)
