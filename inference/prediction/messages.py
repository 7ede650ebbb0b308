"""The API's texts in both languages: disclaimer, warnings, and where the evidence lies."""

from inference.domain.taxonomy import Language
from inference.explainers.evidence import Evidence
from inference.prediction.classifier import WarningCode

DISCLAIMER: dict[Language, str] = {
    "es": (
        "Lunar no es un producto sanitario. El resultado es una estimación automática para investigación y "
        "docencia: no diagnostica ni sustituye la valoración de un profesional."
    ),
    "en": (
        "Lunar is not a medical device. The result is an automatic estimate for research and teaching: it is "
        "no diagnosis and no substitute for a professional's assessment."
    ),
}

WARNINGS: dict[WarningCode, dict[Language, str]] = {
    "untrained_model": {
        "es": "El modelo no está entrenado: sus respuestas no significan nada.",
        "en": "The model is untrained: its answers mean nothing.",
    },
    "first_frame_only": {
        "es": "El archivo contiene varias imágenes; solo se ha analizado la primera.",
        "en": "The file holds several images; only the first was analysed.",
    },
    "low_resolution": {
        "es": "La imagen es muy pequeña para este modelo: se ha ampliado y la respuesta es menos fiable.",
        "en": "The image is very small for this model: it was enlarged, and the answer is less reliable.",
    },
    "blurred": {
        "es": "La imagen está borrosa o no tiene detalle: la respuesta es menos fiable.",
        "en": "The image is blurred or has no detail: the answer is less reliable.",
    },
    "dark": {
        "es": "La imagen está demasiado oscura: la respuesta es menos fiable.",
        "en": "The image is too dark: the answer is less reliable.",
    },
    "out_of_distribution": {
        "es": "La imagen no se parece a las dermatoscopias con las que aprendió el modelo: no se fíe de la respuesta.",
        "en": "The image is unlike the dermoscopic images that the model learnt from: do not rely on the answer.",
    },
    "no_positive_evidence": {
        "es": "El modelo no encontró en la imagen nada que apoye una de las clases explicadas; su mapa está vacío.",
        "en": "The model found nothing in the image that supports one of the explained classes; its map is empty.",
    },
    "stale_model": {
        "es": "El registro de modelos no ha confirmado este modelo: es el último verificado y puede no ser el vigente.",
        "en": "The model registry has not confirmed this model: it is the last verified one and may be out of date.",
    },
}

# Rows from the top, columns from the left: the thirds of the image.
PLACES: dict[Language, tuple[tuple[str, str, str], ...]] = {
    "es": (
        ("arriba a la izquierda", "arriba en el centro", "arriba a la derecha"),
        ("centro izquierda", "centro", "centro derecha"),
        ("abajo a la izquierda", "abajo en el centro", "abajo a la derecha"),
    ),
    "en": (
        ("upper left", "upper centre", "upper right"),
        ("centre-left", "centre", "centre-right"),
        ("lower left", "lower centre", "lower right"),
    ),
}
OF_THE_IMAGE: dict[Language, str] = {
    "es": "{place}, {share}\u202f% de la imagen",
    "en": "{place}, {share}% of the image",
}


def describe_evidence(evidence: Evidence, language: Language) -> str:
    """Where the evidence lies, such as "centre-left, 12% of the image"."""
    place = PLACES[language][min(2, int(evidence.y * 3))][min(2, int(evidence.x * 3))]
    share = max(1, round(evidence.share * 100))
    return OF_THE_IMAGE[language].format(place=place, share=share)
