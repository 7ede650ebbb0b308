"""Small trainings with the starter's backbone, loss and augmentation: few epochs at 96 pixels from ImageNet weights."""

from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.image_folds import ALL_IMAGES
from inference.domain.taxonomy import CLASSES
from inference.imaging.preprocessing import Preprocessing
from training.commands import DataSettings
from training.config_file import load
from training.data.attributes import read_attributes
from training.data.folds import fold_records
from training.data.ham10000 import ImageRecord, limit_classes, read_index
from training.data.prepared_images import PreparedSplit, labels_of, prepare_images
from training.evaluation.bootstrap import lesion_weights
from training.fitting import trainer
from training.fitting.checkpoints import Checkpoints
from training.networks import network as networks
from training.networks.network import Responses

RECIPE = Path("training/configs/starter.toml")
SETTING = Preprocessing(size=96, fit="center-crop")
FOLDS, FEWEST = 3, 20
Rows = NDArray[np.bool_]


class Experiment:
    """All images, prepared once, and the networks that are trained on some of them."""

    def __init__(self, records: tuple[ImageRecord, ...], metadata: Path, *, epochs: int) -> None:
        config = load(RECIPE)
        model = config.model.model_copy(update={"preprocessing": SETTING})
        stage = config.fine_tune.model_copy(update={"epochs": epochs, "size": None, "images": None})
        self._config = config.model_copy(update={"model": model, "fine_tune": stage})
        self._images = prepare_images(records, SETTING)
        source = read_attributes(metadata)["source"]
        self.labels = labels_of(records)
        self.lesions = np.array([record.lesion_id for record in records])
        self.sources = np.array([source[record.image_id] for record in records])
        lesions = {record.lesion_id: record.label for record in records}
        self.fold = fold_records(records, lesions=lesions, count=FOLDS, seed=config.seed).of_image
        self.weights = lesion_weights(self.lesions, resamples=1000, seed=config.seed)

    def without(self, left_out: Rows, *, seed: int | None = None) -> Responses:
        """The responses to all images of a network that was trained on others than `left_out`, bool [n].

        `seed`: in place of the recipe's, for the random numbers of training.
        """
        config = self._config if seed is None else self._config.model_copy(update={"seed": seed})
        keras.utils.set_random_seed(config.seed)
        rows = np.random.default_rng(self._config.seed).permutation(np.flatnonzero(~left_out))
        split = PreparedSplit(*(of_all[rows[: (self.fold != 0).sum()]] for of_all in (self._images, self.labels)))
        network = networks.build_for(config)
        with TemporaryDirectory() as folder:
            context = trainer.TrainingContext(network, split, None, config, Checkpoints(Path(folder)))
            trainer.fit(context, config.fine_tune, name=trainer.FINE_TUNE)
        return networks.respond(networks.for_export(network, config), self._images)


def read_experiment(*, share: float, epochs: int) -> Experiment:
    """On all images of HAM10000 in LUNAR_DATA, or a share of images and epochs."""
    data = DataSettings().data
    metadata = data / "ham10000/HAM10000_metadata.csv"
    records = read_index(metadata, [data / ALL_IMAGES])
    if share < 1:
        records = limit_classes(records, max(FEWEST, int(share * len(records) / len(CLASSES))), seed=0)
    return Experiment(records, metadata, epochs=max(1, round(share * epochs)))
