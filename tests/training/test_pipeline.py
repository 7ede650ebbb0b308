"""A whole run on drawn lesions: index, split, train, evaluate, export, publish, promote, serve from the registry."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import mlflow
import numpy as np
import pytest

from inference.bundle import Bundle, open_bundle, write
from inference.cache import Cache
from inference.classifier import Classifier
from inference.registry import Registry
from inference.settings import RegistrySettings
from tests.fakes import write_fake_bundle
from tests.running import ROOT
from tests.training.drawn_run import CONFIG
from training.__main__ import main
from training.compare import fetch_contender
from training.predictions import Predictions, from_logits, write_predictions


@pytest.fixture(scope="module")
def finished(kaggle_layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The LUNAR_HOME of a finished run; the environment points at it."""
    home = tmp_path_factory.mktemp("home")
    (home / "drawn.toml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LUNAR_DATA", str(kaggle_layout))
        environment.setenv("LUNAR_HOME", str(home))
        assert main(["run", str(home / "drawn.toml")]) == 0
        yield home


@pytest.fixture
def registry(finished: Path) -> Registry:
    return Registry(RegistrySettings())


def test_the_candidate_is_a_verified_bundle_on_both_runtimes(
    finished: Path, kaggle_layout: Path, registry: Registry
) -> None:
    candidate = registry.resolve("candidate")
    assert candidate.source == "training"
    bundle = Cache(registry.home).fetch(candidate, registry)
    manifest = bundle.manifest
    assert manifest.trained
    assert manifest.metrics.images == manifest.data.images["test"] == 42
    assert sum(manifest.data.images.values()) == 280
    assert np.sum(manifest.metrics.confusion) == 42
    assert sum(bundle.curves.calibrated.count) == 42
    assert bundle.novelty.trial.validation_kept >= 0.95
    assert bundle.novelty.trial.photos == 21
    assert "photos are flagged" in (bundle.path / "MODEL_CARD.md").read_text()
    assert manifest.metrics.command == f"python -m training run {finished / 'drawn.toml'}"
    for runtime in ("openvino", "tensorflow"):
        classifier = Classifier.open(bundle, runtime=runtime)
        prepared = classifier.prepare((kaggle_layout / "HAM10000_images_part_1/ISIC_0000000.jpg").read_bytes())
        prediction = classifier.predict(prepared, classifier.run(prepared.batch))
        assert prediction.probabilities.sum() == pytest.approx(1)
        assert "untrained_model" not in prediction.warnings


def test_everything_is_tracked(registry: Registry) -> None:
    client = mlflow.MlflowClient(tracking_uri=registry.tracking_uri)
    run_id = client.get_model_version(registry.name, registry.resolve("candidate").version).run_id
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["model.backbone"] == "efficientnetv2-b0"
    assert run.data.params["optimiser.weight_decay"] == "0.0001"
    assert {len(run.data.params[name]) for name in ("split_digest", "data_digest")} == {64}
    assert {"git_commit", "platform", "python", "cpus", "gpus"} <= set(run.data.tags)
    metrics = Cache(registry.home).fetch(registry.resolve("candidate"), registry).manifest.metrics
    assert run.data.metrics["test.balanced_accuracy"] == metrics.overall["balanced_accuracy"].value
    assert run.data.metrics["wall_seconds"] > 0
    for stage, epochs in (("warm_up", 2), ("fine_tune", 2)):
        for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
            assert len(client.get_metric_history(run_id, f"{stage}.{name}")) == epochs
    files = {file.path for folder in ("", "plots", "numbers", "predictions", "checkpoints", "model/artifacts/bundle")
             for file in client.list_artifacts(run_id, folder)}  # fmt: skip
    assert files >= {
        "packages.json",
        *(f"plots/{name}.svg" for name in ("training", "roc", "precision_recall", "confusion", "reliability")),
        "plots/cases.png",
        *(f"numbers/{name}.json" for name in (
            "metrics", "classification_report", "operating_points", "calibration", "subgroups", "split")),
        "numbers/classification_report.txt",
        "predictions/validation.csv",
        "predictions/test.csv",
        "checkpoints/warm_up-best.npz",
        "checkpoints/fine_tune-best.npz",
        "model/artifacts/bundle/manifest.json",
    }  # fmt: skip


def publish_run(registry: Registry, bundle: Bundle, predictions: Predictions, folder: Path) -> str:
    """A version of a run of its own, with these predictions of the test part."""
    client = mlflow.MlflowClient(tracking_uri=registry.tracking_uri)
    run_id = client.create_run(registry.experiment(), run_name="made up").info.run_id
    client.log_param(run_id, "data.split", "lesion")
    write_predictions(predictions, folder / "test.csv")
    client.log_artifact(run_id, str(folder / "test.csv"), "predictions")
    return registry.publish(bundle, alias="candidate", source="training", run_id=run_id).version


