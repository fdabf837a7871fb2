"""What power costs beyond the spot price, and five tariffs of Swedish grid companies of 2025.

Prices are without VAT where nothing else is said, because invoices add VAT at the end; the
companies' price lists show prices with VAT.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ev_gym.scenario.parameters import (
    ScenarioError,
    check,
    check_unread,
    choice,
    nearest,
    number,
    numbers,
)

ALL_WEEK = (0, 1, 2, 3, 4, 5, 6)
WORKDAYS = (0, 1, 2, 3, 4)
WINTER = (1, 2, 3, 11, 12)
HIGH = ("high_from_h", "high_to_h", "high_months", "high_weekdays")

# Sweden's energy tax on electricity from 1 January of each year, SEK/kWh without VAT. This is the
# general rate (Skatteverket), taken from secondary sources; for 2026 there was only one source.
ENERGY_TAX_PER_KWH = {
    2018: 0.331,
    2019: 0.347,
    2020: 0.353,
    2021: 0.356,
    2022: 0.360,
    2023: 0.392,
    2024: 0.428,
    2025: 0.439,
    2026: 0.360,
}


@dataclass(frozen=True)
class Tariff:
    """What a kWh costs beyond the spot price, and a month beyond its kWh.

    All without VAT unless said otherwise. The power charge of a month is the price per kW times the
    mean of the `power_days` highest hourly means of import (kW), by default each on another day.
    Hours of `power_weekdays` from `power_from_h` to `power_to_h` count in full, all others times
    `power_other_factor`. An exported kWh earns the spot price less `export_fee_per_kwh`; it earns
    no VAT, because a household that sells little does not charge any.

    Raises:
        ScenarioError: for an impossible value, or one that would have no effect.
    """

    energy_tax_per_kwh: float | None = number(
        0.439,
        "SEK/kWh",
        "energy tax (Sweden 2025: 0.439); None: Sweden's, by year",
        0,
        10,
        optional=True,
    )
    transfer_per_kwh: float = number(0.05, "SEK/kWh", "grid transfer", 0, 10)
    transfer_high_per_kwh: float | None = number(
        None, "SEK/kWh", "grid transfer in the high hours; None: flat", 0, 10, optional=True
    )
    high_from_h: int = number(6, "h", "first local high hour", 0, 24, whole=True)
    high_to_h: int = number(22, "h", "end of the local high hours", 0, 24, whole=True)
    high_months: tuple[int, ...] = numbers(
        WINTER, "", "months with high hours", 1, 12, many=12, whole=True
    )
    high_weekdays: tuple[int, ...] = numbers(
        WORKDAYS, "", "weekdays with high hours, 0 is Monday", 0, 6, many=7, whole=True
    )
    power_price_per_kw: float = number(
        0.0, "SEK/kW", "power charge a month, per kW of the mean of the peaks; 0: none", 0, 1000
    )
    power_low_per_kw: float | None = number(
        None,
        "SEK/kW",
        "the same outside power_high_months; None: one price all year",
        0,
        1000,
        optional=True,
    )
    power_high_months: tuple[int, ...] = numbers(
        WINTER, "", "months with power_price_per_kw, where low has one", 1, 12, many=12, whole=True
    )
    power_days: int = number(3, "", "how many peaks count, N", 1, 3, whole=True)
    power_different_days: bool = choice(
        True, "whether the N peaks must fall on N different days", (True, False)
    )
    power_from_h: int = number(0, "h", "first local hour that counts in full", 0, 24, whole=True)
    power_to_h: int = number(24, "h", "end of the hours that count in full", 0, 24, whole=True)
    power_weekdays: tuple[int, ...] = numbers(
        ALL_WEEK, "", "weekdays that count in full, 0 is Monday", 0, 6, many=7, whole=True
    )
    power_other_factor: float = number(
        0.0, "", "factor by which all other hours count; 0: not at all", 0, 1
    )
    fixed_per_month: float = number(0.0, "SEK", "fixed fee a month; in no reward", 0, 10_000)
    export_fee_per_kwh: float = number(
        0.0, "SEK/kWh", "taken from the spot price of an exported kWh; below 0: added", -10, 10
    )
    netting: str = choice(
        "step", "import and export within a step: netted, or each in full", ("step", "none")
    )
    vat: float = number(0.25, "", "value added tax", 0, 1)
    public_price_per_kwh: float = number(
        5.0, "SEK/kWh", "a public charger's price, with VAT, per kWh stored (an estimate)", 0, 100
    )
    public_stop_cost: float = number(
        30.0,
        "SEK",
        "a stop at a public charger, besides its energy: a quarter of an hour and a detour "
        "(an estimate)",
        0,
        1000,
    )
    overload_price_per_kwh: float = number(
        10.0, "SEK/kWh", "price of energy drawn above the connection's limit", 0, 1000
    )

    @property
    def has_power_charge(self) -> bool:
        """Whether some month has a power charge."""
        return max(self.power_price_per_kw, self.power_low_per_kw or 0.0) > 0.0

    def counts_in_full(self, hour: Any, on_counted_day: Any) -> Any:
        """Whether local hours count in full in the power charge; all others count by the factor.

        Args:
            hour: Hours of the day, 0 to 23: a number or an array.
            on_counted_day: Whether each is on one of `power_weekdays`; of the same shape.
        """
        return on_counted_day & (hour >= self.power_from_h) & (hour < self.power_to_h)

    def __post_init__(self) -> None:
        check(self)
        for low, high in (("high_from_h", "high_to_h"), ("power_from_h", "power_to_h")):
            if getattr(self, low) >= getattr(self, high):
                raise ScenarioError(
                    f"Tariff.{high} is {getattr(self, high)!r}; allowed: later than {low}, "
                    f"{getattr(self, low)!r}"
                )
        if self.transfer_high_per_kwh is None:
            check_unread(self, HIGH, "transfer_high_per_kwh is None")
        if self.power_low_per_kw is None:
            check_unread(self, ("power_high_months",), "power_low_per_kw is None")
        if self.power_days == 1:
            check_unread(self, ("power_different_days",), "power_days is 1")
        all_day = (self.power_from_h, self.power_to_h) == (0, 24)
        if all_day and set(self.power_weekdays) == set(ALL_WEEK):
            check_unread(self, ("power_other_factor",), "all hours count in full")


_SWEDISH = Tariff(energy_tax_per_kwh=None)

# Tariffs for households with fuses of 16 to 25 A. The comments show the prices as the companies
# list them, with 25 % VAT. They come from the companies' web pages as scraped in 2025 (valid from
# 2025-01-01), not from their price lists. Sollentuna's page (seom.se, undated) shows those of 2020.
TARIFFS = {
    # Ellevio: 365.00 a month, 6.25 ore/kWh; 81.25 per kW of the mean of the three highest hours on
    # different days, 22-06 counting half.
    "ellevio": replace(
        _SWEDISH,
        fixed_per_month=292.0,
        transfer_per_kwh=0.05,
        power_price_per_kw=65.0,
        power_from_h=6,
        power_to_h=22,
        power_other_factor=0.5,
    ),
    # Goteborg Energi: 185.00 a month, 25 ore/kWh; 45.00 per kW, three different days, all hours.
    "goteborg": replace(
        _SWEDISH, fixed_per_month=148.0, transfer_per_kwh=0.20, power_price_per_kw=36.0
    ),
    # Vattenfall Eldistribution, time tariff T4, 20 A: 588.75 a month; 67.0 ore/kWh on weekdays
    # 06-22 from November to March, else 26.8.
    "vattenfall_time": replace(
        _SWEDISH, fixed_per_month=471.0, transfer_per_kwh=0.2144, transfer_high_per_kwh=0.536
    ),
    # Vattenfall Eldistribution, flat tariff E4, 20 A: 588.75 a month, 39.0 ore/kWh.
    "vattenfall_flat": replace(_SWEDISH, fixed_per_month=471.0, transfer_per_kwh=0.312),
    # Sollentuna Energi & Miljo: 127.50 a month; 111.50 per kW from November to March, else 55.75,
    # of the three highest hours on weekdays 07-19. Its page shows that these may be hours of one
    # day. (There, public holidays count like weekends; here no day is a public holiday.)
    "seom": replace(
        _SWEDISH,
        fixed_per_month=102.0,
        transfer_per_kwh=0.0,
        power_price_per_kw=89.2,
        power_low_per_kw=44.6,
        power_different_days=False,
        power_from_h=7,
        power_to_h=19,
        power_weekdays=WORKDAYS,
    ),
}


def tariff(name: Any) -> Tariff:
    """The tariff of that name, one of `TARIFFS`.

    Raises:
        ScenarioError: for an unknown name, listing the known ones.
    """
    if not isinstance(name, str) or name not in TARIFFS:
        raise ScenarioError(
            f"unknown tariff {name!r}{nearest(name, TARIFFS)}; tariffs: {', '.join(TARIFFS)}"
        )
    return TARIFFS[name]


def energy_tax(tariff: Tariff, year: int) -> float:
    """Energy tax of a calendar year, SEK/kWh without VAT.

    Where the tariff's own is None, it is Sweden's; years after the last known one have that tax.

    Raises:
        ScenarioError: for a year before the first known one.
    """
    if tariff.energy_tax_per_kwh is not None:
        return tariff.energy_tax_per_kwh
    first, last = min(ENERGY_TAX_PER_KWH), max(ENERGY_TAX_PER_KWH)
    if year < first:
        raise ScenarioError(
            f"Tariff.energy_tax_per_kwh is None, but the series hold the year {year}; allowed: "
            f"years from {first}, or a number"
        )
    return ENERGY_TAX_PER_KWH[min(year, last)]
