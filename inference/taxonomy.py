"""The seven diagnoses of HAM10000, in the order every array of this project uses."""

from dataclasses import dataclass
from typing import Literal

Language = Literal["es", "en"]
Nature = Literal["benign", "precancerous", "malignant"]

LANGUAGES: tuple[Language, ...] = ("es", "en")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One class of HAM10000.

    `icd10` lists the WHO ICD-10 categories that the data set merges into the class; `snomed_ct` is given only
    where the concept was verified. `counts_as_malignant` says whether the class enters the risk: actinic
    keratoses and intraepithelial carcinoma do, because they are treated like what they may become.
    """

    code: str
    es: str
    en: str
    nature: Nature
    icd10: tuple[str, ...]
    snomed_ct: str | None

    @property
    def counts_as_malignant(self) -> bool:
        return self.nature != "benign"

    def name(self, language: Language) -> str:
        return self.es if language == "es" else self.en


# Grouping and codes of the data set: Tschandl, Rosendahl, Kittler, Scientific Data 5, 180161 (2018).
DIAGNOSES: tuple[Diagnosis, ...] = (
    Diagnosis(
        code="akiec",
        es="Queratosis actínica o carcinoma intraepitelial",
        en="Actinic keratosis or intraepithelial carcinoma",
        nature="precancerous",
        icd10=("L57.0", "D04.9"),
        snomed_ct="201101007",
    ),
    Diagnosis(
        code="bcc",
        es="Carcinoma basocelular",
        en="Basal cell carcinoma",
        nature="malignant",
        icd10=("C44.9",),
        snomed_ct="254701007",
    ),
    Diagnosis(
        code="bkl",
        es="Lesión queratósica benigna",
        en="Benign keratosis-like lesion",
        nature="benign",
        icd10=("L82", "L81.4"),
        snomed_ct=None,
    ),
    Diagnosis(code="df", es="Dermatofibroma", en="Dermatofibroma", nature="benign", icd10=("D23.9",), snomed_ct=None),
    Diagnosis(
        code="mel",
        es="Melanoma",
        en="Melanoma",
        nature="malignant",
        icd10=("C43.9",),
        snomed_ct="372244006",
    ),
    Diagnosis(
        code="nv",
        es="Nevo melanocítico",
        en="Melanocytic naevus",
        nature="benign",
        icd10=("D22.9",),
        snomed_ct="400096001",
    ),
    Diagnosis(
        code="vasc",
        es="Lesión vascular",
        en="Vascular lesion",
        nature="benign",
        icd10=("D18.0",),
        snomed_ct=None,
    ),
)

CLASSES: tuple[str, ...] = tuple(diagnosis.code for diagnosis in DIAGNOSES)
BY_CODE: dict[str, Diagnosis] = {diagnosis.code: diagnosis for diagnosis in DIAGNOSES}
MALIGNANT: tuple[int, ...] = tuple(i for i, d in enumerate(DIAGNOSES) if d.counts_as_malignant)
