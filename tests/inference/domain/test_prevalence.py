import pytest

from inference.domain.prevalence import Prevalence


def test_presets_and_numbers_are_shares() -> None:
    assert sum(Prevalence.parse("ham10000").shares) == pytest.approx(1)
    assert Prevalence.parse("uniform").shares == pytest.approx([1 / 7] * 7)
    own = Prevalence.parse("1, 2, 3, 1, 1, 90, 2")
    assert (own.name, own.shares[5]) == ("custom", 0.9)
    assert Prevalence.parse("0.01,0.02,0.03,0.01,0.01,0.9,0.02").shares == pytest.approx(own.shares)


@pytest.mark.parametrize(
    "text",
    [
        *("clinic", "", "1,2,3", "1,1,1,1,1,1,0", "1,1,1,1,1,1,-1", "nan,1,1,1,1,1,1", "1,1,1,1,1,1,nan"),
        *("inf,1,1,1,1,1,1", "0,0,0,0,0,0,0", "1,1,1e-30,1e-30,1,1e-30,1e-30", "1e7,1,1,1,1,1,1"),
    ],
)
def test_anything_else_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="allowed: ham10000, uniform, or seven positive numbers for akiec, bcc"):
        Prevalence.parse(text)
