"""Class maps: the explanation of a prediction, drawn from its features."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from inference.bundle.storage import Head
from inference.domain.taxonomy import CLASSES
from inference.explainers import EXPLAINERS, Method
from inference.explainers.evidence import Evidence, find_evidence
from inference.explainers.heatmap import MAX_SIDE, Canvas, heatmap, levels, overlay, png
from inference.imaging import test_time_augmentation

# Fourteen maps of noise with 1024 pixels a side are 59 MB of JSON; a network's features are far coarser than 512.
FEW, SIDE_OF_SEVERAL = 2, 512

Render = Literal["both", "heatmap", "overlay"]


@dataclass(frozen=True, slots=True)
class ExplanationRequest:
    """What to explain. Empty `targets` (class codes) mean the predicted class; `render` None means no PNG; `side` is
    the longest side of the PNGs in pixels.
    """

    methods: tuple[Method, ...] = ("gradcam++",)
    targets: tuple[str, ...] = ()
    render: Render | None = "both"
    side: int = MAX_SIDE

    @classmethod
    def from_parameters(cls, *, method: Method | Literal["all"], target: str | None, render: Render | None) -> Self:
        """Read the API's parameters: "all" means every method or class; no target means the predicted class."""
        methods = tuple(EXPLAINERS) if method == "all" else (method,)
        targets = CLASSES if target == "all" else (target,) if target else ()
        several = len(methods) * max(1, len(targets)) > FEW
        return cls(methods, targets, render, SIDE_OF_SEVERAL if several else MAX_SIDE)


@dataclass(frozen=True, slots=True)
class ClassMap:
    """Evidence for one class. `peak` is the maximum before scaling; a PNG that was not requested is None.

    `levels` uint8 [h, w] are the network's own cells, scaled by their maximum, which cover the field of view;
    `evidence` is None for an empty map.
    """

    code: str
    method: Method
    peak: float
    levels: NDArray[np.uint8]
    evidence: Evidence | None
    heatmap: bytes | None
    overlay: bytes | None


def class_maps(
    features: NDArray[np.float32],
    *,
    head: Head,
    rgb: NDArray[np.uint8],
    on: Canvas,
    request: ExplanationRequest,
) -> tuple[ClassMap, ...]:
    """Draw every class map that the request names.

    features float32 [views, h, w, C] are those of one image; `rgb` uint8 [height, width, 3] is its upright picture on
    the canvas. The maps of several views are transformed back and averaged before they are scaled.
    """

    def draw(method_and_code: tuple[Method, str]) -> ClassMap:
        method, code = method_and_code
        class_map = raw[method][:, :, CLASSES.index(code)]
        grey = heatmap(class_map, on=on)
        return ClassMap(
            code=code,
            method=method,
            peak=float(class_map.max()),
            levels=levels(class_map),
            evidence=find_evidence(grey),
            heatmap=png(grey) if request.render in ("both", "heatmap") else None,
            overlay=png(overlay(rgb, grey)) if request.render in ("both", "overlay") else None,
        )

    raw = {
        method: test_time_augmentation.undo_views(EXPLAINERS[method](features, head)).mean(axis=0)
        for method in request.methods
    }
    pairs = list(product(request.methods, request.targets))
    if len(pairs) == 1:
        return (draw(*pairs),)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # most time goes into encoding, which releases the GIL
        return tuple(pool.map(draw, pairs))
