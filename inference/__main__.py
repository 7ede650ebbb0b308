"""python -m inference IMAGE...: the API's answer as one JSON line an image, without a service."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Literal

from inference.bundle import Bundle, InvalidBundle, open_bundle
from inference.cache import Cache, CacheUnwritable
from inference.classifier import Classifier
from inference.explainers import EXPLAINERS
from inference.explanation import Question
from inference.image import ImageError
from inference.registry import NoSuchModel, Registry, RegistryUnavailable, Version
from inference.report import report_explanation, report_model, report_prediction
from inference.runtimes import RUNTIMES, GoldenMismatch, RuntimeUnavailable
from inference.settings import RegistrySettings
from inference.taxonomy import CLASSES, LANGUAGES

NO_MODEL = (CacheUnwritable, GoldenMismatch, InvalidBundle, NoSuchModel, RegistryUnavailable, RuntimeUnavailable)


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 if every image was answered, 1 if an image or the model could not be read."""
    given = _parse(arguments)
    try:
        bundle, version = _model(given.bundle)
        classifier = Classifier.open(bundle, runtime=given.runtime)
    except NO_MODEL as error:
        print(f"No model: {error}", file=sys.stderr)
        return 1
    failures = 0
    for path in given.images:
        try:
            answer = _answer(classifier, path.read_bytes(), given)
        except (ImageError, OSError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            failures += 1
            continue
        print(json.dumps({"model": report_model(version, bundle.manifest)} | answer, ensure_ascii=False))
    return 1 if failures else 0


def _answer(classifier: Classifier, data: bytes, given: argparse.Namespace) -> dict[str, Any]:
    prepared = classifier.prepare(data, tta=given.tta)
    outputs = classifier.run(prepared.batch)
    if not given.explain:
        return report_prediction(classifier.predict(prepared, outputs), given.lang)
    method: Literal["gradcam++", "gradcam", "all"] = "gradcam++" if given.method == "gradcampp" else given.method
    question = Question.ask(method=method, target=given.target, render=given.render)
    return report_explanation(classifier.explain(prepared, outputs, question), given.lang)


def _model(folder: Path | None) -> tuple[Bundle, Version]:
    if folder is not None:
        bundle = open_bundle(folder)
        digest = bundle.manifest.digest
        return bundle, Version(bundle.manifest.name, f"sha256:{digest[:12]}", None, digest, "file")
    settings = RegistrySettings()
    registry = Registry(settings)
    version = registry.resolve(settings.model_alias)
    return Cache(settings.home).fetch(version, registry), version


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m inference", description=__doc__)
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    parser.add_argument("--bundle", type=Path, help="a bundle's folder; default: the registry's champion")
    parser.add_argument("--runtime", choices=("auto", *RUNTIMES), default="auto")
    parser.add_argument("--lang", choices=LANGUAGES, default="es")
    parser.add_argument("--tta", type=int, choices=(1, 2, 4, 8), default=1, help="views to average")
    parser.add_argument("--explain", action="store_true", help="add the heat maps")
    parser.add_argument("--method", choices=(*EXPLAINERS, "gradcampp", "all"), default="gradcam++")
    parser.add_argument("--target", choices=(*CLASSES, "all"), help="default: the predicted class")
    parser.add_argument("--render", choices=("both", "heatmap", "overlay"), default="both")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
