"""The forms of MLflow's scoring protocol: each makes a request's body of a list of images in base64."""

from collections.abc import Callable

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
