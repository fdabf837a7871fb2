"""Public holidays of a country, from the library `holidays`."""

from __future__ import annotations

from datetime import date, timedelta


def public_holidays(country: str, start: date, days: int) -> frozenset[date]:
    """The public holidays of a country among so many days from `start` on.

    Args:
        country: Two-letter code, ISO 3166.
        start: First day.
        days: Number of days.
    """
    import holidays

    years = range(start.year, (start + timedelta(days=days)).year + 1)
    found = holidays.country_holidays(country, years=years)
    return frozenset(day for day in found if start <= day < start + timedelta(days=days))
