"""The forms of MLflow's scoring protocol; test_invocations.py asks the real scoring server with the same ones."""

import json
from collections.abc import Callable

import pytest

from inference.scoring import Parameters
from service.errors import InvalidFrame, TooManyImages
from service.frame import MAX_IMAGES, Frame, parse_frame

FORMS: dict[str, Callable[[list[str]], dict[str, object]]] = {
    "dataframe_split": lambda images: {
        "dataframe_split": {"columns": ["id", "image"], "index": [7, 9], "data": [[i, x] for i, x in enumerate(images)]}
    },
    "dataframe_split of one column": lambda images: {"dataframe_split": {"columns": ["image"], "data": images}},
    "dataframe_records": lambda images: {"dataframe_records": [{"image": each, "id": 1} for each in images]},
    "instances": lambda images: {"instances": images},
    "instances of objects": lambda images: {"instances": [{"image": each} for each in images]},
    "instances by column": lambda images: {"instances": {"image": images}},
    "inputs": lambda images: {"inputs": images},
    "inputs of objects": lambda images: {"inputs": [{"image": each} for each in images]},
    "inputs by column": lambda images: {"inputs": {"image": images}},
}


def parse(body: object) -> Frame:
    return parse_frame(json.dumps(body).encode())


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(form: str) -> None:
    body = FORMS[form](["first", "second"]) | {"params": {"tta": 4, "heatmap": True}}
    assert parse(body) == Frame(("first", "second"), Parameters(4, heatmap=True))


@pytest.mark.parametrize("params", [{}, {"params": None}, {"params": {}}, {"params": {"unknown": 1}}])
def test_parameters_have_defaults_and_unknown_ones_are_ignored(params: dict[str, object]) -> None:
    assert parse({"inputs": ["one"]} | params) == Frame(("one",), Parameters(1, heatmap=False))


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
    with pytest.raises(InvalidFrame) as found:
        parse(body)
    assert words in str(found.value)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidFrame):
        parse_frame(body)


def test_the_number_of_images_is_bounded() -> None:
    assert len(parse({"inputs": [""] * MAX_IMAGES}).cells) == MAX_IMAGES
    with pytest.raises(TooManyImages, match="101"):
        parse({"inputs": [""] * (MAX_IMAGES + 1)})
