"""HTTP requests with the limit of the tests: the default of httpx2, five seconds, is too short on a busy machine."""

from functools import partial
from typing import Any

import httpx2

from tests.support.waiting import LIMIT_S

get = partial(httpx2.get, timeout=LIMIT_S)
post = partial(httpx2.post, timeout=LIMIT_S)
request = partial(httpx2.request, timeout=LIMIT_S)


class Client(httpx2.Client):
    """A client that keeps its connections."""

    def __init__(self, **options: Any) -> None:
        super().__init__(timeout=LIMIT_S, **options)
