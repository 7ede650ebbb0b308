"""What users notice while parts die under load: nothing but, at most, that an answer takes a moment longer."""

import time

import pytest

from tests.deploy.load import load
from tests.deploy.stack import Stack

CALM_S, AFTER_S = 5, 10


@pytest.mark.parametrize("service", ["service", "mlflow", "postgres"])
def test_nobody_notices_that_it_was_killed(
    stack: Stack, keyed: dict[str, str], image: bytes, report: dict[str, object], service: str
) -> None:
    """SIGKILL while four clients ask; the load goes on until the part is back, and a little longer."""
    before = stack.proxy_statistics()["BACKEND"]
    with load(stack.address, image, key=stack.key) as noticed:
        time.sleep(CALM_S)
        asked = len(noticed.seconds)
        killed = stack.kill(service)
        back_s = stack.wait(lambda: stack.recovered(killed) and stack.is_healthy(), wait_s=120)
        time.sleep(AFTER_S)
    after = stack.proxy_statistics()["BACKEND"]
    report[f"killed under load: {service}"] = noticed.report() | {
        "back_after_s": round(back_s, 1),
        "repeated_by_proxy": {name: int(after[name]) - int(before[name]) for name in ("wretr", "wredis")},
    }
    assert asked > 0
    assert len(noticed.seconds) > asked
    assert noticed.failed == 0, noticed.answers
    assert noticed.stale == 0
    assert max(noticed.seconds) < 15
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
