"""docs/operations.md names every metric, with its labels and their kind, and nothing else."""

import re

from prometheus_client.parser import text_string_to_metric_families

from tests.support.observed_service import Observed
from tests.support.paths import ROOT

ROW = re.compile(r"^\| `(lunar_\w+)(?:\{([\w,]*)\})?` \| (\w+) \|", re.MULTILINE)
MADE_BY_THE_FORMAT = {"le"}


def test_the_table_is_what_a_service_tells(observed: Observed) -> None:
    table = ROW.findall((ROOT / "docs/operations.md").read_text())
    described = {name: (kind, set(filter(None, labels.split(",")))) for name, labels, kind in table}
    assert len(described) == len(table)
    found = {}
    for family in text_string_to_metric_families(observed.scrape):
        if family.name.startswith("lunar_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = {label for sample in family.samples for label in sample.labels} - MADE_BY_THE_FORMAT
            found[name] = (family.type, labels)
    assert described == found
