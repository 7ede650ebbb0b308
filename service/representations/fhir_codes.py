"""Code systems and codes of the FHIR documents. SNOMED CT only where a concept was verified, else ICD-10 and text."""

from typing import Any

from inference.domain.risk import RiskLevel
from inference.domain.taxonomy import Diagnosis, Language

SNOMED_CT = "http://snomed.info/sct"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
UCUM = "http://unitsofmeasure.org"
RISK = "http://terminology.hl7.org/CodeSystem/risk-probability"
LOCAL = "urn:lunar:code"  # what no published system has a code for
# HL7's Implementation Guide "AI Transparency on FHIR": every resource that a program asserts says so.
AI_ASSERTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "AIAST",
    "display": "Artificial Intelligence asserted",
}
_RISKS: dict[RiskLevel, str] = {"low": "Low likelihood", "moderate": "Moderate likelihood", "high": "High likelihood"}


def diagnosis_concept(diagnosis: Diagnosis, language: Language) -> dict[str, Any]:
    """A class as CodeableConcept; by its text alone if it merges several categories, for codings have to agree."""
    codes = [(SNOMED_CT, diagnosis.snomed_ct)] if diagnosis.snomed_ct else [(ICD10, code) for code in diagnosis.icd10]
    coding = [{"system": system, "code": code} for system, code in codes]
    return ({"coding": coding} if len(coding) == 1 else {}) | {"text": diagnosis.name(language)}


def local_concept(code: str, text: str) -> dict[str, Any]:
    """A concept of Lunar's own."""
    return {"coding": [{"system": LOCAL, "code": code, "display": text}], "text": text}


def risk_concept(level: RiskLevel) -> dict[str, Any]:
    """A level of risk as CodeableConcept."""
    return {"coding": [{"system": RISK, "code": level, "display": _RISKS[level]}], "text": level}
