"""One scrape of /metrics."""

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    """The samples of /metrics, as Prometheus reads them."""

    def __init__(self, client: TestClient) -> None:
        families = text_string_to_metric_families(client.get("/metrics").text)
        self.samples = [sample for family in families for sample in family.samples]

    def __call__(self, name: str, **labels: str) -> float:
        """The sum of the samples that have these labels."""
        return sum(each.value for each in self.samples if each.name == name and labels.items() <= each.labels.items())

    def values(self, name: str, label: str) -> set[str]:
        return {each.labels[label] for each in self.samples if each.name == name and each.value > 0}
