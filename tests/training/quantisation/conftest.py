"""A bundle that classifies without errors, and the same bundle with an int8 graph."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.bundle.storage import Bundle, open_bundle
from inference.imaging.decoding import decode
from tests.support.configs import DATA, config_of
from training.__main__ import main
from training.bundling.export import export, head_of
from training.data.ood_photos import photo_files
from training.data.prepared_images import labels_of, prepare_images
from training.data.splits import read_split
from training.evaluation.evaluate import evaluate
from training.networks.network import build, respond

FOLDERS = ("HAM10000_images_part_1", "HAM10000_images_part_2")


@pytest.fixture(scope="session")
def separable(kaggle_layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn lesions, each under the photo of its class: no processor's int8 confuses two of them.

    On 42 images a gate of half a point allows no error. Photos are what Lite2 has learnt to tell apart: in standard
    deviations of the logits, the next class is at least 1.6 away, and int8 moves a logit by 0.5 with VNNI and by 0.7
    without it, at most. (Plain colours, which no photo shows, are moved further than they are apart.)
    """
    root = Path(shutil.copytree(kaggle_layout, tmp_path_factory.mktemp("separable") / "data"))
    photos = [cv2.cvtColor(decode(path.read_bytes()).rgb, cv2.COLOR_RGB2BGR) for path in photo_files()[::3]]
    for path in root.rglob("*.jpg"):
        drawn, photo = cv2.imread(str(path)), photos[int(path.stem[-7:]) % 7]
        small = cv2.resize(photo, drawn.shape[1::-1], interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(path), cv2.addWeighted(drawn, 0.4, small, 0.6, 0))
    return root


@pytest.fixture(scope="session")
def made(separable: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Lite2 with ImageNet's weights and a head by ridge regression: trained in one pass, and sure of itself."""
    data = DATA.model_copy(update={"metadata": "HAM10000_metadata.csv", "images": FOLDERS})
    config = config_of(size=64, data=data)
    network, split = build(config.model), read_split(config, separable)
    spec = config.model.preprocessing
    x = respond(network, prepare_images(split.train, spec)).pooled
    y = np.eye(7)[labels_of(split.train)] - 1 / 7
    middle = x.mean(axis=0)
    w = np.linalg.solve((x - middle).T @ (x - middle) + 1000 * np.eye(x.shape[1]), (x - middle).T @ y)
    network.head.set_weights([w.astype(np.float32), (-middle @ w).astype(np.float32)])

    def predict(images: np.ndarray) -> object:
        return respond(network, images)

    evaluation = evaluate(predict, head=head_of(network), config=config, split=split, command="a test")
    return export(network, tmp_path_factory.mktemp("made") / "bundle", config=config, evaluation=evaluation)


@pytest.fixture(scope="session")
def quantised(made: Bundle, separable: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The same after `python -m training quantise`."""
    folder = Path(shutil.copytree(made.path, tmp_path_factory.mktemp("quantised") / "bundle"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUNAR_DATA", str(separable))
        assert main(["quantise", str(folder)]) == 0
    return open_bundle(folder)


@pytest.fixture
def folder(made: Bundle, tmp_path: Path, separable: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the bundle without int8, beside its data."""
    monkeypatch.setenv("LUNAR_DATA", str(separable))
    return Path(shutil.copytree(made.path, tmp_path / "bundle"))
