"""The names of the classes."""

import pytest

from inference.domain.taxonomy import DIAGNOSES, LANGUAGES


def test_every_class_has_a_name_of_its_own_in_every_language() -> None:
    for language in LANGUAGES:
        assert len({each.name(language) for each in DIAGNOSES}) == len(DIAGNOSES)
    assert DIAGNOSES[4].name("es") == "Melanoma"
    assert (DIAGNOSES[1].name("es"), DIAGNOSES[1].name("en")) == (DIAGNOSES[1].es, DIAGNOSES[1].en)


def test_a_language_without_texts_is_an_error_and_not_english() -> None:
    with pytest.raises(KeyError):
        DIAGNOSES[0].name("de")  # type: ignore[arg-type]
