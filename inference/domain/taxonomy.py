"""The seven classes of HAM10000, in the order of every array of this project."""

from dataclasses import dataclass
from typing import Literal, get_args

Language = Literal["es", "en"]
ClassCode = Literal["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"]
Nature = Literal["benign", "precancerous", "malignant"]

LANGUAGES: tuple[Language, ...] = get_args(Language)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One class of HAM10000.

    `es` and `en` are its names. `icd10` lists the WHO ICD-10 categories that the data set merges into the class;
    `snomed_ct` is None where no concept was verified.
    """

    code: ClassCode
    es: str
    en: str
    nature: Nature
    icd10: tuple[str, ...]
    snomed_ct: str | None

    @property
    def counts_as_malignant(self) -> bool:
        """Whether the class adds to the malignant probability; precancerous ones do, as they may become malignant."""
        return self.nature != "benign"

    def name(self, language: Language) -> str:
        """The name in a language."""
        return {"es": self.es, "en": self.en}[language]


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
MALIGNANT: tuple[int, ...] = tuple(  # indices into CLASSES
    index for index, diagnosis in enumerate(DIAGNOSES) if diagnosis.counts_as_malignant
)
