"""Tariffs of Norwegian grid companies, for homes; energy at spot, with the State's support.

Support and "Norgespris" go by the hour's mean price, also where the market has quarter-hours.
"""

from __future__ import annotations

from ev_gym.scenario.known_tariffs.rows import since
from ev_gym.scenario.tariff import PeakPrice, PeakRule, Price, Share, Tariff
from ev_gym.scenario.when import WORKDAYS

STEPS_KW = (0, 2, 5, 10, 15, 20, 25)
VAT = (Share(share=0.25),)  # none in Nordland, Troms and Finnmark

# NOK/kWh without VAT; the first also stands for what was before.
CONSUMPTION_TAX = since(
    {None: 0.0979, "2025-04-01": 0.1693, "2025-10-01": 0.1253, "2026-01-01": 0.0713},
    name="consumption tax",
)
TAXES = (*CONSUMPTION_TAX, Price(name="Enova", per_kwh=0.01))

# 90 % of what the spot price is above a threshold, without VAT, up to 5,000 kWh a month.
SUPPORT = tuple(
    Price(
        name="support",
        valid_from=first,
        spot_factor=-0.9,
        hourly=True,
        per_kwh=0.9 * threshold,
        cap_per_kwh=0.0,
    )
    for first, threshold in ((None, 0.75), ("2026-01-01", 0.77))
)
# Instead: the difference between 40 ore and the spot price, with either sign.
NORGESPRIS = (Price(name="Norgespris", spot_factor=-1.0, hourly=True, per_kwh=0.40),)
UP_TO_KWH = 5000.0

_FEES = (
    "energy and capacity fees: kraftsystemet/fri-nettleie (CC BY 4.0, 2026-08-18), secondary; "
    "taxes, thresholds and the law on support (FOR-2025-09-08-1791): fredrik-lindseth/nettleie, "
    "secondary"
)
_NORGESPRIS = "Norgespris: LOV-2025-06-20-44 § 8 and regjeringen.no (2026-01-21); "


def _yearly(nok_a_year: tuple[float, ...], first: str | None = None) -> PeakPrice:
    """Steps as the companies list them: NOK a year, without VAT."""
    monthly = tuple(price / 12.0 for price in nok_a_year)
    return PeakPrice(valid_from=first, steps_kw=STEPS_KW, steps_price=monthly)


def _energy_fee(day: float, night: float, first: str | None = None) -> tuple[Price, Price]:
    """Night, weekends and holidays, and workdays from 06 to 22."""
    return (
        Price(valid_from=first, per_kwh=night),
        Price(valid_from=first, per_kwh=day, from_time="06:00", to_time="22:00", weekdays=WORKDAYS),
    )


ELVIA_FEE = _energy_fee(0.2099, 0.1299)
ELVIA_STEPS = _yearly((1200, 1824, 2880, 3936, 4992, 6048, 11280))
ELVIA_FEE_2026 = (*ELVIA_FEE, *_energy_fee(0.2899, 0.1699, "2026-07-01"))
ELVIA_STEPS_2026 = _yearly((1440, 2400, 4032, 5616, 7248, 8880, 16896), "2026-07-01")
BKK_FEE = _energy_fee(0.2877, 0.1899)
BKK_STEPS = _yearly((1488, 2400, 3984, 5760, 7392, 9024, 17280))


def _tariff(
    name: str,
    transfer: tuple[Price, ...],
    steps: tuple[PeakPrice, ...],
    dates: str,
    norgespris: bool = False,
) -> Tariff:
    """The mean of the three highest clock hours of three days picks a step."""
    return Tariff(
        name=name,
        source=f"{_NORGESPRIS if norgespris else ''}{dates}; {_FEES}",
        currency="NOK",
        holidays="NO",
        transfer=transfer,
        taxes=TAXES,
        credits=NORGESPRIS if norgespris else SUPPORT,
        credits_up_to_kwh=UP_TO_KWH,
        vat=VAT,
        peaks=(PeakRule(prices=steps),),
    )


_ELVIA_2025 = "Elvia's prices of 2025-04 to 2026-06"
_ELVIA_2026 = f"{_ELVIA_2025} and from 2026-07"
_BKK_2025 = "BKK's prices from 2025-09; checked against an invoice of November 2025"

COUNTRY = "Norway"
TARIFFS = (
    _tariff("elvia-2025", ELVIA_FEE, (ELVIA_STEPS,), _ELVIA_2025),
    _tariff("elvia-2026", ELVIA_FEE_2026, (ELVIA_STEPS, ELVIA_STEPS_2026), _ELVIA_2026),
    _tariff(
        "elvia-norgespris-2026",
        ELVIA_FEE_2026,
        (ELVIA_STEPS, ELVIA_STEPS_2026),
        _ELVIA_2026,
        norgespris=True,
    ),
    _tariff("bkk-2025", BKK_FEE, (BKK_STEPS,), _BKK_2025),
    _tariff("bkk-norgespris-2025", BKK_FEE, (BKK_STEPS,), _BKK_2025, norgespris=True),
)
