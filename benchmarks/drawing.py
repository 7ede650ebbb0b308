"""python -m benchmarks.drawing: times of all steps around the model, in milliseconds.

It times the steps from a file to the model's input, for an upload of 600 x 450 pixels and a photo of 12 megapixels; the
maps of all seven classes; one heat map and its overlay; each PNG encoder of OpenCV and Pillow, with the size of its
file; base64 and the JSON of an answer. The photo is decoded at its full size and at half of it, as the service does for
this model, with the largest difference in the input in grey levels. The picture is drawn and has the noise of a camera,
because PNG files without noise would be much smaller than real ones. The steps take turns. Prints one JSON line.
"""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.harness.measuring import emit, flat, options, summary, take_turns
from inference.bundle.storage import open_bundle
from inference.domain.model_version import ModelVersion
from inference.explainers import EXPLAINERS
from inference.explainers.class_maps import ExplanationRequest
from inference.explainers.heatmap import canvas, heatmap, overlay, png
from inference.imaging.decoding import decode
from inference.imaging.preprocessing import Preprocessing, fit
from inference.prediction.classifier import Classifier
from inference.prediction.serialization import explanation_reply, model_reply
from service.representations.documents import ExplainReply
from training.data.synthetic_lesions import draw_lesion

SECONDS, PHOTO_SECONDS = 8.0, 8.0
UPLOAD, PHOTO = (600, 450), (4000, 3000)
SPEC = Preprocessing(size=480, fit="squash")
NOISE = 6.0  # grey levels, one standard deviation
STRATEGIES = ("DEFAULT", "FILTERED", "HUFFMAN_ONLY", "RLE", "FIXED")
FILTERS = ("NONE", "SUB", "UP", "AVG", "PAETH")
Ways = dict[str, Callable[[], object]]


def main() -> None:
    """Measure and print."""
    given, began = options(__doc__.partition(":")[0]).parse_args(), time.perf_counter()
    classifier = Classifier.open(open_bundle(given.bundle))
    upload, photo = _jpeg(*UPLOAD), _jpeg(*PHOTO)
    pictures = _pictures(classifier, upload)
    times = take_turns(
        _before_the_model(classifier, upload) | _after_the_model(classifier, upload, pictures),
        seconds=given.share * SECONDS,
    )
    times |= take_turns(_photo(classifier, photo), seconds=given.share * PHOTO_SECONDS)
    emit(
        "drawing",
        began=began,
        share=given.share,
        packages=("openvino", "numpy", "opencv-python-headless", "pillow"),
        milliseconds={name: summary(flat(rounds)) for name, rounds in times.items()},
        halved_differs=int(np.abs(_halved(photo) - fit(decode(photo).rgb, SPEC).astype(int)).max()),
        encoders={
            "heat map": _encoders(pictures.heatmap, given.share),
            "overlay": _encoders(pictures.overlay, given.share),
        },
    )


@dataclass(frozen=True, slots=True)
class Pictures:
    """One map float32 [g, g] of the upload, and what is drawn of it: uint8 [h, w] and [h, w, 3]."""

    class_map: NDArray[np.float32]
    heatmap: NDArray[np.uint8]
    overlay: NDArray[np.uint8]


def _pictures(classifier: Classifier, upload: bytes) -> Pictures:
    prepared = classifier.prepare(upload)
    outputs = classifier.run(prepared.batch)
    class_map = EXPLAINERS["gradcam++"](outputs.features, classifier.bundle.head)[0][:, :, 0]
    grey = heatmap(class_map, on=canvas(width=UPLOAD[0], height=UPLOAD[1], view=prepared.picture.field_of_view))
    return Pictures(class_map, grey, overlay(prepared.picture.canvas, grey))


def _before_the_model(classifier: Classifier, upload: bytes) -> Ways:
    picture = decode(upload).rgb
    return {
        "decode, 600 x 450": lambda: decode(upload),
        "fit to 480, 600 x 450": lambda: fit(picture, SPEC),
        "decode and fit to 480, 600 x 450": lambda: fit(decode(upload).rgb, SPEC),
        "all that comes before the model, 600 x 450": lambda: classifier.prepare(upload),
    }


