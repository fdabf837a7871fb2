"""Prices whose mean no market had are refused, and the likely unit is named."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ev_gym.series.limits import DataError
from ev_gym.series.price_levels import LEAST_EUR, MOST_EUR, check_level
from tests.support.week_frames import column_frame, week_of

WRONG: dict[str, tuple[str, float, dict[str, Any], str]] = {
    "öre called SEK": ("sek_per_kwh", 45.0, {}, "mean .* of 45 SEK/kWh.*numbers in öre/kWh"),
    "øre of NO4 called NOK": (
        "nok_per_kwh",
        9.0,
        {"currency": "NOK"},
        "mean .* of 9 NOK/kWh.*numbers in öre/kWh",
    ),
    "EUR/MWh called EUR/kWh": (
        "eur_per_kwh",
        45.0,
        {"currency": "EUR"},
        "mean .* of 45 EUR/kWh; a market's is 0.0007 to 0.7 EUR/kWh; are the numbers in EUR/MWh",
    ),
    "EUR/kWh called EUR/MWh": (
        "eur_per_mwh",
        0.045,
        {"currency": "EUR"},
        "mean .* of 4.5e-05 EUR/kWh.*numbers in EUR/kWh instead of per MWh",
    ),
    "the same, in SEK": (
        "eur_per_mwh",
        0.045,
        {"eur_rate": 11.5},
        "numbers in SEK/kWh instead of per MWh",
    ),
    "SEK called öre": ("ore_per_kwh", 0.3, {}, "numbers in SEK/kWh instead of öre"),
    "ct called EUR": ("eur_per_kwh", 8.0, {"currency": "EUR"}, "numbers in ct/kWh"),
}


@pytest.mark.parametrize(("name", "mean", "options", "message"), WRONG.values(), ids=list(WRONG))
def test_means_that_no_market_had(
    name: str, mean: float, options: dict[str, Any], message: str
) -> None:
    values = mean * np.random.default_rng(1).uniform(0.5, 1.5, 168)
    values *= mean / values.mean()
    with pytest.raises(DataError, match=f"price frame, row 0 .* to row 167 .*: {name} .*{message}"):
        week_of(price=column_frame(name, 60, values), **options)


def test_means_that_are_allowed() -> None:
    for mean in (LEAST_EUR, MOST_EUR, -0.01, 0.0):
        check_level(np.full(24, mean), "EUR", "prices")
    check_level(np.array([-0.02, 0.02]), "EUR", "prices")  # a mean of 0 may be a week of a market
    check_level(np.full(24, 5000.0), "VND", "prices")  # a currency of which nothing is known


def test_every_week_of_measured_prices_is_allowed_and_none_in_another_unit(
    measured_folder: Path,
) -> None:
    """SE3 from 2016 to 2024 and DK1 from 2021 to 2025, through the crisis of 2022."""
    for name in (
        "price_dayahead_SE3_hourly_2016-2024.csv",
        "price_dayahead_DK1_hourly_2021-2025.csv",
    ):
        with (measured_folder / name).open(newline="") as file:
            eur = np.array([float(row["price_eur_per_mwh"]) for row in csv.DictReader(file)]) / 1000
        weeks = eur[: eur.size // 168 * 168].reshape(-1, 168)
        for week in weeks:
            check_level(week, "EUR", name)
            for factor in (1000.0, 0.001):
                with pytest.raises(DataError, match=name):
                    check_level(week * factor, "EUR", name)
        with pytest.raises(DataError, match=name):  # all years in hundredths of a krona
            check_level(eur * 11.0 * 100.0, "SEK", name)
