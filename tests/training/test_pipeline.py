"""A whole run on drawn lesions: index, split, train, evaluate, export, publish, promote, serve from the registry."""

import csv
from pathlib import Path

import cv2
import mlflow
import numpy as np
import pytest

from inference.classifier import Classifier
from inference.registry import Registry
from inference.settings import RegistrySettings
from inference.taxonomy import CLASSES
from training.__main__ import main
from training.drawn import draw_lesion

CONFIG = """
name = "drawn"
seed = 1
graphs = ["openvino-fp32", "keras"]

[data]
name = "drawn lesions"
citation = "Nobody."
licence = "none"
metadata = "HAM10000_metadata.csv"
images = ["HAM10000_images_part_1", "HAM10000_images_part_2"]
split = "lesion"
fractions = [0.70, 0.15, 0.15]

[model]
backbone = "efficientnetv2-b0"
weights = "random"
dropout = 0.3
preprocessing = { size = 64, fit = "center-crop" }

[augment]
horizontal_flip = true
vertical_flip = true
rotation = 0.5
zoom = 0.15
translation = 0.05
contrast = 0.15
brightness = 0.08
blur_probability = 0.10
erase_probability = 0.25
erase_sides = [0.08, 0.20]
mixup_probability = 0.25
mixup_alpha = 0.4
cutmix_probability = 0.25
cutmix_sides = [0.3, 0.6]

[loss]
kind = "cross_entropy"
label_smoothing = 0.03
class_weights = "balanced"
focal_gamma = 2.0
focal_alpha = 0.25

[optimiser]
batch = 32
weight_decay = 1e-4
clip = 1.0
clip_by = "global"
schedule = "cosine"
plateau_patience = 3
plateau_factor = 0.5
precision = "float32"
distribute = "none"

[warm_up]
layers = 0
epochs = 2
learning_rate = 1e-3
patience = 10

[fine_tune]
layers = 60
epochs = 2
learning_rate = 5e-4
patience = 10
"""


@pytest.fixture(scope="module")
def kaggle_layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of images and one table, as HAM10000 comes from Kaggle; 40 drawn lesions a class."""
    root = tmp_path_factory.mktemp("data")
    for part in (1, 2):
        (root / f"HAM10000_images_part_{part}").mkdir()
    with (root / "HAM10000_metadata.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"])
        for number in range(280):
            code = CLASSES[number % 7]
            table.writerow([f"HAM_{number:07}", f"ISIC_{number:07}", code, "histo", "50.0", "male", "back"])
            path = root / f"HAM10000_images_part_{1 + number % 2}" / f"ISIC_{number:07}.jpg"
            drawing = draw_lesion(width=80, height=60, seed=number)
            drawing[..., number % 3] //= 1 + number % 7  # a trace of the class, so that there is something to learn
            cv2.imwrite(str(path), drawing[..., ::-1])
    return root


def test_a_run_ends_in_a_served_model(
    kaggle_layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "drawn.toml"
    config.write_text(CONFIG)
    monkeypatch.setenv("LUNAR_DATA", str(kaggle_layout))
    monkeypatch.setenv("LUNAR_HOME", str(tmp_path / "home"))
    assert main(["run", str(config)]) == 0
    assert "alias candidate" in capsys.readouterr().out

    settings = RegistrySettings()
    registry = Registry(settings)
    candidate = registry.resolve("candidate")
    assert candidate.source == "training"
    assert main(["promote"]) == 0
    assert registry.resolve("champion").version == candidate.version

    bundle = registry.fetch(registry.resolve("champion"))
    manifest = bundle.manifest
    assert manifest.trained
    assert manifest.metrics.images == manifest.data.images["test"] == 42
    assert sum(manifest.data.images.values()) == 280
    assert np.sum(manifest.metrics.confusion) == 42
    assert manifest.metrics.command == f"python -m training run {config}"
    for runtime in ("openvino", "tensorflow"):
        classifier = Classifier.open(bundle, runtime=runtime)
        prepared = classifier.prepare((kaggle_layout / "HAM10000_images_part_1/ISIC_0000000.jpg").read_bytes())
        prediction = classifier.predict(prepared, classifier.run(prepared.batch))
        assert prediction.probabilities.sum() == pytest.approx(1)
        assert prediction.warnings == ()

    client = mlflow.MlflowClient(tracking_uri=registry.tracking_uri)
    run_id = client.get_model_version(settings.model_name, candidate.version).run_id
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["model.backbone"] == "efficientnetv2-b0"
    assert len(run.data.params["split_digest"]) == 64
    assert run.data.metrics["test.balanced_accuracy"] == manifest.metrics.overall["balanced_accuracy"].value
    assert len(client.get_metric_history(run_id, "warm_up.val_loss")) == 2
    assert len(client.get_metric_history(run_id, "fine_tune.val_loss")) == 2


@pytest.mark.parametrize(("change", "cause"), [
    (("layers = 0", "layers = 0\nepoch = 3"), "warm_up.epoch: Extra inputs"),
    (("seed = 1", ""), "seed: Field required"),
    (("0.70, 0.15, 0.15", "0.70, 0.15, 0.20"), "sum to 1"),
    (('split = "lesion"', 'split = "patient"'), "data.split: Input should be 'lesion' or 'image'"),
    (("efficientnetv2-b0", "resnet"), "unknown backbone 'resnet'; there are: efficientnetv2-b0"),
    (("HAM10000_metadata.csv", "none.csv"), "none.csv does not exist"),
    (("seed = 1", "seed = "), "Invalid value"),
])  # fmt: skip
def test_a_wrong_configuration_names_key_and_cause(
    kaggle_layout: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, str],
    cause: str,
) -> None:
    config = tmp_path / "wrong.toml"
    config.write_text(CONFIG.replace(*change))
    monkeypatch.setenv("LUNAR_DATA", str(kaggle_layout))
    monkeypatch.setenv("LUNAR_HOME", str(tmp_path / "home"))
    assert main(["run", str(config)]) == 1
    assert cause in capsys.readouterr().err


def test_promoting_nothing_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LUNAR_HOME", str(tmp_path))
    assert main(["promote"]) == 1
    assert "skin-lesion" in capsys.readouterr().err