def _after_the_model(classifier: Classifier, upload: bytes, pictures: Pictures) -> Ways:
    prepared = classifier.prepare(upload)
    outputs, head = classifier.run(prepared.batch), classifier.bundle.head
    on = canvas(width=UPLOAD[0], height=UPLOAD[1], view=prepared.picture.field_of_view)
    seven = ExplanationRequest.from_parameters(method="gradcam++", target="all", render="heatmap")
    explained = classifier.analyse(prepared, outputs, ExplanationRequest())
    version = ModelVersion("skin-lesion", "1", "champion", "", "benchmark")
    start = {"request_id": "0" * 32, "model": model_reply(version, classifier.bundle.manifest)}
    body = dict(explanation_reply(explained, "en"))
    return {
        "maps of seven classes": lambda: EXPLAINERS["gradcam++"](outputs.features, head),
        "heat map": lambda: heatmap(pictures.class_map, on=on),
        "overlay": lambda: overlay(prepared.picture.canvas, pictures.heatmap),
        "heat map as PNG": lambda: png(pictures.heatmap),
        "overlay as PNG": lambda: png(pictures.overlay),
        "seven heat maps as PNG": lambda: classifier.analyse(prepared, outputs, seven),
        "answer with both, PNGs in base64": lambda: explanation_reply(explained, "en"),
        "answer with both, validated and as JSON": lambda: ExplainReply(**start, **body).model_dump_json(by_alias=True),
    }


def _photo(classifier: Classifier, photo: bytes) -> Ways:
    return {
        "decode, 12 megapixels": lambda: decode(photo),
        "decode and fit to 480, 12 megapixels": lambda: fit(decode(photo).rgb, SPEC),
        "decode to half the size and fit to 480, 12 megapixels": lambda: _halved(photo),
        "all that comes before the model, 12 megapixels": lambda: classifier.prepare(photo),
    }


def _jpeg(width: int, height: int) -> bytes:
    noise = np.random.default_rng(0).normal(0, NOISE, (height, width, 1))
    pixels = np.clip(draw_lesion(width=width, height=height, seed=1) + noise, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def _halved(photo: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(photo)) as image:
        image.draft("RGB", (PHOTO[0] // 2, PHOTO[1] // 2))
        return fit(np.asarray(image), SPEC)


def _encoders(pixels: NDArray[np.uint8], share: float) -> list[dict[str, object]]:
    """Every way, the fastest first: milliseconds and kilobytes."""
    ways: dict[str, Callable[[], bytes]] = {
        "chosen": lambda: png(pixels),
        "Pillow, level 1": lambda: _pillow(pixels, 1),
    }
    ways |= {"Pillow, default": lambda: _pillow(pixels, 6)}
    ways |= {"OpenCV, level 1": _opencv(pixels), "OpenCV, level 3": _opencv(pixels, level=3)}
    for strategy, filter_ in product(STRATEGIES, FILTERS):
        ways[f"OpenCV, level 1, {strategy}, {filter_}"] = _opencv(
            pixels,
            *(cv2.IMWRITE_PNG_STRATEGY, getattr(cv2, f"IMWRITE_PNG_STRATEGY_{strategy}")),
            *(cv2.IMWRITE_PNG_FILTER, getattr(cv2, f"IMWRITE_PNG_FILTER_{filter_}")),
        )
    times = take_turns(ways, seconds=share * SECONDS)
    found = [
        {"way": name, "ms": summary(flat(times[name])), "kilobytes": round(len(way()) / 1000)}
        for name, way in ways.items()
    ]
    return sorted(found, key=lambda each: float(np.median(flat(times[str(each["way"])]))))


def _opencv(pixels: NDArray[np.uint8], *options: int, level: int = 1) -> Callable[[], bytes]:
    def encode() -> bytes:
        given = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        return cv2.imencode(".png", given, [cv2.IMWRITE_PNG_COMPRESSION, level, *options])[1].tobytes()

    return encode


def _pillow(pixels: NDArray[np.uint8], level: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=level)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
