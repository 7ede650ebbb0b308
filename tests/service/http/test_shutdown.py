"""What is written down of a request that the end of the service cuts off, and addresses on a socket of both kinds."""

import asyncio
import logging

import pytest
from starlette.types import Receive, Scope, Send

from service.http import problems
from service.http.connections import as_ipv4
from service.http.request_log import RequestLog
from service.observability.metrics import Metrics


def test_a_request_that_was_cut_off_is_not_called_answered(caplog: pytest.LogCaptureFixture) -> None:
    begun = asyncio.Event()

    async def hang(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def cut_off() -> None:
        scope = {"type": "http", "method": "POST", "path": "/predict", "headers": [], "query_string": b""}
        ignored: Receive = asyncio.Event().wait  # type: ignore[assignment]
        task = asyncio.create_task(log(scope, ignored, ignored))  # type: ignore[arg-type]
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    metrics = Metrics(problems.CAUSES)
    log = RequestLog(hang, None, metrics, None)
    with caplog.at_level(logging.INFO):
        asyncio.run(cut_off())
    (line,) = [record for record in caplog.records if record.getMessage() == "request"]
    assert (line.status, line.outcome) == (503, "shut-down")  # type: ignore[attr-defined]
    assert metrics.registry.get_sample_value("lunar_refusals_total", {"cause": "shut-down"}) == 1


@pytest.mark.parametrize(("seen", "named"), [
    ("::ffff:10.0.0.1", "10.0.0.1"), ("10.0.0.1", "10.0.0.1"), ("2001:db8::1", "2001:db8::1"), ("/run/s", "/run/s"),
])  # fmt: skip
def test_an_address_of_ipv4_is_named_as_settings_name_it(seen: str, named: str) -> None:
    assert as_ipv4(seen) == named
