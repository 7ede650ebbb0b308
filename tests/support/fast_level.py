"""The option --fast of `make test-fast`: only tests that start no process and need no TensorFlow.

Tests need no mark. A module is left out if it imports one of SLOW_MODULES, directly or through other modules. A test
is left out if it uses one of SLOW_FIXTURES. A test that both rules overlook fails, because Guard refuses what it does.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.imports import imported_modules

SLOW_MODULES = frozenset(
    {"subprocess", "multiprocessing", "tensorflow", "keras", "nncf", "playwright", "pyspark", "training.__main__"}
)
SLOW_FIXTURES = frozenset({"executed_notebook", "starter_service", "guarded", "observed", "open_page", "tensorflow"})
# Not os.fork: openvino forks when it is imported, to send its telemetry.
PROCESS_EVENTS = frozenset({"subprocess.Popen", "os.posix_spawn"})


class SlowTest(RuntimeError):
    """A test of the fast level starts a process or imports TensorFlow."""


class Guard:
    """An audit hook: while a test runs, refuse processes and TensorFlow, and remember what was refused."""

    def __init__(self) -> None:
        self.active = False
        self.refused: list[str] = []

    def __call__(self, event: str, details: tuple[object, ...]) -> None:
        if not self.active:
            return
        package = str(details[0]).partition(".")[0] if event == "import" else ""
        if event in PROCESS_EVENTS or package in ("tensorflow", "keras"):
            self.refused.append(f"{event} {details[0] if details else ''}")
            raise SlowTest(f"{self.refused[-1]}: not in make test-fast; see docs/testing.md")


GUARD = Guard()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="only tests that start no process and need no TensorFlow")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("fast"):
        sys.addaudithook(GUARD)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if not config.getoption("fast") or collection_path.suffix != ".py" or collection_path.name == "conftest.py":
        return None
    return True if imported_modules(collection_path) & SLOW_MODULES else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("fast"):
        slow = [item for item in items if _is_slow(item)]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


def _is_slow(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return bool(SLOW_FIXTURES & fixtures) or item.get_closest_marker("slow") is not None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    GUARD.refused.clear()
    GUARD.active = True
    try:
        return (yield)
    finally:
        GUARD.active = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail also where the code under test has caught the refusal."""
    result = yield
    if GUARD.refused:
        raise SlowTest(f"{', '.join(GUARD.refused)}: not in make test-fast; see docs/testing.md")
    return result
