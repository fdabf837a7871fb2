"""Prices that a scenario must have and that hardly anybody knows: estimates for each currency.

A price belongs to a currency. Where a scenario leaves one of these out, it has the estimate for its
currency; in a currency without estimates it must be given.
"""

from __future__ import annotations

from ev_gym.scenario.parameters import ScenarioError

# Capacity lost: BNEF's mean price of a battery pack in 2024, 115 USD/kWh (about.bnef.com,
# 2024-12-10), at rates of December 2024 (SEK 10.9, EUR 0.95, NOK 11.1, DKK 7.1, GBP 0.79 to the
# USD), rounded; 1,200 SEK is this project's older rounding.
# Public chargers and stops: estimates of 5 SEK a kWh and 30 SEK a stop, converted at the same rates
# and rounded; prices of direct-current chargers differ by more than that within each country.
ESTIMATES: dict[str, dict[str, float]] = {
    "SEK": {
        "wear_price_per_kwh": 1200.0,
        "public_price_per_kwh": 5.0,
        "public_stop_cost": 30.0,
    },
    "EUR": {
        "wear_price_per_kwh": 110.0,
        "public_price_per_kwh": 0.5,
        "public_stop_cost": 2.7,
    },
    "NOK": {
        "wear_price_per_kwh": 1250.0,
        "public_price_per_kwh": 5.0,
        "public_stop_cost": 30.0,
    },
    "DKK": {
        "wear_price_per_kwh": 820.0,
        "public_price_per_kwh": 3.5,
        "public_stop_cost": 20.0,
    },
    "GBP": {
        "wear_price_per_kwh": 90.0,
        "public_price_per_kwh": 0.5,
        "public_stop_cost": 2.3,
    },
}


# What a krona is worth, for built-in prices in another currency; at the same rates.
PER_SEK = {"EUR": 0.087, "NOK": 1.02, "DKK": 0.65, "GBP": 0.0725}


def default_price(name: str, currency: str, where: str) -> float:
    """The estimate of a price in a currency.

    Raises:
        ScenarioError: for a currency without estimates, which says what must be given.
    """
    if currency not in ESTIMATES:
        raise ScenarioError(
            f"{where} is None, and there is no estimate in {currency}; allowed: a number, or one "
            f"of the currencies {', '.join(ESTIMATES)}"
        )
    return ESTIMATES[currency][name]


def check_code(currency: str, where: str) -> None:
    """Refuse (`ScenarioError`) what is no three-letter code in capitals (ISO 4217)."""
    code = currency if isinstance(currency, str) else ""
    if not (len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()):
        raise ScenarioError(f"{where} is {currency!r}; allowed: a three-letter code such as 'SEK'")
