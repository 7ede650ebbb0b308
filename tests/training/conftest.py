"""Drawn lesions on disk in the layout of HAM10000 from Kaggle."""

import csv
from pathlib import Path

import cv2
import pytest

from inference.domain.taxonomy import CLASSES
from training.data.synthetic_lesions import draw_lesion


@pytest.fixture(scope="session")
def kaggle_layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of images and one table, as in HAM10000 from Kaggle; 40 drawn lesions of each class."""
    root = tmp_path_factory.mktemp("data")
    for number in (1, 2):
        (root / f"HAM10000_images_part_{number}").mkdir()
    with (root / "HAM10000_metadata.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"])
        for number in range(280):
            code = CLASSES[number % 7]
            table.writerow([f"HAM_{number:07}", f"ISIC_{number:07}", code, "histo", "50.0", "male", "back"])
            path = root / f"HAM10000_images_part_{1 + number % 2}" / f"ISIC_{number:07}.jpg"
            drawing = draw_lesion(width=80, height=60, seed=number)
            drawing[..., number % 3] //= 1 + number % 7  # depends on the class, so that the classes can be learnt
            cv2.imwrite(str(path), drawing[..., ::-1])
    return root
