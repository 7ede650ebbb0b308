"""The FHIR R4 resources of one answer, as plain dictionaries; each asserted one is marked as made by a program."""

from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4, uuid5

from inference import __version__
from inference.domain.taxonomy import DIAGNOSES
from inference.prediction.messages import DISCLAIMER, WARNINGS
from service.representations import fhir_codes
from service.representations.representation import Answered

Resource = dict[str, Any]
_FRACTION = "The probability is a fraction between 0 and 1, not a percentage."
_UNKNOWN = {
    "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
}


@dataclass(frozen=True, slots=True)
class ResourceWriter:
    """Writes the resources of one answer; `issued` is their time, `bundle` distinguishes them from all others."""

    answered: Answered
    issued: datetime
    bundle: UUID

    @classmethod
    def now(cls, answered: Answered) -> "ResourceWriter":
        """For an answer that is given now."""
        return cls(answered, datetime.now(UTC), uuid4())

    def address(self, part: str) -> str:
        """The full URL of a resource, by which the others of the bundle refer to it."""
        return f"urn:uuid:{uuid5(self.bundle, part)}"

    def reference(self, part: str) -> Resource:
        """A reference to a resource of the bundle."""
        return {"reference": self.address(part)}

    def time(self) -> str:
        """FHIR's instant."""
        return self.issued.isoformat(timespec="milliseconds")

    def device(self) -> Resource:
        """The software and the model, with the digest of its bundle."""
        model = self.answered.served.reply
        versions = {"Lunar": __version__, f"model {model.name}": model.version}
        return {
            "resourceType": "Device",
            "identifier": [
                {"system": "urn:lunar:bundle-sha256", "value": self.answered.served.classifier.bundle.manifest.digest}
            ],
            "status": "active",
            "deviceName": [{"name": "Lunar", "type": "user-friendly-name"}, {"name": model.name, "type": "model-name"}],
            "type": {"text": "Image classification software; not a medical device"},
            "version": [{"type": {"text": name}, "value": version} for name, version in versions.items()],
            "note": [{"text": DISCLAIMER[self.answered.language]}],
        }

    def observation(self, index: int) -> Resource:
        """The probability of one class. The code says "probability of", so that nobody reads the class as observed."""
        diagnosis = DIAGNOSES[index]
        probability = float(self.answered.analysis.prediction.probabilities[index])
        name = diagnosis.name("en")
        return self._asserted("Observation") | {
            "status": "preliminary",
            "code": fhir_codes.local_concept(f"probability-{diagnosis.code}", f"Probability of {name.lower()}"),
            **self._context(),
            "issued": self.time(),
            "device": self.reference("device"),
            "valueQuantity": _share(probability),
        }

    def risk_assessment(self) -> Resource:
        """The probabilities of the coded diagnoses, and the level of risk unless a warning takes its meaning."""
        prediction = self.answered.analysis.prediction
        outcomes = [
            {
                "outcome": fhir_codes.diagnosis_concept(diagnosis, self.answered.language),
                "probabilityDecimal": float(probability),
                "rationale": _FRACTION,
            }
            for diagnosis, probability in zip(DIAGNOSES, prediction.probabilities, strict=True)
        ]
        malignant: Resource = {
            "outcome": fhir_codes.local_concept("malignant", "Melanoma, basal cell carcinoma or actinic keratosis"),
            "probabilityDecimal": prediction.malignant_probability,
            "rationale": _FRACTION,
        }
        if prediction.reliable:
            malignant["qualitativeRisk"] = fhir_codes.risk_concept(prediction.risk)
        return self._asserted("RiskAssessment") | {
            "status": "preliminary",
            **({"subject": _UNKNOWN} | self._context()),
            "occurrenceDateTime": self.time(),
            "performer": self.reference("device"),
            "basis": [self.reference(f"observation-{each.code}") for each in DIAGNOSES],
            "prediction": [malignant, *outcomes],
            "note": self._notes(),
        }

    def media(self, index: int) -> Resource:
        """The picture of one class map."""
        class_map = self.answered.analysis.maps[index]
        picture = class_map.overlay or class_map.heatmap or b""
        kind = "overlay" if class_map.overlay else "heat map"
        return self._asserted("Media") | {
            "status": "completed",
            "type": {"text": f"{kind} ({class_map.method})"},
            **self._context(),
            "issued": self.time(),
            "device": self.reference("device"),
            "content": {
                "contentType": "image/png",
                "data": b64encode(picture).decode(),
                "title": f"Evidence for {class_map.code}",
            },
        }

    def report(self) -> Resource:
        """The report that holds the others together."""
        report = self._asserted("DiagnosticReport") | {
            "identifier": [{"system": "urn:lunar:request-id", "value": self.answered.request_id}],
            "status": "preliminary",
            "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "IMG"}]}],
            "code": {"text": "Classification of a dermoscopic image by software"},
            **self._context(),
            "effectiveDateTime": self.time(),
            "issued": self.time(),
            "result": [self.reference(f"observation-{each.code}") for each in DIAGNOSES],
            "conclusion": " ".join(note["text"] for note in self._notes()),
        }
        if study := self._study():
            report["imagingStudy"] = [study]
        if maps := self.answered.analysis.maps:
            report["media"] = [{"link": self.reference(f"media-{index}")} for index in range(len(maps))]
        return report

    def provenance(self, parts: list[str]) -> Resource:
        """Which program made what, and when."""
        source = self._study() or {"display": "the image of the request"}
        return {
            "resourceType": "Provenance",
            "target": [self.reference(part) for part in parts],
            "recorded": self.time(),
            "activity": {"text": "Inference by a machine-learning model"},
            "agent": [{"who": self.reference("device")}],
            "entity": [{"role": "source", "what": source}],
        }

    def _asserted(self, kind: str) -> Resource:
        return {"resourceType": kind, "meta": {"security": [fhir_codes.AI_ASSERTED]}}

    def _context(self) -> Resource:
        subject = self.answered.references.subject
        return {"subject": {"reference": subject}} if subject else {}

    def _study(self) -> Resource | None:
        """By the client's word, else by the DICOM instance's study, whose UID is an identifier in FHIR."""
        study, origin = self.answered.references.study, self.answered.analysis.origin
        if study and not study.startswith("urn:oid:"):
            return {"reference": study}
        uid = study or (f"urn:oid:{origin.study}" if origin else None)
        return {"identifier": {"system": "urn:dicom:uid", "value": uid}} if uid else None

    def _notes(self) -> list[Resource]:
        warnings, language = self.answered.analysis.prediction.warnings, self.answered.language
        return [{"text": text} for text in (*(WARNINGS[each][language] for each in warnings), DISCLAIMER[language])]


def _share(value: float) -> Resource:
    return {"value": value, "unit": "1", "system": fhir_codes.UCUM, "code": "1"}
