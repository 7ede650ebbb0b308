"""Replies of a real service to an image."""

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support import http


def post_image(address: str, path: str, data: bytes) -> dict[str, Any]:
    """The reply to an image that is analysed."""
    response = http.post(f"{address}{path}", files={"file": data})
    assert response.status_code == 200, response.text
    return response.json()


def check_explanation(answer: dict[str, Any], *, width: int, height: int) -> None:
    """One explanation, whose two pictures have the size of the image."""
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-9)
    (one,) = answer["explanations"]
    heatmap, overlay = (Image.open(io.BytesIO(base64.b64decode(one[name]))) for name in ("heatmap", "overlay"))
    assert (heatmap.mode, overlay.mode) == ("L", "RGB")
    assert heatmap.size == overlay.size == (width, height)
    assert one["peak"] > 0
    assert np.asarray(heatmap).max() >= 250
