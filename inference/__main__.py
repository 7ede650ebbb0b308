"""Command line of inference: predicts or explains images without a service.

`python -m inference IMAGE...` prints the answer that the API gives as one line of JSON for each image.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Literal

from inference.command_line import Parser
from inference.domain.taxonomy import CLASSES, LANGUAGES
from inference.explainers import EXPLAINERS
from inference.explainers.class_maps import ExplanationRequest
from inference.imaging.errors import ImageError
from inference.imaging.test_time_augmentation import VIEW_COUNTS
from inference.prediction.classifier import Classifier
from inference.prediction.serialization import explanation_reply, model_reply, prediction_reply
from inference.registry.opening import MODEL_ERRORS, open_model
from inference.runtimes import RUNTIMES


def main(arguments: list[str] | None = None) -> int:
    """Print one JSON line an image. Returns 0 if every image was predicted, 1 if an image or the model failed."""
    options = _parse(arguments)
    try:
        bundle, version = open_model(options.bundle)
        classifier = Classifier.open(bundle, runtime=options.runtime)
    except (*MODEL_ERRORS, OSError) as error:
        print(f"No model: {error}", file=sys.stderr)
        return 1
    failures = 0
    for path in options.images:
        try:
            answer = _answer(classifier, path.read_bytes(), options)
        except (ImageError, OSError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            failures += 1
            continue
        model = model_reply(version, bundle.manifest).model_dump()
        print(json.dumps({"model": model} | answer, ensure_ascii=False))
    return 1 if failures else 0


def _answer(classifier: Classifier, data: bytes, options: argparse.Namespace) -> dict[str, Any]:
    method: Literal["gradcam++", "gradcam", "all"] = "gradcam++" if options.method == "gradcampp" else options.method
    request = ExplanationRequest.from_parameters(method=method, target=options.target, render=options.render)
    prepared = classifier.prepare(data, tta=options.tta, side=request.side if options.explain else 0)
    outputs = classifier.run(prepared.batch)
    if not options.explain:
        return prediction_reply(classifier.predict(prepared, outputs), options.lang).model_dump(by_alias=True)
    analysis = classifier.analyse(prepared, outputs, request)
    return explanation_reply(analysis, options.lang).model_dump(by_alias=True)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m inference", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("images", nargs="+", type=Path, metavar="IMAGE", help="image file")
    add("--bundle", type=Path, help="folder of a bundle; default: the version behind LUNAR_MODEL_ALIAS in the registry")
    add("--runtime", choices=("auto", *RUNTIMES), default="auto", help="what executes the model")
    add("--lang", choices=LANGUAGES, default="es", help="language of names and texts")
    add("--tta", type=int, choices=VIEW_COUNTS, default=1, help="number of views to average")
    add("--explain", action="store_true", help="add heat maps")
    add("--method", choices=(*EXPLAINERS, "gradcampp", "all"), default="gradcam++", help="explanation method")
    add("--target", choices=(*CLASSES, "all"), help="class to explain; default: the predicted class")
    add("--render", choices=("both", "heatmap", "overlay"), default="both", help="PNG files to encode")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
