"""A whole run on drawn lesions: read, split, train, evaluate, export, publish, promote, serve from the registry."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import mlflow
import numpy as np
import pytest

from inference.bundle.storage import Bundle, open_bundle, write_bundle
from inference.domain.taxonomy import CLASSES
from inference.prediction.classifier import Classifier
from inference.registry.bundle_cache import BundleCache
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.drawn_run import CONFIG
from tests.support.fakes import write_fake_bundle
from tests.support.metrics import assert_printed, assert_same_counts
from tests.support.small_backbone import NAME, register_small_backbone
from training import pipeline
from training.__main__ import main
from training.bundling.export import ParityError
from training.evaluation.predictions import Predictions, from_logits, write_predictions
from training.fitting import trainer
from training.tracking.stored_predictions import fetch_contender


@pytest.fixture(scope="module")
def finished(kaggle_layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The LUNAR_HOME of a finished run; the environment points at it."""
    home = tmp_path_factory.mktemp("home")
    register_small_backbone()
    (home / "drawn.toml").write_text(CONFIG.replace('"efficientnetv2-b0"', f'"{NAME}"'))
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
    bundle = BundleCache(registry.home).fetch(candidate, registry)
    manifest = bundle.manifest
    assert manifest.trained
    assert manifest.metrics.images == manifest.data.images["test"] == 42
    assert sum(manifest.data.images.values()) == 280
    assert np.sum(manifest.metrics.confusion) == 42
    assert sum(bundle.curves.calibrated.count) == 42
    assert bundle.ood_detector.evaluation.validation_kept >= 0.95
    assert bundle.ood_detector.evaluation.photos == 21
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
    assert run.data.params["model.backbone"] == NAME
    assert run.data.params["optimiser.weight_decay"] == "0.0001"
    assert {len(run.data.params[name]) for name in ("split_digest", "data_digest")} == {64}
    assert {"git_commit", "platform", "python", "cpus", "gpus"} <= set(run.data.tags)
    metrics = BundleCache(registry.home).fetch(registry.resolve("candidate"), registry).manifest.metrics
    assert run.data.metrics["test.balanced_accuracy"] == metrics.overall["balanced_accuracy"].value
    assert run.data.metrics["wall_seconds"] > 0
    for code, numbers in metrics.per_class.items():
        for name, interval in numbers.items():
            assert run.data.metrics[f"test.{code}.{name}"] == interval.value
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "images_per_second"):
        assert [each.step for each in client.get_metric_history(run_id, name)] == [1, 2, 3, 4]  # two stages of two
    assert 0 <= run.data.metrics["test.views_2.balanced_accuracy"] <= 1
    assert "system/cpu_utilization_percentage" in run.data.metrics
    assert "training run" in run.data.tags["mlflow.note.content"]
    used = {each.tags[0].value: each.dataset for each in run.inputs.dataset_inputs}
    assert set(used) == {"train", "validation", "test"}
    assert used["test"].name.endswith("test, 42 images")
    files = {file.path for folder in ("", "plots", "numbers", "predictions", "checkpoints", "model/artifacts/bundle")
             for file in client.list_artifacts(run_id, folder)}  # fmt: skip
    assert files >= {
        "packages.json",
        *(f"plots/{name}.svg" for name in ("training", "roc", "precision_recall", "confusion", "reliability")),
        "plots/cases.png",
        *(f"numbers/{name}.json" for name in (
            "metrics", "classification_report", "operating_points", "calibration", "subgroups", "split", "views")),
        "numbers/classification_report.txt",
        "predictions/validation.csv",
        "predictions/test.csv",
        "checkpoints/warm_up-best.npz",
        "checkpoints/fine_tune-best.npz",
        "model/artifacts/bundle/manifest.json",
    }  # fmt: skip


def publish_run(registry: Registry, bundle: Bundle, predictions: Predictions, folder: Path, by: str = "lesion") -> str:
    """Publish the bundle as a version of a new run with these predictions for the test set; returns the version."""
    client = mlflow.MlflowClient(tracking_uri=registry.tracking_uri)
    run_id = client.create_run(registry.experiment(), run_name="made up").info.run_id
    client.log_param(run_id, "data.split", by)
    write_predictions(predictions, folder / "test.csv")
    client.log_artifact(run_id, str(folder / "test.csv"), "predictions")
    return registry.publish(bundle, alias="candidate", source="training", run_id=run_id).version


