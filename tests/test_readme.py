"""The README and the architecture page stay true."""

import ast
import json
import re

import cv2
import pytest

from inference.bundle import open_bundle
from inference.classifier import Classifier
from inference.report import report_prediction
from service.settings import table
from tests.running import ROOT, STARTER
from training.drawn import draw_lesion

README = (ROOT / "README.md").read_text()


def test_the_settings_table_is_the_settings() -> None:
    """After a change: python -m service.settings prints the new one."""
    assert table() in README


@pytest.mark.parametrize("package", ["inference", "service", "training"])
def test_the_tree_has_a_line_for_every_source_file(package: str) -> None:
    """The line is the first of the file's docstring."""
    tree = README.partition("## Where things are")[2]
    block = tree.partition(f"\n{package}/ ")[2]
    block = re.split(r"\n\S", block, maxsplit=1)[0]
    for path in sorted((ROOT / package).rglob("*.py")):
        words = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[0]
        name = f"{path.parent.name}/" if path.name == "__init__.py" else path.name
        if path.parent.name != package or path.name != "__init__.py":
            assert re.search(rf"^ +{re.escape(name)} +{re.escape(words)}$", block, re.MULTILINE), f"{path}: {words}"


def test_the_tree_names_every_template_and_static_file() -> None:
    tree = README.partition("## Where things are")[2]
    for folder in ("templates", "static"):
        names = [path.name for path in (ROOT / folder).iterdir() if path.is_file()]
        assert names
        assert not [name for name in names if name not in tree]


def test_the_example_is_what_the_starter_answers() -> None:
    """With the drawn lesion of the command above it."""
    shown = json.loads(re.findall(r"```json\n(.*?)```", README, re.DOTALL)[0])
    classifier = Classifier.open(open_bundle(STARTER))
    done, lesion = cv2.imencode(".png", draw_lesion(width=600, height=450, seed=1)[..., ::-1])
    assert done
    prepared = classifier.prepare(lesion.tobytes())
    answer = report_prediction(classifier.predict(prepared, classifier.run(prepared.batch)), "en")
    assert shown["probabilities"] == pytest.approx(answer["probabilities"], abs=1e-4)
    assert shown["prediction"]["class"] == answer["prediction"]["class"]
    assert {key: shown[key] for key in ("warnings", "disclaimer")} == {
        key: answer[key] for key in ("warnings", "disclaimer")
    }


def test_the_numbers_are_those_of_the_card() -> None:
    card = (STARTER / "MODEL_CARD.md").read_text()
    about = README.partition("## The model it starts with")[2].partition("\n## ")[0]
    said = re.findall(r"\d\.\d{3}(?: \[\d\.\d{3}, \d\.\d{3}\])?", about)
    assert said
    assert all(number in card for number in said)


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
