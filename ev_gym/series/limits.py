"""What series may hold: lengths of intervals, plausible values, the currency."""

from __future__ import annotations

HOURS_PER_WEEK = 168
QUARTERS_PER_WEEK = 672
PRICE_MINUTES = (15, 30, 60)
MAX_IRRADIANCE_W_PER_M2 = 1500.0
MAX_LOAD_KW = 100.0
MAX_PRICE_PER_KWH = 100.0
MAX_TEMPERATURE_C = 60.0
MAX_CARBON_G_PER_KWH = 2000.0  # coal alone emits about half of it


class DataError(ValueError):
    """A series that cannot be used; the message names the file or array, the row and the value."""


def check_currency(currency: str) -> None:
    """Refuse (`DataError`) what is not a three-letter code in capitals (ISO 4217)."""
    code = currency if isinstance(currency, str) else ""
    if not (len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()):
        raise DataError(f"currency = {currency!r}: allowed is a three-letter code such as 'SEK'")