def test_promote_compares_and_rollback_returns(
    finished: Path, registry: Registry, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One version predicts the same lesions perfectly, another always predicts nv."""
    made = registry.resolve("candidate")
    bundle = BundleCache(registry.home).fetch(made, registry)
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
    publish_run(registry, bundle, good, tmp_path, by="image")
    capsys.readouterr()
    assert main(["promote"]) == 1
    assert "lesions that it was trained on" in capsys.readouterr().err
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
    assert_printed(printed, open_bundle(folder).manifest.metrics.overall)


def test_refit_recomputes_what_rests_on_data(finished: Path, tmp_path: Path) -> None:
    original = open_bundle(finished / "bundles" / "drawn")
    folder = Path(shutil.copytree(original.path, tmp_path / "bundle"))
    # As in a bundle from before there were an out-of-distribution detector and a reference.
    for name in ("manifest.json", "novelty.npz", "novelty.json", "reference.json"):
        (folder / name).unlink()
    wrong = original.manifest.replaced(temperature=9.0)
    write_bundle(folder, wrong, head=original.head, golden=original.golden)
    assert main(["refit", str(folder)]) == 0
    again = open_bundle(folder).manifest
    assert again.temperature == pytest.approx(original.manifest.temperature, rel=1e-3)
    assert_same_counts(again.metrics.confusion, original.manifest.metrics.confusion)
    assert_same_counts(open_bundle(folder).curves.calibrated.count, original.curves.calibrated.count)
    predicted = [each.reference.predicted for each in (open_bundle(folder), original)]
    assert_same_counts(*([counts[code] for code in CLASSES] for counts in predicted))
    assert original.reference.images == original.manifest.metrics.images
    assert open_bundle(folder).ood_detector.evaluation.threshold == pytest.approx(
        original.ood_detector.evaluation.threshold, rel=1e-2
    )
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
    out.mkdir()
    (out / "patients.csv").write_text("of the one who compares")
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
    assert main(["compare", "--quoted", "--out", str(tmp_path / "quoted")]) == 0
    assert "change to EfficientNetV2M" in (tmp_path / "quoted" / "comparison.md").read_text()


def test_a_failure_at_the_end_loses_nothing_and_the_same_command_goes_on(
    finished: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A finished run says so; without its bundle, it is evaluated and exported again, and nothing is trained again."""
    command = ["run", str(finished / "drawn.toml")]
    monkeypatch.setattr(trainer, "_train", None)
    before = registry.resolve("candidate")
    assert main(command) == 0
    assert "was finished before" in capsys.readouterr().out
    assert registry.resolve("candidate").version == before.version

    client = mlflow.MlflowClient(tracking_uri=registry.tracking_uri)
    client.delete_run(before.run)  # the next call makes another one
    shutil.rmtree(finished / "bundles" / "drawn")
    with monkeypatch.context() as failing:
        failing.setattr(pipeline, "export", raise_parity_error)
        assert main(command) == 1
    assert "differs" in capsys.readouterr().err
    (run,) = client.search_runs([registry.experiment()], "status = 'FAILED'")
    kept = {file.path for folder in ("plots", "predictions", "checkpoints") for file in client.list_artifacts(
        run.info.run_id, folder)}  # fmt: skip
    assert {"plots/cases.png", "plots/roc.svg", "predictions/test.csv", "checkpoints/fine_tune-best.npz"} <= kept
    assert main(command) == 0
    assert registry.resolve("candidate").run == run.info.run_id
    assert client.get_run(run.info.run_id).info.status == "FINISHED"
    client.restore_run(before.run)
    registry.move_alias("candidate", before.version)


def raise_parity_error(*_: object, **__: object) -> None:
    raise ParityError("openvino-fp32 differs from the network")


def test_show_augmented_draws_a_sheet(finished: Path, tmp_path: Path) -> None:
    assert main(["show-augmented", str(finished / "drawn.toml"), str(tmp_path / "sheet.png")]) == 0
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape == (8 * 160, 8 * 160, 3)
    columns = [sheet[:, i * 160 : (i + 1) * 160].astype(int) for i in range(8)]
    assert all(np.abs(columns[0] - column).mean() > 3 for column in columns[1:])
