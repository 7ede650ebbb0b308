"""Localisation of the page: texts and number formats of one language."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.domain.taxonomy import LANGUAGES, Language

_DECIMAL_COMMA: dict[Language, bool] = {"es": True, "en": False}
_NARROW_SPACE = "\u202f"


@dataclass(frozen=True, slots=True)
class Locale:
    """`texts` is the content of templates/locales/{language}.json, `english` that of the English one."""

    language: Language
    texts: Mapping[str, Any]
    english: Mapping[str, Any]

    def known(self, text: str) -> str | None:
        """An English text of a bundle, such as its source, in this language; None if it is not in `card.known`."""
        keys = {english: key for key, english in self.english["card"]["known"].items()}
        return self.texts["card"]["known"][keys[text]] if text in keys else None

    def detail(self, cause: str | None, facts: Mapping[str, str | float]) -> str | None:
        """What exactly is wrong with an image; None for a cause without words. See ImageError."""
        words = self.texts["details"].get(cause)
        return words.format(**{name: self.fact(fact) for name, fact in facts.items()}) if words else None

    def percent(self, share: float, *, digits: int = 1) -> str:
        """0.8123 -> "81.2%" or "81,2 %". A share that is not 0 or 1 is never written as if it were."""
        step = 10.0**-digits
        if 0 < share * 100 < step:
            return f"< {self._write(step, digits)}{self._percent}"
        if 0 < 100 - share * 100 < step:
            return f"> {self._write(100 - step, digits)}{self._percent}"
        return f"{self._write(share * 100, digits)}{self._percent}"

    def decimal(self, number: float, *, digits: int = 3) -> str:
        """0.8967 -> "0.897" or "0,897"."""
        return self._write(number, digits)

    def score(self, share: float) -> str:
        """A malignant probability, which is not calibrated, as a number from 0 to 100: 0.423 -> "42.3" or "42,3"."""
        return self._write(share * 100, 1)

    def count(self, number: int) -> str:
        """4323 -> "4,323" or "4323"; 12345 -> "12,345" or "12 345": Spanish groups from five digits on."""
        separator = _NARROW_SPACE if _DECIMAL_COMMA[self.language] else ","
        grouped = f"{number:,}".replace(",", separator)
        return str(number) if separator != "," and number < 10_000 else grouped

    def between(self, low: float, high: float, *, share: bool) -> str:
        """(0.39, 0.625) -> "39.0–62.5%" or "39,0–62,5 %" if they are shares, else "0.390–0.625"."""
        if share:
            return f"{self._write(low * 100, 1)}–{self._write(high * 100, 1)}{self._percent}"
        return f"{self._write(low, 3)}–{self._write(high, 3)}"

    def together(self, names: tuple[str, ...]) -> str:
        """("a", "b", "c") -> "a, b and c"."""
        *first, last = names
        return f"{', '.join(first)} {self.texts['page']['and']} {last}"

    def fact(self, fact: str | float) -> str:
        """A number or a kind of file in a message: 20.9715 -> "20.9715" or "20,9715"."""
        if isinstance(fact, str):
            return str(self.texts["contents"].get(fact, fact))
        return self.count(fact) if isinstance(fact, int) else self._localised(f"{fact:g}")

    def _write(self, number: float, digits: int) -> str:
        return self._localised(f"{number:.{digits}f}")

    def _localised(self, text: str) -> str:
        return text.replace(".", ",") if _DECIMAL_COMMA[self.language] else text

    @property
    def _percent(self) -> str:
        return f"{_NARROW_SPACE}%" if _DECIMAL_COMMA[self.language] else "%"


def load_locales(folder: Path) -> dict[Language, Locale]:
    """One Locale per language, from {language}.json in `folder`."""
    texts = {language: json.loads((folder / f"{language}.json").read_text(encoding="utf-8")) for language in LANGUAGES}
    return {language: Locale(language, texts[language], texts["en"]) for language in LANGUAGES}
