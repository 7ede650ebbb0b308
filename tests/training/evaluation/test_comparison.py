"""Comparisons: paired by lesion, with leaky and quoted results marked, and the decision of promote."""

from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from inference.domain.taxonomy import CLASSES
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.answers import make_answers
from training.evaluation.comparison import Contender, NotComparable, compare, worse_than
from training.evaluation.metrics import all_numbers
from training.evaluation.predictions import InvalidPredictions, Predictions, write_predictions
from training.reporting import quoted_report
from training.reporting.comparison_report import html, markdown
from training.reporting.published_results import QUOTED, Quoted, read_quoted
from training.tracking.stored_predictions import NoPredictions, fetch_contender

GOOD = make_answers(skill=3.0)
POOR = make_answers(skill=2.0)


def replaced(predictions: Predictions, **fields: np.ndarray) -> Predictions:
    names = ("image_ids", "lesion_ids", "labels", "probabilities", "logits")
    return Predictions(**{name: fields.get(name, getattr(predictions, name)) for name in names})


def contenders(*predictions: Predictions, leaky: tuple[int, ...] = ()) -> list[Contender]:
    return [Contender(f"model {number}", own, leaky=number in leaky) for number, own in enumerate(predictions)]


def test_a_difference_is_the_difference_of_the_values() -> None:
    result = compare(contenders(GOOD, POOR), seed=1, resamples=50)
    good, poor = (all_numbers(each.labels, each.probabilities, np.ones((1, 400))) for each in (GOOD, POOR))
    for key, difference in result.columns[1].differences.items():
        assert difference.interval.value == pytest.approx(poor[key][0] - good[key][0])
        assert result.columns[1].numbers[key].value == pytest.approx(poor[key][0])
    assert result.columns[0].differences == {}


def test_nothing_differs_between_a_model_and_itself() -> None:
    result = compare(contenders(GOOD, GOOD), seed=1, resamples=50)
    assert not any(difference.real for difference in result.columns[1].differences.values())


def test_pairing_finds_what_separate_intervals_cannot() -> None:
    """The second model makes the errors of the first and 13 more: the intervals overlap, the difference is real."""
    probabilities = GOOD.probabilities.copy()
    right = np.flatnonzero(GOOD.predicted == GOOD.labels)[::25][:13]
    probabilities[right] = np.roll(probabilities[right], 1, axis=1)
    first, second = compare(contenders(GOOD, replaced(GOOD, probabilities=probabilities)), seed=1).columns
    key = ("accuracy", "")
    assert second.numbers[key].high > first.numbers[key].low
    difference = second.differences[key]
    assert difference.interval.value == pytest.approx(-13 / 400)
    assert difference.real
    assert not difference.better


def test_equal_models_differ_for_real_in_about_one_of_twenty() -> None:
    """Repeated pairs of equally good models: about 95 % of the intervals contain 0."""
    found = 0
    for evaluation in range(40):
        pair = (make_answers(count=200, noise=10 + evaluation), make_answers(count=200, noise=500 + evaluation))
        result = compare(contenders(*pair), seed=evaluation, resamples=200)
        found += result.columns[1].differences["accuracy", ""].real
    assert found <= 6  # of 40; binomial with p = 0.05 exceeds 6 in one of 300 cases


def test_a_lower_calibration_error_is_better() -> None:
    uncertain = replaced(GOOD, probabilities=0.4 * GOOD.probabilities + 0.6 / 7)
    _, column = compare(contenders(GOOD, uncertain), seed=1, resamples=50).columns
    difference = column.differences["calibration_error", ""]
    assert difference.interval.value > 0
    assert difference.real
    assert not difference.better


def test_only_shared_images_are_compared_in_whatever_order() -> None:
    order = np.random.default_rng(1).permutation(300)
    result = compare(contenders(GOOD, GOOD.at(order)), seed=1, resamples=20)
    assert (result.images, result.lesions) == (300, 150)
    assert [(each.images, each.lesions) for each in result.columns] == [(400, 200), (300, 150)]
    assert all(abs(each.interval.value) < 1e-9 for each in result.columns[1].differences.values())
    assert "300 images of 150 lesions" in markdown(result)


def test_what_cannot_be_compared_is_said_with_counts() -> None:
    first, second = GOOD.at(np.arange(0, 399, 2)), POOR.at(np.arange(1, 399, 2))
    with pytest.raises(
        NotComparable, match=r"share no image and 199 lesions \(model 0 has 200 images, model 1 has 199"
    ):
        compare(contenders(first, second), seed=1)
    labels = GOOD.labels.copy()
    labels[:3] = (labels[:3] + 1) % 7
    with pytest.raises(NotComparable, match="disagree about the diagnosis or the lesion of 3 of 400 shared images"):
        compare(contenders(GOOD, replaced(GOOD, labels=labels)), seed=1)
    with pytest.raises(NotComparable, match="two or more different names"):
        compare([Contender("a", GOOD, leaky=False)] * 2, seed=1)
    with pytest.raises(NotComparable, match="not model 0"):
        compare(contenders(GOOD), seed=1)


def test_promote_refuses_what_is_worse_and_says_why() -> None:
    reason = worse_than(POOR, GOOD, seed=1)
    assert reason is not None
    assert "on the 200 lesions" in reason
    assert "balanced accuracy is 0." in reason
    assert worse_than(GOOD, POOR, seed=1) is None
    assert worse_than(GOOD, GOOD, seed=1) is None


