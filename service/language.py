"""Which language to answer in."""

from inference.taxonomy import LANGUAGES, Language

DEFAULT: Language = "es"


def negotiate(asked: Language | None, accept_language: str) -> Language:
    """The parameter, else the best known language of an Accept-Language header, else Spanish."""
    if asked is not None:
        return asked
    ranked: list[tuple[float, Language]] = []
    for entry in accept_language.split(","):
        tag, _, parameter = entry.strip().partition(";")
        for language in LANGUAGES:
            if tag.lower().partition("-")[0] == language:
                ranked.append((_quality(parameter), language))
    best = max(ranked, key=lambda each: each[0], default=(0.0, DEFAULT))
    return best[1] if best[0] > 0 else DEFAULT


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    try:
        return float(value) if name == "q" else 1.0
    except ValueError:
        return 0.0
