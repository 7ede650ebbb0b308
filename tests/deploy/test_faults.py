"""What users notice while parts die under load: nothing but, at most, that an answer takes a moment longer."""

import pytest

from tests.deploy.load import load
from tests.deploy.stack import Stack

BEFORE, AFTER = 100, 200  # answers


@pytest.mark.parametrize("service", ["service", "mlflow", "postgres"])
def test_nobody_notices_that_it_was_killed(
    stack: Stack, keyed: dict[str, str], image: bytes, report: dict[str, object], service: str
) -> None:
    """SIGKILL while four clients ask; the load goes on until the part is back, and a little longer."""
    before = stack.proxy_statistics()["BACKEND"]
    with load(stack.address, image, key=stack.key) as noticed:
        stack.wait(lambda: noticed.asked >= BEFORE, "the load")
        killed = stack.kill(service)
        back_s = stack.wait(lambda: stack.recovered(killed) and stack.is_healthy(), f"{service} is back")
        recovered = noticed.asked
        stack.wait(lambda: noticed.asked >= recovered + AFTER, "the load goes on")
    after = stack.proxy_statistics()["BACKEND"]
    report[f"killed under load: {service}"] = noticed.report() | {
        "back_after_s": round(back_s, 1),
        "repeated_by_proxy": {name: int(after[name]) - int(before[name]) for name in ("wretr", "wredis")},
    }
    assert noticed.failed == 0, noticed.answers
    assert noticed.stale == 0
    reload = stack.ask("POST", "/admin/reload", headers=keyed)
    assert (reload.status_code, reload.json()["outcome"]) == (200, "unchanged"), "the registry is asked again"


def test_with_every_replica_down_the_proxy_says_so_and_recovers(stack: Stack, keyed: dict[str, str]) -> None:
    stack.compose("stop", "service")
    refused = stack.ask("GET", "/model", headers=keyed)
    assert refused.status_code == 503
    assert refused.headers["content-type"] == "application/problem+json"
    assert int(refused.headers["Retry-After"]) > 0
    stack.up()
    assert stack.ask("GET", "/model", headers=keyed).status_code == 200
