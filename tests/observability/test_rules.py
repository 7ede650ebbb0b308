"""Metrics, configuration and alert rules as promtool sees them, and every rule on a real Prometheus."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.observed_service import Observed
from tests.support.paths import ROOT
from tests.support.prometheus_server import FOLDER, program
from tests.support.waiting import wait_for


def read(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((FOLDER / name).read_text()))


RULES = {rule["alert"]: rule for group in read("alerts.yml")["groups"] for rule in group["rules"]}
CASES = [case for test in read("alerts_test.yml")["tests"] for case in test["alert_rule_test"]]
OF_SPEED = {"LunarSlow"}  # whether it fires here says how busy this machine is
OF_TARGETS = {"LunarDown", "LunarFewerReplicas"}
LIMIT = re.compile(r"\s*(==|>|<)\s*[\d.]+$")


def promtool(*arguments: str, text: str = "", folder: Path = FOLDER) -> str:
    done = subprocess.run([program("promtool"), *arguments], cwd=folder, input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_metrics_of_a_service_at_work_follow_the_conventions(observed: Observed) -> None:
    assert 'lunar_drift_index{of="class"}' in observed.scrape
    assert promtool("check", "metrics", text=observed.scrape) == ""


def test_the_configuration_and_its_rules_are_valid() -> None:
    found = promtool("check", "config", "prometheus.yml")
    assert "prometheus.yml is valid" in found
    assert f"{len(RULES)} rules found" in found


def test_the_rules_fire_when_they_should_and_not_otherwise() -> None:
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yml")


@pytest.mark.parametrize("alert", RULES)
def test_every_rule_has_a_case_where_it_fires_and_one_where_it_does_not(alert: str) -> None:
    fires = {bool(case["exp_alerts"]) for case in CASES if case["alertname"] == alert}
    assert fires == {True, False}


@pytest.mark.parametrize("alert", [name for name in RULES if name not in OF_TARGETS])
def test_what_a_rule_compares_is_there(observed: Observed, alert: str) -> None:
    """A rule on a metric that does not exist never fires; two others wait for something to be missing."""
    compared, limits = LIMIT.subn("", RULES[alert]["expr"])
    assert limits == 1
    assert observed.prometheus.query(compared)


def test_a_healthy_service_that_is_asked_causes_no_alert(observed: Observed) -> None:
    wait_for(lambda: "unknown" not in health_of_rules(observed).values(), "every rule has been evaluated")
    assert health_of_rules(observed) == dict.fromkeys(RULES, "ok")
    assert [alert for alert in RULES.keys() - OF_SPEED if observed.prometheus.query(RULES[alert]["expr"])] == []


def health_of_rules(observed: Observed) -> dict[str, str]:
    return {rule["name"]: rule["health"] for rule in observed.prometheus.rules()}


@pytest.mark.parametrize("alert", RULES)
def test_a_rule_says_how_bad_it_is_and_leads_to_what_can_be_done(alert: str) -> None:
    rule = RULES[alert]
    assert rule["labels"]["severity"] in ("warning", "critical")
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.*)$", (ROOT / page).read_text(), re.MULTILINE)
    assert anchor == alert.lower()
    assert alert in headings
