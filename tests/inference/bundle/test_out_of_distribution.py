"""Out-of-distribution detection: score against plain NumPy, its files, and the starter on photos and real lesions."""

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.bundle.out_of_distribution import OodDetector, scores
from inference.bundle.storage import Bundle, InvalidBundle, open_bundle
from inference.prediction.classifier import Classifier, Prediction
from tests.support.bundles import npz, put
from tests.support.fakes import CHANNELS, FakeRuntime
from tests.support.threshold import out_of_distribution
from training.data.ood_photos import photo_files
from training.data.synthetic_lesions import draw_lesion

pytestmark = pytest.mark.numeric
FEATURES = np.random.default_rng(0).normal(0.3, 1, (3, 4, 4, CHANNELS)).astype(np.float32)
BASIS = np.linalg.qr(np.random.default_rng(1).normal(size=(CHANNELS, 2)))[0].T.astype(np.float16)


@pytest.fixture
def folder(fake_bundle: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fake_bundle.path, tmp_path / "bundle"))


def test_the_score_is_the_square_of_the_sine() -> None:
    """Against the angle by arc cosine, image by image; three different images in one batch and each alone."""
    pooled = FEATURES.mean(axis=(1, 2))
    expected = []
    for x in pooled.astype(float):
        shadow = BASIS.astype(float).T @ (BASIS.astype(float) @ x)
        cosine = x @ shadow / np.linalg.norm(x) / np.linalg.norm(shadow)
        expected.append(np.sin(np.arccos(cosine)) ** 2)
    found = scores(pooled, BASIS)
    assert found == pytest.approx(expected, abs=2e-3)  # float16 is no exact basis
    assert [scores(x[np.newaxis], BASIS)[0] for x in pooled] == pytest.approx(found.tolist())
    assert len({*found}) == 3
    assert scores(7 * pooled, BASIS) == pytest.approx(found)


def test_inside_across_and_nothing() -> None:
    basis = np.eye(4, dtype=np.float16)[:2]
    rows = np.array([[3, 4, 0, 0], [0, 0, 0, 2], [1, 0, 1, 0], [0, 0, 0, 0]], np.float32)
    assert scores(rows, basis) == pytest.approx([0, 1, 0.5, 1])


def test_beyond_is_above_the_threshold_in_the_mean_of_the_views(starter: Bundle) -> None:
    found = scores(FEATURES.mean(axis=(1, 2)), BASIS)
    evaluation = starter.ood_detector.evaluation

    def beyond(threshold: float, features: np.ndarray) -> bool:
        return OodDetector(BASIS, evaluation.model_copy(update={"threshold": float(threshold)})).is_beyond(features)

    for number, score in enumerate(found):
        one = FEATURES[number : number + 1]
        assert not beyond(score + 1e-6, one)
        assert beyond(score - 1e-6, one)
    assert beyond(found.mean() - 1e-6, FEATURES)
    assert not beyond(found.mean() + 1e-6, FEATURES)


def test_a_bundle_without_it_never_says_it(fake_bundle: Bundle, starter: Bundle) -> None:
    assert fake_bundle.ood_detector is None
    evaluation = starter.ood_detector.evaluation.model_copy(update={"threshold": 1e-9})
    strict = replace(fake_bundle, ood_detector=OodDetector(BASIS[:1], evaluation))
    for bundle, said in ((fake_bundle, False), (strict, True)):
        classifier = Classifier(bundle, FakeRuntime(bundle))
        buffer = io.BytesIO()
        Image.fromarray(draw_lesion(width=60, height=45, seed=1)).save(buffer, "PNG")
        prepared = classifier.prepare(buffer.getvalue(), tta=4)
        prediction = classifier.predict(prepared, classifier.run(prepared.batch))
        assert ("out_of_distribution" in prediction.warnings) is said


def test_what_was_written_is_what_is_read(folder: Path, starter: Bundle) -> None:
    put(
        folder,
        {
            "novelty.npz": npz(components=BASIS),
            "novelty.json": starter.ood_detector.evaluation.model_dump_json().encode(),
        },
    )
    read = open_bundle(folder).ood_detector
    assert (read.components == BASIS).all()
    assert read.evaluation == starter.ood_detector.evaluation


def test_a_bundle_from_before_far_images_were_measured_opens(folder: Path, starter: Bundle) -> None:
    content = starter.ood_detector.evaluation.model_dump(mode="json", exclude={"far"})
    put(folder, {"novelty.npz": npz(components=BASIS), "novelty.json": json.dumps(content).encode()})
    assert open_bundle(folder).ood_detector.evaluation.far is None


