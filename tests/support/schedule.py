"""The order of tests and their division among the workers of pytest-xdist.

A worker gets a whole group at a time: a file, or all tests that share an expensive session fixture. Long groups begin
first, because one that begins last runs while the other workers have nothing to do.
"""

from pathlib import Path

import pytest

# A session fixture that takes long to make -> the group of all tests that use it.
GROUP_OF_FIXTURE = {
    "v2m_network": "v2m",
    "guarded": "guarded",
    "open_page": "guarded",
    "observed": "observed",
    "made": "quantisation",
    "executed_notebook": "notebook",
}

# Files and folders that take a quarter of a minute and more, the longest first.
LONGEST = (
    "tests/browser",
    "tests/training/test_smoke.py",
    "tests/notebooks",
    "tests/training/test_pipeline.py",
    "tests/training/fitting/test_trainer.py",
    "tests/service/serving/test_alias_watcher.py",
    "tests/service/test_soak.py",
    "tests/service/serving/test_swap.py",
    "tests/service/http/test_mutated_images.py",
    "tests/benchmarks/test_siege.py",
    "tests/training/fitting/test_mixed_precision.py",
    "tests/training/fitting/test_cross_validation.py",
    "tests/service/test_end_to_end.py",
    "tests/training/quantisation",
    "tests/training/backbones",
    "tests/service/test_v2m.py",
    "tests/service/http/test_memory.py",
    "tests/service/serving/test_candidate_check.py",
    "tests/service/serving/test_decoders.py",
    "tests/service/http/test_dying_decoders.py",
    "tests/training/networks/test_ensemble.py",
    "tests/service/observability/test_tracing.py",
    "tests/training/fitting/test_stochastic_depth.py",
    "tests/inference/bundle/test_replacement.py",
    "tests/examples",
)


def group_of(path: Path, fixtures: frozenset[str]) -> str:
    """The group of a test: that of its fixture, or its file's own."""
    return next((group for fixture, group in GROUP_OF_FIXTURE.items() if fixture in fixtures), path.as_posix())


def place_of(path: Path) -> int:
    """When it begins; equal places keep their order."""
    return next((place for place, long in enumerate(LONGEST) if path.is_relative_to(long)), len(LONGEST))


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        path = item.path.relative_to(config.rootpath)
        item.add_marker(pytest.mark.xdist_group(group_of(path, frozenset(getattr(item, "fixturenames", ())))))
    items.sort(key=lambda item: place_of(item.path.relative_to(config.rootpath)))
