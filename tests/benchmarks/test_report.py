"""The report: recorded lines of the benchmarks become the tables, and the targets are worked out from them."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness.measuring import CAP, CAPPED_FLAGS, machine
from benchmarks.report.__main__ import PAGE, IncompleteReport, fill, main, read
from benchmarks.report.processors import KINDS, kind_of
from benchmarks.report.tables import TABLES
from benchmarks.report.targets import best_peer, targets

Put = Callable[[dict[str, Any], float], None]  # a figure into the results
RECORDED = Path(__file__).parent / "recorded.jsonl"


@pytest.fixture
def results() -> dict[str, Any]:
    """What a trial with a tiny network found; it has no int8 graph."""
    return dict(copy.deepcopy(read(RECORDED)))


def verdict(results: dict[str, Any], what: str) -> tuple[float | None, str]:
    [found] = [each for each in targets(results) if each.what == what]
    return found.measured, found.verdict


def test_the_page_has_every_table_and_the_prose_stays(tmp_path: Path, results: dict[str, Any]) -> None:
    page = tmp_path / "performance.md"
    page.write_text(PAGE.read_text())
    main(RECORDED, page)
    once = page.read_text()
    main(RECORDED, page)
    assert page.read_text() == once
    assert "Limits of the measurements" in once
    for name, row in results["runtimes"]["milliseconds"].items():
        assert f"| {name} | " in once
        assert f" | {row['n']} | " in once
    skipped = [name for name, row in results["peers"]["peers"].items() if "skipped" in row]
    assert [name for name in results["peers"]["peers"] if name not in once] == []
    assert once.count("| skipped: ") == len(skipped)
    assert "**no measurement**" in once, "it was a trial and does not say so"


def test_only_the_table_of_the_run_s_own_kind_is_replaced(results: dict[str, Any]) -> None:
    page = PAGE.read_text()
    results["precisions"]["machine"]["flags"] = ["avx2", "avx512f", "avx512_vnni"]
    before, found = _by_kind(page), _by_kind(fill(page, results))
    assert {kind for kind in KINDS if before[kind] != found[kind]} == {"AVX-512 with VNNI"}
    assert "| V2M, int8 |" in found["AVX-512 with VNNI"]
    results["precisions"]["machine"]["flags"] = []
    with pytest.raises(IncompleteReport, match="precisions, another"):
        fill(page, results)


def _by_kind(page: str) -> dict[str, str]:
    return {kind: page.partition(f"<!-- table: precisions, {kind} -->")[2].partition("<!-- end")[0] for kind in KINDS}


def test_without_bf16_its_target_is_not_measured(results: dict[str, Any]) -> None:
    del results["precisions"]["models"]["V2M"]["precisions"]["bf16"]
    assert verdict(results, "throughput of fp32, 8 clients, V2M bf16") == (None, "not measured")


def test_what_took_its_full_time_is_a_measurement(results: dict[str, Any]) -> None:
    for line in results.values():
        line["share"] = 1.0
    assert "no measurement" not in TABLES["machine"](results)


def test_without_a_line_or_a_marker_there_is_no_report(tmp_path: Path, results: dict[str, Any]) -> None:
    lines = tmp_path / "results.jsonl"
    lines.write_text("".join(json.dumps(line) + "\n" for name, line in results.items() if name != "http"))
    with pytest.raises(IncompleteReport, match="http"):
        read(lines)
    with pytest.raises(IncompleteReport, match="crowd"):
        fill(PAGE.read_text().replace("<!-- table: crowd -->", ""), results)


def test_without_int8_its_targets_are_not_measured(results: dict[str, Any]) -> None:
    found = {each.what: each.verdict for each in targets(results)}
    assert len(found) == 30
    assert {word for what, word in found.items() if "int8" in what} == {"not measured"}
    assert "not measured" not in {word for what, word in found.items() if "int8" not in what}


def _ratio(found: dict[str, Any], value: float) -> None:
    found["http"]["models"]["V2M fp32"]["one_client"]["/predict"]["of_runtime_call"]["median"] = value


def _above(found: dict[str, Any], value: float) -> None:
    found["http"]["models"]["V2M fp32"]["one_client"]["/explain"]["above_predict"]["median"] = value


def _bf16(found: dict[str, Any], value: float) -> None:
    found["precisions"]["models"]["V2M"]["precisions"]["bf16"]["8"]["of_fp32"]["median"] = value


def _answered(found: dict[str, Any], value: float) -> None:
    found["startup"]["models"]["starter"]["warm"]["answered"]["median"] = value


def _starter(found: dict[str, Any], value: float) -> None:
    found["http"]["models"]["starter"]["one_client"]["/predict"]["above_runtime_call"]["median"] = value


def _best(found: dict[str, Any], value: float) -> None:
    found["http"]["models"]["V2M fp32"]["eight_and_bare"]["of_best"]["median"] = value


def _p99(found: dict[str, Any], value: float) -> None:
    found["http"]["models"]["V2M fp32"]["eight_and_bare"]["p99_of_fair"] = value


def _peer(found: dict[str, Any], value: float) -> None:
    found["peers"]["peers"] = {
        "A, keras": {"eight": {"per_second": 1.0}},
        "B, keras": {"eight": {"per_second": 2.0}},
        "C, openvino-fp32": {"eight": {"per_second": 9.0}},  # another graph: no rival
        "D, keras": {"skipped": "it did not start"},
    }
    found["peers"]["ours"]["Lunar fp32"] = [{"eight": {"per_second": rate}} for rate in (2 * value, 0.1, 90.0)]


def _eager(found: dict[str, Any], value: float) -> None:
    found["explanations"]["tape_of_ours"]["closed form, fp32"]["GradientTape, eager"]["median"] = value


def _ready(found: dict[str, Any], value: float) -> None:
    found["startup"]["models"]["starter"]["warm"]["ready"]["median"] = value


def _photo(found: dict[str, Any], value: float) -> None:
    found["drawing"]["milliseconds"]["all that comes before the model, 12 megapixels"]["median"] = value


@pytest.mark.parametrize(
    ("what", "put", "good", "bad", "short"),
    [
        ("`/predict` of the runtime call, one client, V2M fp32", _ratio, 1.08, 1.1, "0.02 x"),
        ("`/explain` above `/predict`, one client, V2M fp32", _above, 25, 27, "2 ms"),
        ("`/predict` above the runtime call, one client, starter", _starter, 3.5, 4, "0.5 ms"),
        ("throughput of fp32, 8 clients, V2M bf16", _bf16, 2.2, 2.0, "0.2 x"),
        ("start of the process to the first answer, starter", _answered, 1.5, 1.75, "0.25 s"),
        ("throughput of the runtime's own best, 8 clients, V2M fp32", _best, 0.92, 0.9, "0.02 x"),
        ("p99 of 8 / throughput, 8 clients, V2M fp32", _p99, 1.3, 1.5, "0.2 x"),
        ("throughput of the best Keras peer, 8 clients, V2M fp32", _peer, 2.5, 2.25, "0.25 x"),
        ("GradientTape, eager, of the closed form in fp32", _eager, 10, 9, "1 x"),
        ("start of the process to ready, starter", _ready, 4, 5, "1 s"),
        ("all that comes before the model, 12 megapixels", _photo, 80, 90, "10 ms"),
    ],
)
def test_a_target_is_met_or_missed_by_so_much(
    results: dict[str, Any],
    what: str,
    put: Callable[[dict[str, Any], float], None],
    good: float,
    bad: float,
    short: str,
) -> None:
    put(results, good)
    assert verdict(results, what) == (good, "yes")
    put(results, bad)
    assert verdict(results, what) == (bad, f"**no**, by {short}")


def test_int8_is_measured_where_the_bundle_has_it(results: dict[str, Any]) -> None:
    models = results["http"]["models"]
    models["V2M int8"] = copy.deepcopy(models["V2M fp32"])
    models["V2M int8"]["one_client"]["/predict"]["of_runtime_call"]["median"] = 1.14
    what = "`/predict` of the runtime call, one client, V2M "
    assert verdict(results, what + "int8") == (1.14, "yes")
    assert "V2M int8, `/predict`" in TABLES["one client"](results)


def test_without_any_peer_nothing_is_better_than_it(results: dict[str, Any]) -> None:
    results["peers"]["peers"] = {"A, keras": {"skipped": "its environment is not installed"}}
    assert best_peer(results) is None
    assert verdict(results, "throughput of the best Keras peer, 8 clients, V2M fp32") == (None, "not measured")
    assert "its environment is not installed" in TABLES["peers"](results)


@pytest.mark.parametrize(
    ("cap", "kind"), [("AVX2", "AVX2"), ("AVX512_CORE", "AVX-512"), ("AVX512_CORE_VNNI", "AVX-512 with VNNI")]
)
def test_a_capped_run_belongs_to_the_kind_it_computes_as(cap: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CAP, cap)
    found = machine()
    assert kind_of(CAPPED_FLAGS[cap]) == kind
    assert set(found["flags"]) <= set(CAPPED_FLAGS[cap])
    assert str(found["cpu"]).endswith(f", capped by {CAP}={cap}")
    monkeypatch.delenv(CAP)
    assert set(found["flags"]) == set(machine()["flags"]) & set(CAPPED_FLAGS[cap])
    assert "capped" not in str(machine()["cpu"])