@pytest.mark.parametrize(("components", "cause"), [
    (b"rubbish", r"novelty\.npz cannot be read"),
    (npz(components=np.array([{"a": 1}], dtype=object)), r"novelty\.npz cannot be read"),
    (npz(other=BASIS), "holds other; expected components"),
    (npz(components=BASIS.astype(np.float32)), "components is float32; expected float16"),
    (npz(components=BASIS.T), "have shape"),
    (npz(components=BASIS[0]), "have shape"),
    (npz(components=np.float16(1)), "have shape"),
    (npz(components=BASIS[:0]), "holds 0 components"),
    (npz(components=np.eye(3, dtype=np.float16)), "holds 3 components"),  # nothing would lie outside their span
    (npz(components=2 * BASIS), "not unit vectors"),
    (npz(components=np.full_like(BASIS, np.nan)), "not unit vectors"),
])  # fmt: skip
def test_wrong_components_are_refused(folder: Path, starter: Bundle, components: bytes, cause: str) -> None:
    put(folder, {"novelty.npz": components, "novelty.json": starter.ood_detector.evaluation.model_dump_json().encode()})
    with pytest.raises(InvalidBundle, match=cause):
        open_bundle(folder)


@pytest.mark.parametrize(("change", "cause"), [
    (lambda t: t.pop("threshold"), "threshold: Field required"),
    (lambda t: t.update(threshold=1.5), "threshold: Input should be less than 1"),
    (lambda t: t.update(colour="red"), "colour: Extra inputs"),
    (lambda t: t.update(flagged=t["photos"] + 1), "more photos or windows"),
])  # fmt: skip
def test_a_wrong_trial_is_refused(folder: Path, starter: Bundle, change: Callable[[dict], None], cause: str) -> None:
    content = starter.ood_detector.evaluation.model_dump(mode="json")
    change(content)
    put(folder, {"novelty.npz": npz(components=BASIS), "novelty.json": json.dumps(content).encode()})
    with pytest.raises(InvalidBundle, match=rf"novelty\.json: .*{cause}"):
        open_bundle(folder)


@pytest.mark.parametrize("name", ["novelty.npz", "novelty.json"])
def test_half_of_it_is_refused(folder: Path, starter: Bundle, name: str) -> None:
    put(folder, {name: (starter.path / name).read_bytes()})
    with pytest.raises(InvalidBundle, match=f"belong together; only {name} is present"):
        open_bundle(folder)


@pytest.fixture(scope="module")
def classifier(starter: Bundle) -> Classifier:
    return Classifier.open(starter)


@pytest.fixture(scope="module")
def ask(classifier: Classifier) -> Callable[..., Prediction]:
    def ask_(data: bytes, *, tta: int = 1) -> Prediction:
        prepared = classifier.prepare(data, tta=tta)
        return classifier.predict(prepared, classifier.run(prepared.batch))

    return ask_


@pytest.mark.parametrize("tta", [1, 4])
def test_no_photo_gets_a_silent_confident_answer(
    starter: Bundle, classifier: Classifier, ask: Callable[..., Prediction], tta: int
) -> None:
    """Photos, documents, the moon: each is flagged, has another warning, or is predicted with low confidence."""
    answers = {path.stem: ask(path.read_bytes(), tta=tta) for path in photo_files()}
    silent = [name for name, each in answers.items() if not each.warnings and each.confidence != "low"]
    assert silent == []
    if tta == 1:
        flagged = sum("out_of_distribution" in each.warnings for each in answers.values())
        unsure = sum(out_of_distribution(classifier, path.read_bytes())[1] for path in photo_files())
        evaluation = starter.ood_detector.evaluation
        assert (len(answers), evaluation.confident) == (evaluation.photos, 0)
        assert abs(flagged - evaluation.flagged) <= unsure < 3, "only what is close to the threshold may change sides"


def test_real_lesions_are_mostly_known(starter: Bundle, ask: Callable[..., Prediction], real_data: Path) -> None:
    """600 x 450 as a camera writes them, every class: more rare ones than in the data, which are flagged more often."""
    paths = sorted((real_data / "ham10000/originals_600x450").glob("*.jpg"))
    flagged = sum("out_of_distribution" in ask(path.read_bytes()).warnings for path in paths)
    assert len(paths) > 50
    assert flagged <= 0.2 * len(paths)


def test_the_starter_tells_and_stays_small(starter: Bundle) -> None:
    components, evaluation = starter.ood_detector.components, starter.ood_detector.evaluation
    assert components.shape == (126, 3840), "42 directions of each network"
    assert np.abs(components.astype(float) @ components.astype(float).T - np.eye(126)).max() < 2e-3
    assert (starter.path / "novelty.npz").stat().st_size < 400_000
    card = (starter.path / "MODEL_CARD.md").read_text()
    assert f"{evaluation.flagged} of {evaluation.photos} photos" in card
    assert f"AUROC {evaluation.auc.value:.3f}" in card
