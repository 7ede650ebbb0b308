"""Class maps from the outputs of a prediction: where the evidence for a class lies."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from inference import views
from inference.bundle import Head
from inference.explainers import EXPLAINERS, Method
from inference.heatmap import MAX_SIDE, Canvas, heatmap, overlay, png
from inference.taxonomy import CLASSES

Render = Literal["both", "heatmap", "overlay"]


@dataclass(frozen=True, slots=True)
class Question:
    """What to explain: `targets` are class codes, none means the predicted class; `side` is the longest side of the
    PNGs in pixels.
    """

    methods: tuple[Method, ...] = ("gradcam++",)
    targets: tuple[str, ...] = ()
    render: Render = "both"
    side: int = MAX_SIDE

    @classmethod
    def ask(cls, *, method: Method | Literal["all"], target: str | None, render: Render) -> Self:
        """From the parameters of the API: "all" means every method or class, no target the predicted class."""
        methods = tuple(EXPLAINERS) if method == "all" else (method,)
        targets = CLASSES if target == "all" else (target,) if target else ()
        return cls(methods, targets, render)


@dataclass(frozen=True, slots=True)
class ClassMap:
    """Evidence for one class. `peak` is the unscaled maximum; a PNG that was not asked for is None."""

    code: str
    method: Method
    peak: float
    heatmap: bytes | None
    overlay: bytes | None


def class_maps(
    features: NDArray[np.float32],
    *,
    head: Head,
    rgb: NDArray[np.uint8],
    on: Canvas,
    question: Question,
) -> tuple[ClassMap, ...]:
    """Draw every class map that the question asks for.

    features float32 [views, h, w, C] of one image, whose upright picture on the canvas is `rgb`;
    the maps of several views are turned back and averaged before they are scaled.
    """

    def draw(wanted: tuple[Method, str]) -> ClassMap:
        method, code = wanted
        one = raw[method][:, :, CLASSES.index(code)]
        grey = heatmap(one, on=on)
        return ClassMap(
            code=code,
            method=method,
            peak=float(one.max()),
            heatmap=png(grey) if question.render != "overlay" else None,
            overlay=png(overlay(rgb, grey)) if question.render != "heatmap" else None,
        )

    raw = {each: views.gather(EXPLAINERS[each](features, head)).mean(axis=0) for each in question.methods}
    wanted = list(product(question.methods, question.targets))
    if len(wanted) == 1:
        return (draw(*wanted),)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # what costs is encoding, which releases the interpreter lock
        return tuple(pool.map(draw, wanted))
