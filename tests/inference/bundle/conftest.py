"""A bundle to be replaced."""

from pathlib import Path

import pytest

from tests.support.fakes import write_fake_bundle


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A bundle in a folder of its own; `second` writes another one."""
    return write_fake_bundle(tmp_path / "home" / "bundle", seed=1).path


@pytest.fixture(scope="module")
def digests(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Digests of the earlier bundle and of its successor."""
    folder = tmp_path_factory.mktemp("digests")
    old, new = (write_fake_bundle(folder / str(seed), seed=seed).manifest.digest for seed in (1, 2))
    assert old != new
    return old, new
