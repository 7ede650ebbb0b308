"""Which tests `make test-fast` runs, and in which groups and order `make test` does."""

from pathlib import Path

import pytest

from tests.support.fast_level import SLOW_MODULES, Guard, SlowTest
from tests.support.imports import imported_modules
from tests.support.paths import ROOT
from tests.support.schedule import LONGEST, group_of, place_of


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("tests/service/test_soak.py", "subprocess"),  # imported by the test itself
        ("tests/service/http/test_disconnect.py", "subprocess"),  # by tests/support/service_process.py
        ("tests/training/bundling/test_bundle_paths.py", "training.__main__"),
        ("tests/training/networks/test_network.py", "keras"),
        ("tests/inference/domain/test_risk.py", None),
        ("tests/service/api/test_routes.py", None),
    ],
)
def test_a_module_is_slow_for_what_it_imports(path: str, reason: str | None) -> None:
    found = imported_modules(ROOT / path) & SLOW_MODULES
    assert reason in found if reason else not found


@pytest.mark.parametrize(
    ("event", "detail"),
    [("subprocess.Popen", "redis-server"), ("os.posix_spawn", "redis-server"), ("import", "tensorflow.lite")],
)
def test_the_guard_refuses_while_a_test_runs(event: str, detail: str) -> None:
    guard = Guard()
    guard(event, (detail,))
    assert guard.refused == []
    guard.active = True
    with pytest.raises(SlowTest, match=detail):
        guard(event, (detail,))
    guard("import", ("json",))
    assert guard.refused == [f"{event} {detail}"]


def test_the_longest_files_exist_and_begin_first() -> None:
    assert [path for path in LONGEST if not (ROOT / path).exists()] == []
    places = [place_of(Path(path)) for path in (*LONGEST, "tests/test_house.py")]
    assert places == sorted(set(places))
    assert place_of(Path("tests/browser/test_page.py")) == place_of(Path("tests/browser"))


def test_tests_that_share_a_fixture_are_one_group() -> None:
    browser, audit = Path("tests/browser/test_page.py"), Path("tests/service/observability/test_audit_log.py")
    assert group_of(browser, frozenset({"open_page"})) == group_of(audit, frozenset({"guarded", "tmp_path"}))
    assert group_of(audit, frozenset({"tmp_path"})) == audit.as_posix()


@pytest.mark.parametrize("data", [b"\x00\x01", b"PK"])
def test_bytes_are_named_by_their_parameter(data: bytes, request: pytest.FixtureRequest) -> None:
    assert request.node.name in {f"test_bytes_are_named_by_their_parameter[data{number}]" for number in (0, 1)}
