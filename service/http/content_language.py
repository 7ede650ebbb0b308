"""Content negotiation: the language of an answer."""

from inference.domain.taxonomy import LANGUAGES, Language
from service.http.accept_header import read_preferences

DEFAULT: Language = "es"


def negotiate(parameter: Language | None, accept_language: str) -> Language:
    """The parameter, else the preferred supported language of an Accept-Language header, else Spanish."""
    if parameter is not None:
        return parameter
    ranked: list[tuple[float, Language]] = [
        (entry.weight, language)
        for entry in read_preferences(accept_language)
        for language in LANGUAGES
        if entry.value.partition("-")[0] == language
    ]
    best = max(ranked, key=lambda weight_and_language: weight_and_language[0], default=(0.0, DEFAULT))
    return best[1] if best[0] > 0 else DEFAULT
