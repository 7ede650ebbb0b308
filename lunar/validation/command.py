"""`lunar evaluate`."""

import argparse
import json
import logging
from pathlib import Path

from inference.bundle.storage import open_bundle
from inference.command_line import Parser, failed
from inference.prediction.classifier import Classifier
from inference.registry.opening import MODEL_ERRORS
from lunar.scoring.images import NoImages
from lunar.scoring.outputs import BadOutput, check_folder
from lunar.validation.labels import InvalidLabels, read_labels
from lunar.validation.measuring import answer, measure, subgroups_by
from lunar.validation.overlap import find_overlap
from lunar.validation.paragraphs import Validation, paragraphs
from lunar.validation.report import TITLE, figures, tables, to_json
from training.commands import DataSettings
from training.data.ham10000 import InvalidDataset
from training.reporting.tables import to_html, to_markdown
from training.text_files import UnreadableText

_ABOUT = (
    "Measure a bundle on your own labelled images before anybody relies on it, and compare with its model card. Writes "
    "validation.html, validation.md and validation.json. Not a medical device."
)
_LABELS = (
    "a table with an image a row: image_id and dx as in HAM10000, image and one column a class as ISIC has it, or "
    "image and label"
)


def main(arguments: list[str], *, prog: str) -> int:
    """Validate a bundle. Returns 0, or 1 with one line about the cause."""
    options = _parse(arguments, prog=prog)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        _evaluate(options)
    except BrokenPipeError:
        raise
    except (*MODEL_ERRORS, BadOutput, InvalidDataset, InvalidLabels, NoImages, OSError, UnreadableText) as error:
        return failed(prog, error)
    return 0


def _evaluate(options: argparse.Namespace) -> None:
    table = read_labels(options.labels, group=options.group)
    attributes = subgroups_by(table, options.by)
    check_folder(options.out)
    bundle = open_bundle(options.bundle)
    classifier = Classifier.open(bundle)
    answered = answer(classifier, table, options.images)
    validation = Validation(
        manifest=bundle.manifest,
        answered=answered,
        measured=measure(classifier, answered, attributes, seed=options.seed),
        overlap=find_overlap(bundle, answered.predictions.image_ids.tolist(), data=DataSettings().data),
        group=table.group,
        ungrouped=table.ungrouped,
        unknown=len(table.unknown),
    )
    _write(validation, options.out)
    print("\n".join(paragraphs(validation)))
    print(f"{options.out / 'validation.html'} has all numbers")


def _write(validation: Validation, folder: Path) -> None:
    """The numbers first: they are there even if a figure cannot be drawn."""
    folder.mkdir(parents=True, exist_ok=True)

    def write(suffix: str, content: str) -> None:
        (folder / f"validation.{suffix}").write_text(content, encoding="utf-8")

    write("json", json.dumps(to_json(validation), indent=1) + "\n")
    texts, found = paragraphs(validation), tables(validation)
    write("md", to_markdown(TITLE, texts, found))
    write("html", to_html(TITLE, texts, found, figures=figures(validation)))


def _parse(arguments: list[str], *, prog: str) -> argparse.Namespace:
    parser = Parser(prog=prog, description=_ABOUT)
    add = parser.add_argument
    add("bundle", type=Path, metavar="BUNDLE", help="the folder of the bundle")
    add("--images", type=Path, required=True, metavar="DIR", help="the folder of the images, with its folders")
    add("--labels", type=Path, required=True, metavar="FILE", help=_LABELS)
    add("--by", action="append", default=[], metavar="COLUMN", help="measure the groups of this column too; repeatable")
    add("--group", metavar="COLUMN", help="images with one value count as one; default: patient_id, then lesion_id")
    add("--out", type=Path, default=Path("validation"), metavar="DIR", help="folder of the report; default: validation")
    add("--seed", type=_seed, default=0, help="seed of the bootstrap; default: 0")
    return parser.parse_args(arguments)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)
