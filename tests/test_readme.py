"""The README and the pages of docs/ stay true."""

import json
import re
from pathlib import Path

import cv2
import pytest

from inference.bundle.storage import open_bundle
from inference.prediction.classifier import Classifier
from inference.prediction.serialization import prediction_reply
from service.settings import table
from tests.support.paths import ROOT, STARTER
from training.data.synthetic_lesions import draw_lesion

README = (ROOT / "README.md").read_text()
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
FOLDERS = (
    "benchmarks",
    "client",
    "deploy",
    "examples",
    "inference",
    "lunar",
    "models",
    "service",
    "static",
    "templates",
    "tests",
    "training",
)


def test_the_settings_table_is_the_settings() -> None:
    """After a change: python -m service.settings prints the new one."""
    assert table() in (ROOT / "docs" / "configuration.md").read_text()


@pytest.mark.parametrize("package", ["inference", "service", "training", "lunar"])
def test_the_architecture_names_every_room(package: str) -> None:
    """One row of a table per room and per module beside the rooms, and no row without one."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    section = page.partition(f"\n### `{package}/`")[2].partition("\n#")[0]
    rows = re.findall(r"^\| `([\w/.]+)` \| \S", section, re.MULTILINE)
    rooms = [f"{path.parent.name}/" for path in (ROOT / package).glob("*/__init__.py")]
    modules = [path.name for path in (ROOT / package).glob("*.py") if path.name != "__init__.py"]
    assert sorted(rows) == sorted(rooms + modules)


@pytest.mark.numeric
def test_the_example_is_what_the_starter_answers() -> None:
    """With the drawn lesion of the command above it."""
    shown = json.loads(re.findall(r"```json\n(.*?)```", README, re.DOTALL)[0])
    classifier = Classifier.open(open_bundle(STARTER))
    done, lesion = cv2.imencode(".png", draw_lesion(width=600, height=450, seed=1)[..., ::-1])
    assert done
    prepared = classifier.prepare(lesion.tobytes())
    prediction = classifier.predict(prepared, classifier.run(prepared.batch))
    answer = prediction_reply(prediction, "en").model_dump(by_alias=True)
    assert shown["probabilities"] == pytest.approx(answer["probabilities"], abs=1e-4)
    assert shown["prediction"]["class"] == answer["prediction"]["class"]
    assert {key: shown[key] for key in ("warnings", "disclaimer")} == {
        key: answer[key] for key in ("warnings", "disclaimer")
    }


def test_the_numbers_are_those_of_the_card() -> None:
    """Or of the tables of other images in the evaluation, which the card has not."""
    evaluation = (ROOT / "docs" / "evaluation.md").read_text()
    tables = (
        evaluation.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        for heading in ("Other copies of the same lesions", "The starter on ISIC 2017")
    )
    measured = (STARTER / "MODEL_CARD.md").read_text() + "".join(tables)
    about = README.partition("## The starter model")[2].partition("\n## ")[0]
    said = re.findall(r"\d\.\d{3}(?: \[\d\.\d{3}, \d\.\d{3}\])?", about)
    assert said
    assert [number for number in said if number not in measured] == []


def test_the_figures_of_speed_are_those_of_the_tables() -> None:
    """The README's and the conclusions'. After `make bench`, change both."""
    page = (ROOT / "docs" / "performance.md").read_text()
    measured = "".join(re.findall(r"<!-- table: .*?<!-- end -->", page, re.DOTALL))
    cells = set(re.findall(r"\d+\.\d+", measured))
    verdicts = re.findall(r"[|] (yes|\*\*no\*\*|not measured).* [|]$", measured, re.MULTILINE)
    conclusions = page.partition("\n## Conclusions")[2].partition("\n## ")[0]
    for text in (conclusions, README.partition("\n## Speed")[2].partition("\n## ")[0]):
        figures = re.findall(r"\d+\.\d+", text)
        assert figures
        assert [figure for figure in figures if figure not in cells] == []
        assert f"{verdicts.count('yes')} of {len(verdicts)} targets are met" in text.replace("*", "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    """Relative links with their headings, and paths of the repository in code spans."""
    text = page.read_text()
    for target, heading in re.findall(r"\]\(([^)#:]*)(?:#([^)]+))?\)", text):
        linked = page.parent / target if target else page
        assert linked.exists(), f"{page.name} links to {target}"
        if heading:
            assert heading in _headings(linked.read_text()), f"{page.name} links to {target}#{heading}"
    for path in re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]+)`", text):
        assert (ROOT / path).exists(), f"{page.name} names {path}"


def _headings(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
