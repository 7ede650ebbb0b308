"""The mix of diagnoses in a practice, for which answers are re-weighted."""

from dataclasses import dataclass
from math import isfinite
from typing import Self

from inference.domain.taxonomy import CLASSES

MODEL = "model"  # the mix that the bundle's own probabilities assume: nothing is re-weighted
# Images of each class in HAM10000, in the order of CLASSES: Tschandl, Rosendahl, Kittler, Scientific Data 5 (2018).
PRESETS: dict[str, tuple[float, ...]] = {"ham10000": (327, 514, 1099, 115, 1113, 6705, 142), "uniform": (1,) * 7}
LEAST_SHARE = 1e-6  # a class that is rarer could not be told from one that does not exist


@dataclass(frozen=True, slots=True)
class Prevalence:
    """The share of each class among the lesions, in the order of CLASSES; positive, sum 1. `name`: as it was given."""

    name: str
    shares: tuple[float, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """A preset, or seven positive numbers separated by commas, of which only the ratios count. Raises ValueError.

        The numbers are in the order of CLASSES; none may be less than LEAST_SHARE of their sum.
        """
        numeric = f"seven positive numbers for {', '.join(CLASSES)}, each at least {LEAST_SHARE:g} of their sum"
        allowed = f"{', '.join(PRESETS)}, or {numeric}"
        name = text.strip()
        try:
            numbers = PRESETS[name] if name in PRESETS else tuple(float(part) for part in name.split(","))
        except ValueError:
            raise ValueError(f"{name!r} is no prevalence; allowed: {allowed}") from None
        total = sum(numbers)
        if len(numbers) != len(CLASSES) or not isfinite(total) or not min(numbers) >= LEAST_SHARE * total > 0:
            raise ValueError(f"{name!r} is no prevalence; allowed: {allowed}")
        return cls(name if name in PRESETS else "custom", tuple(number / total for number in numbers))
