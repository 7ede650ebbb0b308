"""smoke.toml: two complete training runs on real images have the same result."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from inference.registry.bundle_cache import BundleCache
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.paths import ROOT


def run_smoke(home: Path, data: Path) -> dict:
    """The manifest of a run in a new process, with deterministic TensorFlow operations."""
    environment = os.environ | {"LUNAR_HOME": str(home), "LUNAR_DATA": str(data), "TF_DETERMINISTIC_OPS": "1"}
    command = [sys.executable, "-m", "training", "run", "training/configs/smoke.toml"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    registry = Registry(RegistrySettings(home=home))
    return json.loads(
        BundleCache(registry.home).fetch(registry.resolve("candidate"), registry).manifest.model_dump_json()
    )


def test_smoke_runs_everything_and_a_second_run_gives_the_same(real_data: Path, tmp_path: Path) -> None:
    one, other = (run_smoke(tmp_path / name, real_data) for name in ("one", "other"))
    assert one["data"]["images"]["test"] == 27
    assert one["metrics"]["confusion"] == other["metrics"]["confusion"]
    assert one["temperature"] == pytest.approx(other["temperature"], rel=1e-6)
    for name, each in one["metrics"]["overall"].items():
        assert each == pytest.approx(other["metrics"]["overall"][name], abs=1e-6)
