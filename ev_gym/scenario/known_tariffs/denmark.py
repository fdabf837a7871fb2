"""Tariffs of Danish grid companies ("Tarifmodel 3.0"), for homes; energy at spot.

Low from 00 to 06, peak from 17 to 21, high in all other hours, by local time and every day alike.
"""

from __future__ import annotations

from ev_gym.scenario.known_tariffs.rows import since
from ev_gym.scenario.tariff import Fee, Price, Share, Tariff

WINTER, SUMMER = (1, 2, 3, 10, 11, 12), (4, 5, 6, 7, 8, 9)
VAT_SHARE = 0.25

# DKK/kWh without VAT: Energinet's two tariffs together, and the tax on electricity. The first of
# each also stands for what was before.
TAXES = (
    *since({None: 0.135, "2026-01-01": 0.043 + 0.072}, name="Energinet"),
    *since({None: 0.720, "2026-01-01": 0.008}, name="electricity tax"),
)


def _fees_by_hour(
    low: float, high: float, peak: float, months: tuple[int, ...], first: str | None = None
) -> tuple[Price, ...]:
    """The three prices of a season, DKK/kWh without VAT."""
    return (
        Price(per_kwh=high, months=months, valid_from=first),
        Price(per_kwh=low, months=months, valid_from=first, to_time="06:00"),
        Price(per_kwh=peak, months=months, valid_from=first, from_time="17:00", to_time="21:00"),
    )


def _with_vat(*ore: float) -> tuple[float, ...]:
    """Prices in ore with VAT, in DKK without it."""
    return tuple(price / 100.0 / (1.0 + VAT_SHARE) for price in ore)


def _n1(
    ore: tuple[float, float, float], months: tuple[int, ...], first: str | None = None
) -> tuple[Price, ...]:
    low, high, peak = _with_vat(*ore)
    return _fees_by_hour(low, high, peak, months, first)


COUNTRY = "Denmark"
TARIFFS = (
    # As printed, with VAT. What is fed in costs 1.37 ore/kWh, 0.84 from December on.
    Tariff(
        name="n1-2025",
        source="N1's price page for 2025 (n1webappcp.prod.nlys.dk/priser2025), which does not say "
        "whether VAT is in: taken as with VAT; Energinet 0.135 and tax 0.720 DKK/kWh of 2025 (one "
        "text says 0.727), law 1775 of 2025-12-30; the supplier's surcharge is left out",
        currency="DKK",
        transfer=(
            *_n1((10.83, 16.25, 42.25), SUMMER),
            *_n1((10.83, 32.50, 97.51), WINTER),
            *_n1((8.51, 25.52, 76.56), WINTER, "2025-12-01"),
        ),
        taxes=TAXES,
        vat=(Share(share=VAT_SHARE),),
        fees=(Fee(amount=400.30 / (1.0 + VAT_SHARE), per="year"),),
        export=(
            Price(spot_factor=1.0, per_kwh=-0.0137),
            Price(spot_factor=1.0, per_kwh=-0.0084, valid_from="2025-12-01"),
        ),
    ),
    # Without VAT: 40.84 and Energinet's 15.58 DKK a month.
    Tariff(
        name="radius-2026",
        source="Radius C, prices of the DataHub and elpris.dk as captured in "
        "jkaberg/hass-powerplan, secondary; winter is that from 2026-10-01, "
        "taken for January to March too; Energinet and tax of 2026 (law 1775 of 2025-12-30); the "
        "supplier's surcharge is left out",
        currency="DKK",
        transfer=(
            *_fees_by_hour(0.10618, 0.15926, 0.41408, SUMMER),
            *_fees_by_hour(0.106175, 0.318524, 0.955573, WINTER),
        ),
        taxes=TAXES,
        vat=(Share(share=VAT_SHARE),),
        fees=(Fee(amount=40.84), Fee(name="Energinet", amount=15.58)),
    ),
)
