"""Rates as natural frequencies: of 1,000 lesions at a prevalence that the reader chooses, how many are called what."""

import re
from dataclasses import dataclass
from math import isfinite, sqrt

from inference.bundle.manifest import Interval
from inference.bundle.uncertainty import Alarms

LESIONS = 1000
FEW = 20  # fewer lesions are shown with one decimal: a whole number would hide what is missed
MELANOMAS = 20  # shown until the reader chooses; an example, no practice's number


@dataclass(frozen=True, slots=True)
class Count:
    """An expected number of lesions with the ends of the 95 % interval of that number."""

    value: float
    low: float
    high: float

    @property
    def digits(self) -> int:
        """Digits after the point that are worth showing."""
        return 0 if self.value >= FEW else 1


@dataclass(frozen=True, slots=True)
class Frequencies:
    """Of LESIONS, `melanomas` are melanomas; `called` are at or above a level of risk, on average.

    Of the melanomas, `found` are among those called and `missed` are not.
    """

    melanomas: int
    called: Count
    found: Count
    missed: Count

    @property
    def digits(self) -> int:
        """Digits of the melanomas found and missed, the same for both, so that they add up."""
        return max(self.found.digits, self.missed.digits)


def parse_melanomas(text: str | None) -> int | None:
    """The reader's number of melanomas in LESIONS, the example without one; None if it is none from 0 to LESIONS.

    A point or a comma before three digits separates thousands, as nobody writes a fraction of a lesion so.
    """
    if text is None or not text.strip():
        return MELANOMAS
    whole = re.fullmatch(r"\d{1,3}(?:[.,]\d{3})+", text.strip())
    try:
        number = float(re.sub(r"[.,]", "", text) if whole else text.replace(",", "."))
    except ValueError:
        return None
    return round(number) if isfinite(number) and 0 <= number <= LESIONS else None


def frequencies(alarms: Alarms, melanomas: int) -> Frequencies | None:
    """None if no melanoma was measured. The other lesions are mixed as in the measured images."""
    of_melanomas = alarms.classes["mel"]
    if of_melanomas is None:
        return None
    found = _sum((melanomas, of_melanomas))
    return Frequencies(
        melanomas,
        called=_sum((melanomas, of_melanomas), (LESIONS - melanomas, alarms.others)),
        found=found,
        missed=Count(melanomas - found.value, melanomas - found.high, melanomas - found.low),
    )


def _sum(*parts: tuple[int, Interval]) -> Count:
    """The interval of a sum of independent rates times numbers (MOVER: Zou and Donner, Stat Med 2008)."""
    value = sum(number * rate.value for number, rate in parts)
    below = sqrt(sum((number * (rate.value - rate.low)) ** 2 for number, rate in parts))
    above = sqrt(sum((number * (rate.high - rate.value)) ** 2 for number, rate in parts))
    most = sum(number for number, _ in parts)
    return Count(value, max(0.0, value - below), min(most, value + above))
