"""A bundle's graph and head with shuffled weights: a model of the same shape that knows nothing."""

from collections.abc import Callable

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from inference.bundle.storage import Bundle, Head
from inference.domain.graph_names import OPENVINO_FP32

SMALLEST = 64  # weights; smaller constants are shapes and scales


def shuffled_head(head: Head, generator: np.random.Generator) -> Head:
    """The head with the weights of each class shuffled."""
    return Head(w=generator.permuted(head.w, axis=0), b=head.b)


def shuffled_features(
    bundle: Bundle, generator: np.random.Generator
) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """uint8 [1, s, s, 3] -> features float32 [1, h, w, C] of the fp32 graph whose kernels are all shuffled."""
    core = ov.Core()
    model = core.read_model(bundle.path / bundle.manifest.graphs[OPENVINO_FP32].path)
    for constant in model.get_ops():
        if constant.get_type_name() != "Constant" or not constant.get_element_type().is_real():
            continue
        if constant.data.ndim == 4 and constant.data.size >= SMALLEST:
            shuffled = ov.opset13.constant(generator.permuted(constant.data.ravel()).reshape(constant.data.shape))
            constant.output(0).replace(shuffled.output(0))
    size = bundle.manifest.preprocessing.size
    model.reshape([1, size, size, 3])
    request = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()

    def features(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        request.infer([np.ascontiguousarray(image)])
        return np.array(request.get_tensor("features").data)

    return features
