"""What the page says in one language: its texts, and how it writes numbers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.taxonomy import LANGUAGES, Language

_DECIMAL_COMMA: dict[Language, bool] = {"es": True, "en": False}
_NARROW_SPACE = "\u202f"


@dataclass(frozen=True, slots=True)
class Locale:
    """`texts` is the content of templates/locales/{language}.json."""

    language: Language
    texts: Mapping[str, Any]

    def percent(self, share: float, *, digits: int = 1) -> str:
        """0.8123 -> "81.2%" or "81,2 %". A share that is not 0 or 1 is never written as if it were."""
        step = 10.0**-digits
        if 0 < share * 100 < step:
            return f"< {self._write(step, digits)}"
        if 0 < 100 - share * 100 < step:
            return f"> {self._write(100 - step, digits)}"
        return self._write(share * 100, digits)

    def together(self, names: tuple[str, ...]) -> str:
        """("a", "b", "c") -> "a, b and c"."""
        *some, last = names
        return f"{', '.join(some)} {self.texts['page']['and']} {last}"

    def _write(self, number: float, digits: int) -> str:
        text = f"{number:.{digits}f}"
        return f"{text.replace('.', ',')}{_NARROW_SPACE}%" if _DECIMAL_COMMA[self.language] else f"{text}%"


def load_locales(folder: Path) -> dict[Language, Locale]:
    """One Locale a language, from {language}.json in `folder`."""
    return {
        language: Locale(language, json.loads((folder / f"{language}.json").read_text(encoding="utf-8")))
        for language in LANGUAGES
    }
