"""Public holidays of a country, which are days off to drivers, built-in prices and loads."""

from __future__ import annotations

from datetime import date, timedelta

from ev_gym.series.limits import DataError


def public_holidays(country: str, start: date, days: int) -> frozenset[date]:
    """The public holidays from ``start`` on, as local dates; those on Sundays are left out.

    Source: the package ``holidays``. It lists every Sunday for Sweden, as the law does; a Sunday is
    a day off anyway.

    Args:
        country: ISO 3166-1 code of two letters, such as "SE".
        start: first day.
        days: number of days.

    Raises:
        DataError: for a country that the package does not know.
    """
    import holidays

    end = start + timedelta(days=days)
    try:
        known = holidays.country_holidays(country, years=range(start.year, end.year + 1))
    except NotImplementedError:
        raise DataError(
            f"country = {country!r}: allowed is a country whose public holidays the package "
            "'holidays' knows, by its ISO 3166-1 code of two letters, such as 'SE'"
        ) from None
    return frozenset(day for day in known if start <= day < end and day.weekday() != 6)
