"""Public holidays by country, without Sundays."""

from __future__ import annotations

from datetime import date

import pytest

from ev_gym.series.limits import DataError
from ev_gym.series.public_holidays import public_holidays


def test_swedish_holidays_of_2025() -> None:
    """As the law (1989:253) names them; Easter Sunday, Pentecost and all others are left out."""
    known = public_holidays("SE", date(2025, 1, 1), 365)
    by_law = [(1, 1), (1, 6), (4, 18), (4, 21), (5, 1), (5, 29), (6, 6), (6, 21), (11, 1),
              (12, 25), (12, 26)]  # fmt: skip
    # not the eves, which agreements make days off
    assert known == {date(2025, month, day) for month, day in by_law}


def test_only_the_days_asked_for() -> None:
    assert public_holidays("SE", date(2024, 12, 26), 7) == {
        date(2024, 12, 26),
        date(2025, 1, 1),
    }
    assert public_holidays("SE", date(2025, 1, 2), 4) == frozenset()
    assert public_holidays("FR", date(2025, 7, 14), 1) == {date(2025, 7, 14)}


@pytest.mark.parametrize("country", ["", "XX", "Sweden?"])
def test_unknown_country(country: str) -> None:
    with pytest.raises(DataError, match=f"country = '{country[:2]}.*: allowed is a country"):
        public_holidays(country, date(2025, 1, 1), 7)
