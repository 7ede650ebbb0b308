"""python -m benchmarks.drawing: what everything around the model costs, in milliseconds.

From a file's bytes to the model's square, for a 600 x 450 upload and a photo of 12 megapixels; the maps of all seven
classes; one heat map and its overlay; every way OpenCV and Pillow encode them as PNG, with the size that results;
base64 and the JSON of an answer. Decoding a photo at half its size, which the service does not do, is timed too, and
by how many grey levels the square then differs. The picture is drawn, with the noise of a camera: without it PNGs
would be far smaller than real ones. Ways take turns. One JSON line.
"""

import io
import time
from collections.abc import Callable
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.measuring import emit, flat, options, summary, take_turns
from inference.bundle import open_bundle
from inference.classifier import Classifier
from inference.explainers import EXPLAINERS
from inference.explanation import Question
from inference.heatmap import canvas, heatmap, overlay, png
from inference.image import Preprocessing, decode, fit
from inference.registry import Version
from inference.report import report_explanation, report_model
from service.schemas import ExplainReply
from training.drawn import draw_lesion

SECONDS, PHOTO_SECONDS = 8.0, 8.0
UPLOAD, PHOTO = (600, 450), (4000, 3000)
SPEC = Preprocessing(size=480, fit="squash")
NOISE = 6.0  # grey levels, one standard deviation
STRATEGIES = ("DEFAULT", "FILTERED", "HUFFMAN_ONLY", "RLE", "FIXED")
FILTERS = ("NONE", "SUB", "UP", "AVG", "PAETH")


def main() -> None:
    """Measure and print."""
    given, began = options(__doc__.partition(":")[0]).parse_args(), time.perf_counter()
    classifier = Classifier.open(open_bundle(given.bundle))
    upload, photo = _jpeg(*UPLOAD), _jpeg(*PHOTO)
    prepared = classifier.prepare(upload)
    outputs = classifier.run(prepared.batch)
    on = canvas(width=UPLOAD[0], height=UPLOAD[1], view=prepared.field_of_view)
    one = EXPLAINERS["gradcam++"](outputs.features, classifier.bundle.head)[0][:, :, 0]
    grey = heatmap(one, on=on)
    coloured = overlay(prepared.picture, grey)
    explained, picture = classifier.explain(prepared, outputs, Question()), decode(upload).rgb
    version = Version("skin-lesion", "1", "champion", "", "benchmark")
    answer = {"request_id": "0" * 32, "model": report_model(version, classifier.bundle.manifest)}
    answer |= report_explanation(explained, "en")

    steps = take_turns(
        {
            "decode, 600 x 450": lambda: decode(upload),
            "fit to 480, 600 x 450": lambda: fit(picture, SPEC),
            "decode and fit to 480, 600 x 450": lambda: fit(decode(upload).rgb, SPEC),
            "all that comes before the model, 600 x 450": lambda: classifier.prepare(upload),
            "maps of seven classes": lambda: EXPLAINERS["gradcam++"](outputs.features, classifier.bundle.head),
            "heat map": lambda: heatmap(one, on=on),
            "overlay": lambda: overlay(prepared.picture, grey),
            "heat map as PNG": lambda: png(grey),
            "overlay as PNG": lambda: png(coloured),
            "seven heat maps as PNG": lambda: classifier.explain(
                prepared, outputs, Question.ask(method="gradcam++", target="all", render="heatmap")
            ),
            "answer with both, PNGs in base64": lambda: report_explanation(explained, "en"),
            "answer with both, validated and as JSON": lambda: ExplainReply.model_validate(answer).model_dump_json(),
        },
        seconds=given.share * SECONDS,
    )
    photos = take_turns(
        {
            "decode, 12 megapixels": lambda: decode(photo),
            "decode and fit to 480, 12 megapixels": lambda: fit(decode(photo).rgb, SPEC),
            "decode to half the size and fit to 480, 12 megapixels": lambda: _halved(photo),
            "all that comes before the model, 12 megapixels": lambda: classifier.prepare(photo),
        },
        seconds=given.share * PHOTO_SECONDS,
    )
    emit(
        "drawing",
        began=began,
        share=given.share,
        packages=("openvino", "numpy", "opencv-python-headless", "pillow"),
        milliseconds={name: summary(flat(rounds)) for name, rounds in (steps | photos).items()},
        halved_differs=int(np.abs(_halved(photo) - fit(decode(photo).rgb, SPEC).astype(int)).max()),
        encoders={"heat map": _encoders(grey, given.share), "overlay": _encoders(coloured, given.share)},
    )


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
    ways = {"chosen": lambda: png(pixels), "Pillow, level 1": lambda: _pillow(pixels, 1)}
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
