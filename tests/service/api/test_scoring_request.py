"""What of MLflow's scoring protocol is read, and what is refused."""

import json

import pytest

from inference.mlflow_model.scoring import ScoringParameters
from service.api.scoring_request import ScoringRequest, parse_scoring_request
from service.errors import InvalidScoringRequest, TooManyImages
from service.scoring import MAX_IMAGES
from tests.support.scoring_forms import FORMS


def parse(body: object) -> ScoringRequest:
    return parse_scoring_request(json.dumps(body).encode())


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(form: str) -> None:
    body = FORMS[form](["first", "second"]) | {"params": {"tta": 4, "heatmap": True}}
    assert parse(body) == ScoringRequest(("first", "second"), ScoringParameters(4, heatmap=True))


@pytest.mark.parametrize("params", [{}, {"params": None}, {"params": {}}, {"params": {"unknown": 1}}])
def test_parameters_have_defaults_and_unknown_ones_are_ignored(params: dict[str, object]) -> None:
    assert parse({"inputs": ["one"]} | params) == ScoringRequest(("one",), ScoringParameters(1, heatmap=False))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "exactly one of dataframe_split, dataframe_records, instances, inputs"),
        ({}, "exactly one"),
        ({"inputs": [], "instances": []}, "exactly one"),
        ({"inputs": "aGVsbG8="}, "a list of images"),
        ({"inputs": {"picture": []}}, "'image'"),
        ({"instances": ["", {"x": 1}]}, "Row 1"),
        ({"dataframe_records": {"image": []}}, "a list of objects"),
        ({"dataframe_records": [{"image": ""}, {}]}, "Row 1"),
        ({"dataframe_split": {"data": [[""]]}}, "columns and data"),
        ({"dataframe_split": {"columns": ["x"], "data": [[""]]}}, "'image'"),
        ({"dataframe_split": {"columns": ["image"], "data": [[""], ["", 1]]}}, "Row 1 has 2 values"),
        ({"inputs": [], "params": []}, "params"),
        ({"inputs": [], "params": {"tta": 3}}, "tta is 3; allowed: 1, 2, 4, 8."),
        ({"inputs": [], "params": {"heatmap": "yes"}}, "heatmap is 'yes'; allowed: true, false."),
    ],
)
def test_another_form_is_refused_with_the_cause(body: object, words: str) -> None:
    with pytest.raises(InvalidScoringRequest) as found:
        parse(body)
    assert words in str(found.value)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidScoringRequest):
        parse_scoring_request(body)


def test_the_number_of_images_is_bounded() -> None:
    assert len(parse({"inputs": [""] * MAX_IMAGES}).cells) == MAX_IMAGES
    with pytest.raises(TooManyImages, match="101"):
        parse({"inputs": [""] * (MAX_IMAGES + 1)})
