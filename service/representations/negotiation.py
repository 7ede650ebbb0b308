"""Content negotiation: which representation of the answer a client gets (RFC 9110, section 12.5.1)."""

from service.errors import NotAcceptable
from service.http.accept_header import Preference, read_preferences
from service.representations import REPRESENTATIONS
from service.representations.representation import Representation, Route


def offered(route: Route) -> tuple[Representation, ...]:
    """What a route can answer with, in order of preference."""
    return tuple(each for each in REPRESENTATIONS if route in each.routes)


def negotiate(route: Route, accept: str) -> Representation:
    """The representation that the header prefers; of equals the first of the table, JSON. Raises NotAcceptable."""
    preferences = read_preferences(accept) or [Preference("*/*")]
    weights = {each: _weight(each.media_type, preferences) for each in offered(route)}
    chosen = max((each for each in weights if each.installed), key=lambda each: weights[each])
    if weights[chosen] <= 0:
        raise NotAcceptable(_refusal(weights))
    return chosen


def _refusal(weights: dict[Representation, float]) -> str:
    can = ", ".join(each.media_type for each in weights if each.installed)
    missing = sorted({f"{each.media_type} needs the extra {each.extra}" for each in weights if not each.installed})
    return " ".join([f"This route answers with {can}.", *(f"{each}; see docs/integration.md." for each in missing)])


def _weight(media_type: str, preferences: list[Preference]) -> float:
    """The weight of the most specific entry that names the type; 0 if none does."""
    (own,) = read_preferences(media_type)
    matching = [(specificity, each.weight) for each in preferences if (specificity := _specificity(each, own))]
    return max(matching, default=(0, 0.0), key=lambda found: found[0])[1]


def _specificity(asked: Preference, own: Preference) -> int:
    """0 if the entry does not mean the type. Parameters that the type does not have, such as charset, are ignored."""
    if any(asked.parameters.get(name, value) != value for name, value in own.parameters.items()):
        return 0
    if asked.value == own.value:
        return 4 if own.parameters.keys() & asked.parameters.keys() else 3
    return {f"{own.value.partition('/')[0]}/*": 2, "*/*": 1}.get(asked.value, 0)
