"""The dashboard: every query of it has data from a real Prometheus; its panels are complete and do not overlap."""

import json
from itertools import combinations
from typing import Any

import pytest
import yaml

from tests.support.observed_service import Observed
from tests.support.prometheus_server import FOLDER

BOARD = json.loads((FOLDER / "dashboard.json").read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
# What Grafana puts in, here so that nothing narrows the data down: not even how long the tests before took.
VARIABLES = {"$__rate_interval": "1h", "$instance": ".*"}


@pytest.mark.parametrize(("title", "expression"), QUERIES)
def test_a_query_has_data(observed: Observed, title: str, expression: str) -> None:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    found = observed.prometheus.query(expression)
    assert found, title
    assert [sample for sample in found if sample["value"][1] != "NaN"], f"{title}: nothing but NaN"


def test_the_variables_have_values(observed: Observed) -> None:
    datasource, instance = BOARD["templating"]["list"]
    assert (datasource["type"], datasource["query"]) == ("datasource", "prometheus")
    assert instance["definition"] == instance["query"]["query"] == 'label_values(up{job="lunar"}, instance)'
    (up,) = observed.prometheus.query('up{job="lunar"}')
    assert observed.address.endswith(up["metric"]["instance"])


def test_every_panel_can_be_read_without_its_query() -> None:
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    for panel in PANELS:
        assert panel["title"] and panel["description"] and panel["fieldConfig"]["defaults"]["unit"]
        assert {source["uid"] for source in (panel["datasource"], *(t["datasource"] for t in panel["targets"]))} == {
            "${datasource}"
        }
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters)


def test_panels_do_not_overlap() -> None:
    def apart(one: dict[str, int], other: dict[str, int]) -> bool:
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        return beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]

    places: list[dict[str, Any]] = [panel["gridPos"] for panel in BOARD["panels"]]
    assert all(each["x"] >= 0 and each["x"] + each["w"] <= 24 for each in places)
    assert all(apart(one, other) for one, other in combinations(places, 2))


def test_grafana_is_told_where_both_are() -> None:
    (source,) = yaml.safe_load((FOLDER / "grafana/datasources/prometheus.yml").read_text())["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    (provider,) = yaml.safe_load((FOLDER / "grafana/dashboards/lunar.yml").read_text())["providers"]
    assert provider["type"] == "file"
    assert provider["options"]["path"]
