"""Where a run computes: machine, Python, packages and commit."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import distributions
from typing import Any


def describe_machine() -> dict[str, str]:
    """Commit, platform, Python, number of processors and names of the GPUs."""
    import tensorflow as tf

    gpus = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in _gpus(tf)]
    return {
        "git_commit": _commit(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cpus": str(os.cpu_count()),
        "gpus": ", ".join(gpus) or "none",
    }


def package_versions() -> dict[str, str]:
    """The version of every installed package."""
    return {package.name: package.version for package in distributions()}


def _gpus(tf: Any) -> list[Any]:
    return list(tf.config.list_physical_devices("GPU"))


def _commit() -> str:
    """The commit that the container image was built from, or that of the checkout; "unknown" if there is neither."""
    if built := os.environ.get("LUNAR_COMMIT"):
        return built
    if not shutil.which("git"):
        return "unknown"
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
