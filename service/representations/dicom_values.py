"""Values of a patient's and a study's attributes; what breaks DICOM's form (PS3.5, 6.2) is left empty."""

import re
from collections.abc import Callable
from datetime import datetime

_DATE = re.compile(r"[0-9]{8}")
_TIME = re.compile(r"([0-9]{2}){1,3}")
_TIME_FORMS = {2: "%H", 4: "%H%M", 6: "%H%M%S"}


def checked(keyword: str, text: str) -> str | None:
    """The value of an attribute, or None if it has no valid one."""
    return _FORMS.get(keyword, _any)(text) if text else None


def _any(text: str) -> str | None:
    return text


def _date(text: str) -> str | None:
    return text if _DATE.fullmatch(text) and _exists(text, "%Y%m%d") else None


def _time(text: str) -> str | None:
    """HH, HHMM, HHMMSS, HHMMSS.F with up to six digits."""
    whole, _, fraction = text.partition(".")
    if not _TIME.fullmatch(whole) or not _exists(whole, _TIME_FORMS[len(whole)]):
        return None
    if whole != text and not (len(whole) == 6 and re.fullmatch(r"[0-9]{1,6}", fraction)):
        return None
    return text


def _exists(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)
    except ValueError:
        return False
    return True


def _name(text: str) -> str | None:
    """A name of one component gets a caret, which says that it is a family name; else highdicom warns and quotes it."""
    return text if "^" in text else "=".join(f"{group}^" if group else "" for group in text.split("="))


def _sex(text: str) -> str | None:
    return text if text in ("M", "F", "O") else None


_FORMS: dict[str, Callable[[str], str | None]] = {
    "PatientBirthDate": _date,
    "StudyDate": _date,
    "StudyTime": _time,
    "PatientName": _name,
    "ReferringPhysicianName": _name,
    "PatientSex": _sex,
}
