"""What is installed. Imports nothing that may be missing."""

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from inference import __version__
from lunar.doctor.check_result import CheckResult

LOCK = "requirements.lock installs what serving needs"
REQUIRED = ("numpy", "opencv-python-headless", "openvino", "mlflow-skinny", "fastapi", "pydantic")
OPTIONAL = ("tensorflow-cpu", "tensorflow", "mlflow", "pyarrow")


def packages() -> Iterator[CheckResult]:
    """Lunar, Python and the packages that decide what runs."""
    yield CheckResult("lunar", "ok", f"{__version__}; Python {platform.python_version()} ({sys.executable})")
    found = {name: _version(name) for name in (*REQUIRED, *OPTIONAL)}
    missing = [name for name in REQUIRED if not found[name]]
    yield CheckResult("packages", "ok", ", ".join(f"{name} {number}" for name, number in found.items() if number))
    if missing and not (missing == ["mlflow-skinny"] and found["mlflow"]):
        yield CheckResult("packages", "failed", f"missing: {', '.join(missing)}; {LOCK}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
