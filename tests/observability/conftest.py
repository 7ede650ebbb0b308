"""One observed service for all tests of this folder."""

from collections.abc import Iterator

import pytest

from inference.bundle.storage import Bundle
from tests.support.observed_service import Observed, observed_service


@pytest.fixture(scope="session")
def observed(starter: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    with observed_service(starter, tmp_path_factory.mktemp("observed")) as found:
        yield found