def test_promote_refuses_missed_melanomas_alone() -> None:
    """Every second melanoma is predicted as a naevus, and all other classes are predicted perfectly."""
    mel = CLASSES.index("mel")
    probabilities = np.eye(7)[GOOD.labels] * 0.94 + 0.06 / 7
    missed = np.flatnonzero(GOOD.labels == mel)[::2]
    probabilities[missed] = np.eye(7)[5]
    reason = worse_than(replaced(GOOD, probabilities=probabilities), GOOD, seed=1)
    assert reason is not None
    assert "melanoma recall" in reason
    assert "balanced accuracy" not in reason


def test_promote_needs_shared_melanomas() -> None:
    rows = np.flatnonzero(GOOD.labels != CLASSES.index("mel"))
    with pytest.raises(NotComparable, match="do not define melanoma recall"):
        worse_than(POOR, GOOD.at(rows), seed=1, resamples=50)


@pytest.fixture(scope="module")
def reports() -> tuple[str, str]:
    entries = contenders(GOOD, POOR, GOOD, leaky=(2,))
    entries[1] = Contender("<b>bold</b> | [x](y)", POOR, leaky=False)
    result = compare(entries, seed=1, resamples=100)
    quoted = [read_quoted(name) for name in QUOTED]
    return markdown(result, quoted=quoted), html(result, quoted=quoted)


def test_the_markdown_tables_have_one_width(reports: tuple[str, str]) -> None:
    lines = [line for line in reports[0].splitlines() if line.startswith("|")]
    widths = [line.replace("\\|", "").count("|") for line in lines]
    assert widths == [7] * (2 + 11) + [7] * (2 + 21) + [6] * (2 + 32)
    (row,) = [line for line in lines if line.startswith("| Balanced accuracy") and "yes" in line]
    assert "**yes, worse**" in row
    assert row.rstrip(" |").endswith("no")


def test_leaks_and_quotations_are_marked(reports: tuple[str, str]) -> None:
    for text in reports:
        assert "model 2 (leaky)" in text
        assert "Leaky: model 2." in text
        assert "quoted, not measured here; validation data split by image" in text
    row, _ = [line for line in reports[0].splitlines() if line.startswith("| vasc, recall")]
    assert row.endswith("| *1.00* | *0.905* |")


def test_the_page_is_self_contained_and_escapes_names(reports: tuple[str, str]) -> None:
    page = reports[1]
    assert "&lt;b&gt;bold" in page
    assert "<b>" not in page
    for forbidden in ("<script", "src=", "href=", "@import", "url("):
        assert forbidden not in page
    assert "prefers-color-scheme: dark" in page
    assert r"\<b>bold\</b> \| [x]\(y)" in reports[0]


def test_published_results_are_compared_without_a_run() -> None:
    """Global and per class, and the change from B4 to V2M; what was not published stays empty."""
    results = [read_quoted(name) for name in QUOTED]
    text = quoted_report.markdown(results)
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ")[1:] for line in text.splitlines() if "| " in line}
    assert rows["Accuracy"] == ["0.737", "0.751", "+0.014 |"]
    assert rows["Macro F1"] == ["0.636", "0.668", "+0.032 |"]
    assert rows["Macro recall"] == ["–", "0.769", "– |"]
    assert rows["vasc, recall"] == ["1.00", "0.905", "−0.095 |"]
    assert len(rows) == 2 + 7 + 3 * len(CLASSES)  # two headers and rules share their first cells
    assert "66 % of the validation melanomas" in text
    assert "<table" in quoted_report.html(results)


@pytest.mark.parametrize("name", QUOTED)
def test_quoted_averages_are_those_of_their_classes(name: str) -> None:
    """A typing error in one value would change the published average (rounded to two or three digits)."""
    quoted: Quoted = read_quoted(name)
    assert set(quoted.per_class) == set(CLASSES)
    for number in ("precision", "recall", "f1"):
        published = quoted.value(f"macro_{number}", "")
        mean = np.mean([quoted.per_class[code][number] for code in CLASSES])
        assert published is None or published == pytest.approx(mean, abs=0.5 * 10**-quoted.class_digits + 5e-4)
    assert quoted.value("macro_auc", "") is None


def test_predictions_come_back_from_mlflow(tmp_path: Path) -> None:
    registry = Registry(RegistrySettings(home=tmp_path))
    experiment = registry.experiment()
    client = MlflowClient(tracking_uri=registry.tracking_uri)
    write_predictions(GOOD, tmp_path / "test.csv")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "test.csv").write_text("nonsense")
    runs = {}
    for name, file in (("image", "test.csv"), ("wrong", "other/test.csv"), ("empty", "")):
        run = runs[name] = client.create_run(experiment, run_name=name).info.run_id
        client.log_param(run, "data.split", name)
        if file:
            client.log_artifact(run, str(tmp_path / file), "predictions")
    fetched = fetch_contender(runs["image"], tracking_uri=registry.tracking_uri)
    assert (fetched.name, fetched.leaky) == (f"image ({runs['image'][:8]})", True)
    assert np.array_equal(fetched.predictions.probabilities, GOOD.probabilities)
    for missing in (runs["empty"], "no-such-run"):
        with pytest.raises(NoPredictions, match=missing):
            fetch_contender(missing, tracking_uri=registry.tracking_uri)
    with pytest.raises(InvalidPredictions, match=runs["wrong"]):
        fetch_contender(runs["wrong"], tracking_uri=registry.tracking_uri)
