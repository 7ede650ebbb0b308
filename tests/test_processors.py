"""tests/support/avx2.env reaches every library that computes: none of them uses AVX-512 then.

On a processor that has no AVX-512 these tests pass without the file too.
"""

import json
import subprocess
import sys

import pytest

from tests.support.paths import ROOT, STARTER
from tests.support.processors import avx2_environment

pytestmark = pytest.mark.numeric

GRAPH = """
import json, sys
import openvino as ov
graph = ov.Core().compile_model(sys.argv[1], "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
operations = graph.get_runtime_model().get_ordered_ops()
print(json.dumps([operation.get_rt_info()["primitiveType"].astype(str) for operation in operations]))
"""
NUMPY = """
import json
import numpy as np
import scipy.linalg
from threadpoolctl import threadpool_info
found = np.lib.introspect.opt_func_info(func_name="^(exp|sin|tanh)$", signature="float32")
loops = [loop["current"] for each in found.values() for loop in each.values()]
print(json.dumps([loops, [each["architecture"] for each in threadpool_info() if each["user_api"] == "blas"]]))
"""
OPENCV = """
import json
import cv2
print(json.dumps([cv2.getCPUFeaturesLine().split(), cv2.ipp.getIppVersion()]))
"""
TENSORFLOW = """
import tensorflow as tf
tf.nn.conv2d(tf.ones((2, 32, 32, 16)), tf.ones((3, 3, 16, 24)), 1, "SAME")
"""


def run(script: str, *arguments: str, **variables: str) -> str:
    """What a process of its own prints with the settings."""
    command = [sys.executable, "-c", script, *arguments]
    environment = avx2_environment() | variables
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


def test_openvino_compiles_no_kernel_for_avx512() -> None:
    """Neither its copy of oneDNN (convolutions) nor the operations that it compiles itself (Reduce)."""
    kernels = json.loads(run(GRAPH, str(STARTER / "graphs" / "openvino-fp32.xml")))
    assert [kernel for kernel in kernels if "avx2" in kernel]
    assert not [kernel for kernel in kernels if "avx512" in kernel]


def test_numpy_and_openblas_take_their_loops_for_avx2() -> None:
    loops, architectures = json.loads(run(NUMPY))
    assert set(loops) == {"X86_V3"}
    assert set(architectures) == {"Haswell"}


def test_opencv_and_ipp_take_their_code_for_avx2() -> None:
    features, ipp = json.loads(run(OPENCV))
    assert "*AVX2" in features
    assert "*AVX512-SKX?" in features, "the question mark means: not used"
    assert "AVX2" in ipp


def test_tensorflow_multiplies_with_avx2() -> None:
    """Without its own operations of oneDNN it still multiplies matrices with it."""
    told = run(TENSORFLOW, ONEDNN_VERBOSE="1").splitlines()
    (instructions,) = [line.rpartition(":")[2] for line in told if ",cpu,isa:" in line]
    assert instructions == "Intel AVX2"
    assert [line for line in told if ",gemm_api," in line]
    assert not [line for line in told if ",convolution," in line], "TF_ENABLE_ONEDNN_OPTS has no effect"
