"""Prediction sets, calibrated risk and prevalence at the API and on the page, of a bundle that has them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from inference.bundle.prediction_sets import COVERAGES
from inference.bundle.storage import MANIFEST, Bundle, write_bundle
from inference.bundle.uncertainty import MalignancyCalibration
from inference.domain.prevalence import Prevalence
from inference.domain.risk import Thresholds
from inference.domain.taxonomy import CLASSES
from inference.registry.mlflow_registry import Registry
from service.settings import Settings
from tests.support.lesion_images import lesion
from tests.support.locales import LOCALES


@pytest.fixture(scope="module")
def certain(fake_bundle: Bundle, starter: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a registry that serves the fake network with what the starter knows of itself."""
    folder = tmp_path_factory.mktemp("certain") / "bundle"
    shutil.copytree(fake_bundle.path, folder)
    (folder / MANIFEST).unlink()
    for name in ("uncertainty.json", "maps.json"):
        shutil.copy(starter.path / name, folder)
    said = {key: getattr(starter.manifest, key) for key in ("metrics", "data")}
    low = Thresholds(moderate=1e-6, high=2e-6)  # every answer has a high risk, that of a naevus too
    draft = fake_bundle.manifest.replaced(trained=True, thresholds=low, **said)
    bundle = write_bundle(folder, draft, head=fake_bundle.head, golden=fake_bundle.golden)
    home = tmp_path_factory.mktemp("certain-home")
    Registry(Settings(home=home)).publish(bundle, alias="champion", source="test")
    return home


def ask(client: TestClient, path: str = "/predict", **form: str) -> dict:
    response = client.post(path, files={"file": ("lesion.jpg", lesion(), "image/jpeg")}, data=form)
    assert response.status_code == 200, response.text
    return response.json()


def test_sets_grow_with_the_coverage_and_the_operator_sets_the_prevalence(
    open_client: Callable[..., TestClient], certain: Path, starter: Bundle
) -> None:
    usual = open_client(home=certain)
    sets = {coverage: ask(usual, f"/predict?coverage={coverage}")["prediction_set"] for coverage in (0.8, 0.9, 0.95)}
    assert [each["coverage"] for each in sets.values()] == [0.8, 0.9, 0.95]
    assert set(sets[0.8]["classes"]) <= set(sets[0.9]["classes"]) <= set(sets[0.95]["classes"])
    assert ask(usual)["prediction_set"] == sets[0.9] == ask(usual, "/explain")["prediction_set"]
    assert ask(usual, coverage="0.95")["prediction_set"] == sets[0.95]
    model = usual.get("/model").json()
    assert model["prevalence"] == ask(usual)["prevalence"] == "model"
    assert model["uncertainty"] == starter.uncertainty.model_dump(mode="json")

    there = open_client(home=certain, prevalence="1,2,3,1,1,90,2")
    answer, before = ask(there), ask(usual)
    shares = Prevalence.parse("1,2,3,1,1,90,2").shares
    assert answer["prevalence"] == there.get("/model").json()["prevalence"] == dict(zip(CLASSES, shares, strict=True))
    assert answer["probabilities"]["nv"] > before["probabilities"]["nv"]
    assert answer["risk"]["malignant_probability"] == before["risk"]["malignant_probability"]
    assert (answer["risk"]["calibrated_probability"], before["risk"]["calibrated_probability"] is None) == (None, False)


def test_the_parameter_has_the_coverages_of_the_bundle(client: TestClient) -> None:
    parameters = client.get("/openapi.json").json()["paths"]["/predict"]["post"]["parameters"]
    (enumeration,) = [each["schema"]["enum"] for each in parameters if each["name"] == "coverage"]
    assert enumeration == [str(coverage) for coverage in COVERAGES]


