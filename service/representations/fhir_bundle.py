"""application/fhir+json: an R4 Bundle (collection) of the answer."""

import json
from collections.abc import Iterator

from inference.domain.taxonomy import DIAGNOSES
from inference.explainers.class_maps import ExplanationRequest
from service.representations.fhir_resources import Resource, ResourceWriter
from service.representations.representation import Answered, Document

MEDIA_TYPE = "application/fhir+json"


class FhirBundle:
    """A DiagnosticReport with what it refers to."""

    def narrow(self, explanation: ExplanationRequest | None, data: bytes) -> ExplanationRequest | None:
        """Whatever is asked for."""
        return explanation

    def render(self, answered: Answered) -> Document:
        """The bundle."""
        writer = ResourceWriter.now(answered)
        resources = dict(_resources(writer))
        resources["provenance"] = writer.provenance([part for part in resources if part != "device"])
        bundle = {
            "resourceType": "Bundle",
            "type": "collection",
            "timestamp": writer.time(),
            "entry": [{"fullUrl": writer.address(part), "resource": each} for part, each in resources.items()],
        }
        return Document(json.dumps(bundle, ensure_ascii=False).encode(), MEDIA_TYPE)


def _resources(writer: ResourceWriter) -> Iterator[tuple[str, Resource]]:
    yield "report", writer.report()
    for index, diagnosis in enumerate(DIAGNOSES):
        yield f"observation-{diagnosis.code}", writer.observation(index)
    yield "risk", writer.risk_assessment()
    for index in range(len(writer.answered.analysis.maps)):
        yield f"media-{index}", writer.media(index)
    yield "device", writer.device()
