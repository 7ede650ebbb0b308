"""`lunar predict`."""

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from inference.command_line import failed
from inference.prediction.classifier import Classifier
from inference.prediction.serialization import model_reply
from inference.registry.opening import MODEL_ERRORS, open_model
from lunar.scoring import journal, outputs, tables
from lunar.scoring.answers import Answer, Answers, to_line
from lunar.scoring.images import NoImages, find_images, identity
from lunar.scoring.options import explanation, of_results, parse
from lunar.scoring.scorer import Scored, Scorer


def main(arguments: list[str], *, prog: str) -> int:
    """Classify images. Returns 0 if every image has a result, 1 if one has none, or with one line about the cause."""
    options = parse(arguments, prog=prog)
    try:
        return _predict(options, prog=prog)
    except MODEL_ERRORS as error:
        return failed(prog, f"no model: {error}")
    except (NoImages, journal.NotResumable, outputs.BadOutput) as error:
        return failed(prog, error)
    except BrokenPipeError:
        raise
    except OSError as error:
        return failed(prog, f"{error.filename or 'an output'}: {error.strerror or error}")


def _predict(options: argparse.Namespace, *, prog: str) -> int:
    names = find_images(options.images, lists=options.list, recursive=options.recursive)
    outputs.check(options, names)
    lines, settings = outputs.lines_file(options), of_results(options)
    bundle, version = open_model(options.bundle)
    model = model_reply(version, bundle.manifest).model_dump(mode="json")
    answered = journal.answered(lines, model=model, options=settings) if lines else frozenset()
    left = [name for name in names if identity(name) not in answered]
    answers = Answers(
        model,
        settings,
        language=options.lang,
        explained=explanation(options) is not None,
        heatmaps=options.heatmaps,
        folder=Path.cwd() if lines else None,
    )
    failures = 0
    if left:
        classifier = Classifier.open(bundle, runtime=options.runtime, precision=options.precision)
        failures = _write_lines(options, lines, left, classifier, answers)
    if lines:
        _write_tables(options, lines, names)
        print(f"{prog}: {len(names) - failures} of {len(names)} images have a result", file=sys.stderr)
    return 1 if failures else 0


def _write_lines(
    options: argparse.Namespace, lines: Path | None, names: list[str], classifier: Classifier, answers: Answers
) -> int:
    """Write the lines of these images; returns how many have no result."""
    failures = 0
    with _opened(lines) as file:
        scored = Scorer(classifier, tta=options.tta, explanation=explanation(options)).score(names)
        for result in _shown(scored, count=len(names)):
            failures += result.analysis is None
            file.write(to_line(answers.answer(result)))
            file.flush()  # a kill loses no answer
    return failures


@contextmanager
def _opened(lines: Path | None) -> Iterator[TextIO]:
    if lines is None:
        yield sys.stdout
        return
    lines.parent.mkdir(parents=True, exist_ok=True)
    with lines.open("a", encoding="utf-8") as file:
        journal.lock(file, lines)
        yield file


def _shown(scored: Iterator[Scored], *, count: int) -> Iterator[Scored]:
    """The results, with their progress: a bar on a terminal, otherwise a line every 30 seconds."""
    from inference.progress import log, tracked

    logging.basicConfig(format="%(message)s")
    log.setLevel(logging.INFO)
    yield from tracked(scored, "classifying", total=count)


def _write_tables(options: argparse.Namespace, lines: Path, names: Sequence[str]) -> None:
    def source() -> Iterator[Answer]:
        return journal.answers(lines, names)

    if options.csv:
        tables.write_csv(options.csv, source)
    if options.parquet:
        tables.write_parquet(options.parquet, source)
    if options.isic and (left_out := tables.write_isic(options.isic, source)):
        print(f"{options.isic} lacks {left_out} images that have no result", file=sys.stderr)
