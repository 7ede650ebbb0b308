"""The names of parametrized tests. Workers of pytest-xdist compare theirs, which must therefore be the same in each."""

import pytest


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Bytes are named by their parameter: those of a zip or a colour profile contain the second they were made in."""
    return argname if isinstance(val, bytes) else None
