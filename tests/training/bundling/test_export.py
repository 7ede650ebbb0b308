"""Exporting a graph sends no telemetry."""

import os

import openvino as ov
import openvino_telemetry
import pytest
import tensorflow as tf
from openvino_telemetry.utils.opt_in_checker import ConsentCheckResult, OptInChecker

from training.bundling.export import unreported

# How the converter of OpenVINO 2026.4 asks.
AS_THE_CONVERTER = {"enable_opt_in_dialog": False, "disable_in_ci": True}


def test_the_converter_tells_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # nobody has declined here
    for name in ("CI", "TF_BUILD", "JENKINS_URL"):
        monkeypatch.delenv(name, raising=False)
    sent: list[tuple[object, ...]] = []
    sender = openvino_telemetry.main.TelemetrySender
    monkeypatch.setattr(sender, "send", lambda _, *message: sent.append(message))
    monkeypatch.setattr(openvino_telemetry.Telemetry, "_instance", None, raising=False)

    @tf.function(input_signature=[tf.TensorSpec([1], tf.float32)])
    def double(x: tf.Tensor) -> tf.Tensor:
        return 2 * x

    with unreported():
        assert OptInChecker().check(**AS_THE_CONVERTER) == ConsentCheckResult.DECLINED
        assert ov.convert_model(double.get_concrete_function())
    assert not sent
    assert "CI" not in os.environ
    assert OptInChecker().check(**AS_THE_CONVERTER) != ConsentCheckResult.DECLINED