@pytest.mark.parametrize("coverage", ["0.99", "1", "much", "nan"])
def test_another_coverage_is_refused_with_those_that_are_allowed(client: TestClient, coverage: str) -> None:
    response = client.post(f"/predict?coverage={coverage}", files={"file": ("lesion.jpg", lesion(), "image/jpeg")})
    assert response.status_code == 422
    assert "coverage" in response.text


def test_a_benign_answer_at_another_mix_and_a_high_level_are_explained(
    open_client: Callable[..., TestClient], certain: Path
) -> None:
    for prevalence, said in (("1,1,1,1,1,9999,1", True), ("ham10000", False)):
        client = open_client(home=certain, prevalence=prevalence)
        page = client.post("/?lang=en", files={"file": ("lesion.jpg", lesion(), "image/jpeg")}).text
        assert 'data-risk="high"' in page
        assert (LOCALES["en"].texts["certainty"]["disagreement"] in page) is said


@pytest.mark.parametrize(("probability", "word"), [(0.004, "few"), (0.01, "about"), (0.9, "about"), (0.97, "many")])
def test_the_page_says_no_more_than_was_found(
    open_client: Callable[..., TestClient], certain: Path, probability: float, word: str
) -> None:
    client = open_client(home=certain)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MalignancyCalibration, "probability", lambda _, score: probability)
        page = client.post("/?lang=en", files={"file": ("lesion.jpg", lesion(), "image/jpeg")}).text
    words = LOCALES["en"].texts["certainty"]
    expected = words["malignant"].format(count=words[word].format(count=round(probability * 100)))
    assert expected in " ".join(page.split()).replace("&#39;", "'")


def test_a_bundle_without_the_data_answers_and_says_so(open_client: Callable[..., TestClient]) -> None:
    client = open_client(prevalence="uniform")
    answer = ask(client)
    assert (answer["prediction_set"], answer["risk"]["calibrated_probability"]) == (None, None)
    assert answer["prevalence"] == client.get("/model").json()["prevalence"] == "model"
    assert client.get("/model").json()["uncertainty"] is None


@pytest.mark.parametrize("language", ["es", "en"])
def test_page_and_card_say_it_in_words(
    open_client: Callable[..., TestClient], certain: Path, starter: Bundle, language: str
) -> None:
    client, texts = open_client(home=certain, prevalence="ham10000"), LOCALES[language].texts
    page = client.post(f"/?lang={language}", files={"file": ("lesion.jpg", lesion(), "image/jpeg")}).text
    page = " ".join(page.split())  # the narrow space before a per cent sign too
    count = len(ask(client)["prediction_set"]["classes"])
    form = texts["certainty"]["one" if count == 1 else "every" if count == len(CLASSES) else "several"]
    assert form.partition("{names}")[0].format(share=90) in page
    assert 'class="calibrated"' not in page
    assert texts["certainty"]["reweighted"].format(name="ham10000") in page.replace("&#39;", "'")
    assert texts["evidence"]["ignores"] in page
    card = " ".join(client.get(f"/model-card?lang={language}&melanomas=35").text.split())
    assert 'value="35"' in card
    found = starter.uncertainty.alarms.moderate.classes["mel"]
    shown = card.partition('id="typical"')[2].partition("</ul>")[0]
    assert f"{LOCALES[language].decimal(35 * found.value, digits=1)} (" in shown
    assert f"{LOCALES[language].decimal(35 * (1 - found.value), digits=1)} (" in shown
    assert texts["card"]["certainty"]["prevalence_now"].format(name="ham10000") in card
    right = starter.uncertainty.prediction_sets.rules[1].single_right["mel"]
    alone = card.partition(f"<caption>{texts['card']['certainty']['single_caption']}")[2].partition("</table>")[0]
    assert LOCALES[language].percent(right.value).replace("\u202f", " ") in alone
    wrong = " ".join(client.get(f"/model-card?lang={language}&melanomas=many").text.split())
    assert texts["card"]["frequencies"]["wrong"].format(melanomas=20) in wrong
