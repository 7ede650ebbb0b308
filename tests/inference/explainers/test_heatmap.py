"""Where a feature cell lands: in the uploaded image's geometry, for every orientation and both fits."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from inference.explainers import colormap
from inference.explainers.class_maps import ExplanationRequest
from inference.explainers.heatmap import OPACITY, canvas, heatmap, overlay, png
from inference.imaging.preprocessing import Box
from inference.prediction.classifier import Classifier
from inference.runtimes import Outputs
from tests.support.fakes import CELLS, CHANNELS, FakeRuntime, write_fake_bundle
from tests.support.paths import ROOT


def decode_png(data: bytes) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return pixels if pixels.ndim == 2 else pixels[..., ::-1]


@pytest.mark.parametrize("views", [1, 8])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fit", ["squash", "center-crop"])
@pytest.mark.parametrize("spot", [(0, 0), (1, 2), (3, 3)])
def test_a_cell_lands_on_its_pixel(tmp_path, fit: str, orientation: int, spot: tuple[int, int], views: int) -> None:
    """The picture is black but for one white cell of the *displayed* field of view; the map must peak there."""
    bundle = write_fake_bundle(tmp_path / "bundle", fit=fit)
    bundle.head.w[:] = 1.0  # every class likes light
    classifier = Classifier(bundle, FakeRuntime(bundle))
    width, height = (320, 240) if orientation <= 4 else (240, 320)
    side = min(width, height)
    box = Box(0, 0, width, height) if fit == "squash" else Box((width - side) // 2, (height - side) // 2, side, side)
    shown = np.zeros((height, width, 3), np.uint8)
    row, column = spot
    rows = slice(box.y + row * box.height // CELLS, box.y + (row + 1) * box.height // CELLS)
    columns = slice(box.x + column * box.width // CELLS, box.x + (column + 1) * box.width // CELLS)
    shown[rows, columns] = 255

    prepared = classifier.prepare(stored_with(shown, orientation), tta=views)
    outputs = classifier.run(prepared.batch)
    explanation = classifier.analyse(prepared, outputs, ExplanationRequest(render="heatmap"))
    assert (explanation.width, explanation.height) == (width, height)
    assert explanation.field_of_view == box
    grey = decode_png(explanation.maps[0].heatmap)
    assert grey.shape == (height, width)
    centre = ((rows.start + rows.stop) // 2, (columns.start + columns.stop) // 2)
    assert grey[centre] >= 250
    assert grey.astype(float)[rows, columns].sum() > 0.4 * grey.sum()
    outside = np.ones_like(grey, bool)
    outside[box.y : box.y + box.height, box.x : box.x + box.width] = False
    assert not grey[outside].any()


def stored_with(shown: np.ndarray, orientation: int) -> bytes:
    """A file whose pixels, once its EXIF orientation is applied, are `shown`."""
    undo = {
        1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a), 7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(undo(shown))).save(buffer, "PNG", exif=exif)
    return buffer.getvalue()


def test_no_positive_evidence_gives_zeros_and_a_warning(tmp_path) -> None:
    bundle = write_fake_bundle(tmp_path / "bundle")
    bundle.head.w[:] = -1.0
    classifier = Classifier(bundle, FakeRuntime(bundle))
    buffer = io.BytesIO()
    Image.new("RGB", (50, 40), (200, 100, 50)).save(buffer, "PNG")
    prepared = classifier.prepare(buffer.getvalue())
    explanation = classifier.analyse(prepared, classifier.run(prepared.batch), ExplanationRequest())
    assert explanation.maps[0].peak == 0
    assert not decode_png(explanation.maps[0].heatmap).any()
    assert (decode_png(explanation.maps[0].overlay) == (200, 100, 50)).all()
    assert explanation.prediction.warnings == ("untrained_model", "blurred", "no_positive_evidence")


def test_the_maps_of_several_views_are_averaged_before_they_are_scaled(tmp_path) -> None:
    bundle = write_fake_bundle(tmp_path / "bundle")
    bundle.head.w[:] = 1.0
    classifier = Classifier(bundle, FakeRuntime(bundle))
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(buffer, "PNG")
    prepared = classifier.prepare(buffer.getvalue(), tta=2)
    features = np.zeros((2, CELLS, CELLS, CHANNELS), np.float32)
    features[0, 0, 0], features[1, 0, -1] = 1.0, 3.0  # the second view is mirrored: both mean the top left
    logits = np.zeros((2, 7), np.float32)
    found = classifier.analyse(prepared, Outputs(logits, features), ExplanationRequest(methods=("gradcam",)))
    single = classifier.analyse(prepared, Outputs(logits[:1], features[:1]), ExplanationRequest(methods=("gradcam",)))
    assert single.maps[0].peak > 0
    assert found.maps[0].peak == pytest.approx(2 * single.maps[0].peak)


@pytest.mark.parametrize(
    ("size", "expected"), [((600, 450), (600, 450)), ((4000, 3000), (1024, 768)), ((1, 4000), (1, 1024))]
)
def test_the_longest_side_is_at_most_1024(size: tuple[int, int], expected: tuple[int, int]) -> None:
    found = canvas(width=size[0], height=size[1], view=Box(0, 0, *size))
    assert (found.width, found.height) == expected
    assert found.box == Box(0, 0, *expected)
    assert heatmap(np.ones((7, 7), np.float32), on=found).shape == expected[::-1]


def test_the_overlay_colours_only_evidence() -> None:
    rgb = np.full((4, 4, 3), 90, np.uint8)
    grey = np.zeros((4, 4), np.uint8)
    grey[1, 2] = 255
    mixed = overlay(rgb, grey)
    expected = 90 * (1 - OPACITY) + colormap.table()[255].astype(float) * OPACITY
    assert np.abs(mixed[1, 2] - expected).max() <= 0.51, "rounded"
    mixed[1, 2] = 90
    assert (mixed == 90).all()


def test_png_keeps_the_channels_in_order() -> None:
    rgb = np.array([[[1, 2, 3], [250, 128, 0]]], np.uint8)
    assert (np.asarray(Image.open(io.BytesIO(png(rgb)))) == rgb).all()


def test_the_browser_has_the_same_colours() -> None:
    assert (ROOT / "static" / "colormap.js").read_text() == colormap.javascript()


def test_the_colour_map_is_perceptually_uniform() -> None:
    """Lightness (CIE L*) rises steadily, so that more evidence always looks like more."""
    lab = cv2.cvtColor(colormap.table()[np.newaxis].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    steps = np.diff(lab[::16, 0])
    assert (steps > 0).all()
    assert steps.max() < 2.5 * steps.min()


@pytest.mark.parametrize(("shape", "dtype"), [
    ((4, 6, 4), np.uint8), ((4, 6, 1), np.uint8), ((24,), np.uint8), ((0, 6), np.uint8), ((4, 6), np.float32),
])  # fmt: skip
def test_a_png_of_anything_else_is_refused(shape: tuple[int, ...], dtype: type) -> None:
    with pytest.raises(ValueError, match=r"A PNG has uint8 \[h, w\] or \[h, w, 3\], not "):
        png(np.zeros(shape, dtype))