def test_promote_compares_and_rollback_returns(
    finished: Path, registry: Registry, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The same lesions, answered perfectly by one version and always with nv by another."""
    made = registry.resolve("candidate")
    bundle = Cache(registry.home).fetch(made, registry)
    known = fetch_contender(made.run, tracking_uri=registry.tracking_uri).predictions
    good, bad = (
        from_logits(
            9 * np.eye(7, dtype=np.float32)[answers],
            temperature=1.0, image_ids=known.image_ids, lesion_ids=known.lesion_ids, labels=known.labels,
        )
        for answers in (known.labels, np.full_like(known.labels, 5))
    )  # fmt: skip
    assert main(["rollback"]) == 1
    assert main(["promote"]) == 0  # there is no champion yet
    assert registry.resolve("champion").version == made.version

    best = publish_run(registry, bundle, good, tmp_path)
    assert main(["promote"]) == 0
    worse = publish_run(registry, bundle, bad, tmp_path)
    capsys.readouterr()
    assert main(["promote"]) == 1
    assert "balanced accuracy" in capsys.readouterr().err
    assert registry.resolve("champion").version == best
    assert main(["promote", "--force"]) == 0
    assert registry.resolve("champion").version == worse
    assert main(["rollback"]) == 0
    assert registry.resolve("champion").version == best
    assert main(["promote", "77"]) == 1

    assert main(["publish", str(finished / "bundles" / "drawn")]) == 0
    capsys.readouterr()
    assert main(["promote"]) == 1
    assert "cannot be compared" in capsys.readouterr().err
    assert registry.resolve("champion").version == best


def test_the_starter_gives_way(finished: Path, registry: Registry, tmp_path: Path) -> None:
    fake = write_fake_bundle(tmp_path / "fake")
    registry.publish(fake, alias="champion", source="starter")
    assert main(["publish", str(finished / "bundles" / "drawn")]) == 0
    assert main(["promote"]) == 0
    assert registry.resolve("champion").digest != fake.manifest.digest
    registry.move_alias("candidate", "1")


def test_evaluate_reproduces_the_manifest(
    finished: Path, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = finished / "bundles" / "drawn"
    assert main(["evaluate", str(folder)]) == 0
    printed = capsys.readouterr().out
    for name, each in open_bundle(folder).manifest.metrics.overall.items():
        assert f"{name:24} {each.value:.3f} [{each.low:.3f}, {each.high:.3f}]" in printed


def test_refit_recomputes_what_rests_on_data(finished: Path, tmp_path: Path) -> None:
    original = open_bundle(finished / "bundles" / "drawn")
    folder = Path(shutil.copytree(original.path, tmp_path / "bundle"))
    # As in a bundle from before there was novelty and a reference.
    for name in ("manifest.json", "novelty.npz", "novelty.json", "reference.json"):
        (folder / name).unlink()
    wrong = original.manifest.model_dump(exclude={"files", "digest"}) | {"temperature": 9.0}
    write(folder, description=wrong, head=original.head, golden=original.golden)
    assert main(["refit", str(folder)]) == 0
    again = open_bundle(folder).manifest
    assert again.temperature == pytest.approx(original.manifest.temperature, rel=1e-3)
    assert again.metrics.confusion == original.manifest.metrics.confusion
    assert open_bundle(folder).curves.calibrated.count == original.curves.calibrated.count
    assert open_bundle(folder).reference.predicted == original.reference.predicted
    assert original.reference.images == original.manifest.metrics.images
    assert open_bundle(folder).novelty.trial.threshold == pytest.approx(original.novelty.trial.threshold, rel=1e-2)
    assert again.files["graphs/openvino-fp32.bin"] == original.manifest.files["graphs/openvino-fp32.bin"]


def test_refit_and_evaluate_need_the_same_data_and_a_bundle_of_a_run(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["refit", str(write_fake_bundle(tmp_path / "fake").path)]) == 1
    assert "not made by a training run" in capsys.readouterr().err
    monkeypatch.setenv("LUNAR_DATA", str(tmp_path))
    assert main(["evaluate", str(finished / "bundles" / "drawn")]) == 1
    assert "LUNAR_DATA" in capsys.readouterr().err


def test_compare_writes_and_keeps_its_tables(
    finished: Path, registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = mlflow.MlflowClient(tracking_uri=registry.tracking_uri)
    run_id = client.get_model_version(registry.name, "1").run_id
    again = client.create_run(client.get_run(run_id).info.experiment_id, run_name="again").info.run_id
    client.log_param(again, "data.split", "lesion")
    client.log_artifact(again, client.download_artifacts(run_id, "predictions/test.csv", str(tmp_path)), "predictions")
    out = tmp_path / "comparison"
    assert main(["compare", run_id, again, "--quoted", "efficientnetv2m", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "quoted" in printed
    assert ".668" in printed  # the published macro F1
    assert (out / "comparison.md").read_text().strip() == printed.strip()
    assert "<table" in (out / "comparison.html").read_text()
    assert {file.path for file in client.list_artifacts(run_id, "comparison")} == {
        "comparison/comparison.md", "comparison/comparison.html",
    }  # fmt: skip
    assert main(["compare", run_id, "0" * 32]) == 1


def test_show_augmented_draws_a_sheet(finished: Path, tmp_path: Path) -> None:
    assert main(["show-augmented", str(finished / "drawn.toml"), str(tmp_path / "sheet.png")]) == 0
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape == (8 * 160, 8 * 160, 3)
    columns = [sheet[:, i * 160 : (i + 1) * 160].astype(int) for i in range(8)]
    assert all(np.abs(columns[0] - column).mean() > 3 for column in columns[1:])


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


def test_mlflow_is_kept_quiet_before_it_is_imported(tmp_path: Path) -> None:
    """A process of its own, because MLflow reads the switch when it is imported."""
    script = "import os, sys; from training.__main__ import main; assert 'mlflow' not in sys.modules; main(['promote'])"
    script += "; from mlflow.telemetry import get_telemetry_client as client; print(client(), end='')"
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "DO_NOT", "CI"))}
    environment |= {"LUNAR_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "None"), done.stderr


def test_promoting_nothing_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LUNAR_HOME", str(tmp_path))
    assert main(["promote"]) == 1
    assert "skin-lesion" in capsys.readouterr().err
