"""Classifies many images: some are decoded while the runtime works on others, and results are used meanwhile."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np

from inference.explainers.class_maps import ExplanationRequest
from inference.imaging.errors import ImageError
from inference.imaging.test_time_augmentation import ViewCount
from inference.prediction.classifier import Analysis, Classifier, Prepared
from inference.runtimes import Outputs
from lunar.scoring.images import read_image

# Images of a call, for each that the runtime computes at once: the end of a call, where some wait, becomes rare.
WAVES = 4

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """The result for one image: an analysis, or why there is none."""

    name: str
    analysis: Analysis | None
    error: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Decoded:
    name: str
    prepared: Prepared | None
    error: str = ""


class Scorer:
    """A classifier with the parameters of one job."""

    def __init__(self, classifier: Classifier, *, tta: ViewCount, explanation: ExplanationRequest | None) -> None:
        self._classifier = classifier
        self._tta = tta
        self._explanation = explanation
        self._side = explanation.side if explanation else 0

    def score(self, names: Iterable[str]) -> Iterator[Scored]:
        """One result for each image, in the order of the names."""
        count = max(1, WAVES * self._classifier.runtime.batch // self._tta)
        with ThreadPoolExecutor(_processors()) as decoders, ThreadPoolExecutor(1) as runner:
            decoded = _ahead(decoders, self._decode, names, count=2 * count)
            started: deque[tuple[list[_Decoded], Future[Outputs | None]]] = deque()
            for batch in _batches(decoded, count):
                started.append((batch, runner.submit(self._run, batch)))
                if len(started) > 1:  # the runtime has its next call, while these results are used
                    yield from self._analyse(*started.popleft())
            for last in started:
                yield from self._analyse(*last)

    def _decode(self, name: str) -> _Decoded:
        try:
            return _Decoded(name, self._classifier.prepare(read_image(name), tta=self._tta, side=self._side))
        except ImageError as error:
            return _Decoded(name, None, f"{type(error).__name__}: {error}")
        except OSError as error:
            return _Decoded(name, None, f"{type(error).__name__}: {error.strerror or error}")
        except ValueError as error:  # a name that no file can have: with a zero byte
            return _Decoded(name, None, f"InvalidName: {error}")

    def _run(self, batch: list[_Decoded]) -> Outputs | None:
        views = [decoded.prepared.batch for decoded in batch if decoded.prepared]
        return self._classifier.run(np.concatenate(views)) if views else None

    def _analyse(self, batch: list[_Decoded], running: "Future[Outputs | None]") -> Iterator[Scored]:
        outputs, row = running.result(), 0
        for decoded in batch:
            if decoded.prepared is None or outputs is None:
                yield Scored(decoded.name, None, decoded.error)
                continue
            rows = slice(row, row + len(decoded.prepared.batch))
            row = rows.stop
            own = Outputs(logits=outputs.logits[rows], features=outputs.features[rows])
            yield Scored(decoded.name, self._classifier.analyse(decoded.prepared, own, self._explanation))


def _processors() -> int:
    return len(os.sched_getaffinity(0))


def _ahead(
    pool: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item], *, count: int
) -> Iterator[Result]:
    """The results in the order of the items; up to `count` more items are being worked on."""
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > count:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _batches(items: Iterator[Item], count: int) -> Iterator[list[Item]]:
    while batch := list(islice(items, count)):
        yield batch
