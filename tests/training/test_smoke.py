"""smoke.toml: two complete training runs on real images, one of them in the notebook, have the same result."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from inference.bundle.manifest import Manifest
from inference.registry.bundle_cache import BundleCache
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.executed_notebook import Executed
from tests.support.paths import ROOT


def candidate(home: Path) -> Manifest:
    registry = Registry(RegistrySettings(home=home))
    return BundleCache(registry.home).fetch(registry.resolve("candidate"), registry).manifest


def test_smoke_runs_everything_and_a_second_run_gives_the_same(
    real_data: Path, executed_notebook: Executed, tmp_path: Path
) -> None:
    environment = os.environ | {"LUNAR_HOME": str(tmp_path), "LUNAR_DATA": str(real_data), "TF_DETERMINISTIC_OPS": "1"}
    command = [sys.executable, "-m", "training", "run", "training/configs/smoke.toml"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    one, other = candidate(tmp_path), candidate(executed_notebook.home)
    assert one.data.images["test"] == 27
    assert one.metrics.confusion == other.metrics.confusion
    assert one.temperature == pytest.approx(other.temperature, rel=1e-6)
    for name, each in one.metrics.overall.items():
        assert each.model_dump() == pytest.approx(other.metrics.overall[name].model_dump(), abs=1e-6)
