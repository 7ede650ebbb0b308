"""The options of `lunar predict`. Combinations that would do nothing are errors."""

import argparse
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

from inference.command_line import Parser
from inference.domain.graph_names import RequestedPrecision
from inference.domain.taxonomy import CLASSES, LANGUAGES
from inference.explainers import EXPLAINERS
from inference.explainers.class_maps import ExplanationRequest
from inference.imaging.test_time_augmentation import VIEW_COUNTS
from inference.runtimes import RUNTIMES
from lunar.scoring.images import STDIN, shown

AddArgument = Callable[..., argparse.Action]

_ABOUT = (
    "Classify images. Without a file to write, each answer is one line of JSON on stdout, as the API gives it, after "
    "the key `file`; an image that cannot be read is a line with `error`. Not a medical device."
)


def parse(arguments: list[str], *, prog: str) -> argparse.Namespace:
    """The options. Ends with one line and status 2 for an unknown option and a combination that does nothing."""
    parser = Parser(prog=prog, description=_ABOUT)
    add = parser.add_argument
    add("images", nargs="*", metavar="IMAGE", help="a file, a folder, a quoted pattern, or - for an image on stdin")
    add("--list", action="append", default=[], metavar="FILE", help="a file with one image a line, or - for stdin")
    add("--recursive", action="store_true", help="look into the folders of folders too")
    add("--bundle", type=Path, help="folder of a bundle; default: the version behind LUNAR_MODEL_ALIAS in the registry")
    add("--runtime", choices=("auto", *RUNTIMES), default="auto", help="what executes the model")
    add("--precision", choices=get_args(RequestedPrecision), default="auto", help="which of the bundle's graphs")
    add("--lang", choices=LANGUAGES, default="es", help="language of names and texts")
    add("--tta", type=int, choices=VIEW_COUNTS, default=1, help="number of views to average")
    _add_explanations(parser.add_argument_group("heat maps").add_argument)
    _add_outputs(parser.add_argument_group("files to write").add_argument)
    options = parser.parse_args(arguments)
    if cause := _objection(options):
        parser.error(cause)
    return options


def _add_explanations(add: AddArgument) -> None:
    add("--explain", action="store_true", help="add heat maps to the lines, as base64")
    add("--heatmaps", type=Path, metavar="DIR", help="write heat maps as PNG files into this folder")
    add("--method", choices=(*EXPLAINERS, "gradcampp", "all"), help="explanation method; default: gradcam++")
    add("--target", choices=(*CLASSES, "all"), help="class to explain; default: the predicted class")
    add("--render", choices=("both", "heatmap", "overlay"), help="PNG files to encode; default: both")


def _add_outputs(add: AddArgument) -> None:
    add("--out", type=Path, metavar="FILE", help="the lines of JSON")
    add("--csv", type=Path, metavar="FILE", help="a table with a column for each field")
    add("--parquet", type=Path, metavar="FILE", help="the same as Parquet; needs the package pyarrow")
    add("--isic", type=Path, metavar="FILE", help="a submission of the ISIC challenge: image, MEL, NV, ...")
    add("--resume", action="store_true", help="go on with what a killed call wrote, and ask for nothing twice")


def _objection(options: argparse.Namespace) -> str:
    """What is wrong with the combination; empty if nothing is."""
    outputs = (options.out, options.csv, options.parquet, options.isic)
    explained = options.explain or options.heatmaps
    useless = [name for name in ("method", "target", "render") if getattr(options, name) is not None]
    if not options.images and not options.list:
        return "name images, folders or patterns, or a --list"
    if options.recursive and not options.images:
        return "--recursive needs a folder"
    if [*options.images, *options.list].count(STDIN) > 1:
        return "stdin can be read once only"
    if useless and not explained:
        return f"--{useless[0]} needs --explain or --heatmaps"
    if options.explain and options.heatmaps:
        return "--explain and --heatmaps exclude each other: lines with base64, or files"
    if options.explain and any(outputs[1:]):
        return "a table cannot hold pictures: use --heatmaps instead of --explain"
    if options.resume and not any(outputs):
        return "--resume needs a file to go on with: --out, --csv, --parquet or --isic"
    if options.resume and STDIN in options.images:
        return "--resume cannot go on with an image on stdin"
    if options.parquet and find_spec("pyarrow") is None:
        return "--parquet needs the package pyarrow, which is not installed"
    named = [path for path in outputs if path]
    return "two outputs have the same name" if len(set(named)) < len(named) else ""


def explanation(options: argparse.Namespace) -> ExplanationRequest | None:
    """What is to be explained; None without --explain and --heatmaps."""
    if not (options.explain or options.heatmaps):
        return None
    method = {None: "gradcam++", "gradcampp": "gradcam++"}.get(options.method, options.method)
    return ExplanationRequest.from_parameters(method=method, target=options.target, render=options.render or "both")


def of_results(options: argparse.Namespace) -> dict[str, Any]:
    """The options that decide what a result is, without those that were not given."""
    names = ("runtime", "precision", "lang", "tta", "explain", "method", "target", "render")
    given = {name: getattr(options, name) for name in names} | {
        "heatmaps": options.heatmaps and shown(str(options.heatmaps))
    }
    return {name: value for name, value in given.items() if value}
