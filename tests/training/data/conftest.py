"""A Dataverse to download from."""

from collections.abc import Iterator

import pytest

from tests.support.dataverse_server import (
    METADATA_ID,
    ONE,
    ONE_ID,
    PICTURES,
    TABLE,
    TEST_IMAGES_ID,
    TWO,
    TWO_ID,
    Dataverse,
    pack,
    serving,
)


@pytest.fixture
def dataverse(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dataverse]:
    """A server with the tiny data set, without faults."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    names = list(PICTURES)
    shelf = Dataverse({
        METADATA_ID: ("HAM10000_metadata.tab", TABLE.encode()),
        ONE_ID: (f"{ONE}.zip", pack({name: PICTURES[name] for name in names[:3]})),
        TWO_ID: (f"{TWO}.zip", pack({name: PICTURES[name] for name in names[3:]})),
        TEST_IMAGES_ID: ("ISIC2018_Task3_Test_Images.zip", b"not ours"),
    })  # fmt: skip
    with serving(shelf):
        yield shelf
