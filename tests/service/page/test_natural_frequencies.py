from math import hypot

import pytest

from inference.bundle.manifest import Interval
from inference.bundle.uncertainty import Alarms
from inference.domain.taxonomy import CLASSES
from service.page.natural_frequencies import frequencies, parse_melanomas

RATE = Interval(value=0.8, low=0.7, high=0.85)
OTHERS = Interval(value=0.165, low=0.155, high=0.175)


def alarms(melanoma: Interval | None) -> Alarms:
    return Alarms(classes=dict.fromkeys(CLASSES) | {"mel": melanoma}, malignant=RATE, benign=OTHERS, others=OTHERS)


def test_rates_become_lesions() -> None:
    found = frequencies(alarms(RATE), 20)
    assert (found.melanomas, found.found.value, found.called.value) == pytest.approx((20, 16, 177.7))
    assert (found.found.low, found.found.high) == pytest.approx((14, 17))
    assert (found.missed.value, found.missed.low, found.missed.high) == pytest.approx((4, 3, 6))
    # Each bound is as far away as the root of the sum of the squared distances: 2 and 9.8 below, 1 and 9.8 above.
    ends = (177.7 - hypot(2, 9.8), 177.7 + hypot(1, 9.8))
    assert (found.called.low, found.called.high) == pytest.approx(ends)


@pytest.mark.parametrize("melanomas", range(1, 11))
def test_few_melanomas_are_never_all_found(melanomas: int) -> None:
    """3 of 3 (3 to 3) would be said of a rate of 95 % if the numbers were whole."""
    found = frequencies(alarms(Interval(value=0.95, low=0.93, high=0.97)), melanomas)
    shown = {name: round(getattr(found, name).value, found.digits) for name in ("found", "missed")}
    assert found.digits == found.found.digits == 1
    assert 0 < shown["missed"] < 1
    assert sum(shown.values()) == pytest.approx(melanomas)


def test_many_melanomas_are_whole() -> None:
    found = frequencies(alarms(RATE), 500)
    assert (found.digits, found.called.digits) == (0, 0)


def test_the_ends_of_the_scale() -> None:
    assert frequencies(alarms(RATE), 0).found.value == 0
    assert frequencies(alarms(RATE), 1000).called == frequencies(alarms(RATE), 1000).found
    assert frequencies(alarms(None), 20) is None


READ = {None: 20, "": 20, "35": 35, "1,6": 2, "0": 0, "1000": 1000, "1001": None, "-1": None, "many": None, "nan": None}
READ |= {"2,000": None, "1,000": 1000, "1.000": 1000, "12,5": 12, "1,000,000": None}


@pytest.mark.parametrize(("typed", "read"), READ.items())
def test_what_the_reader_types(typed: str | None, read: int | None) -> None:
    assert parse_melanomas(typed) == read
