"""Tariffs in the grid of EWW Wanfried, Germany: a fixed price, a dynamic one, and § 14a module 3.

Dimming by § 14a is no price and stands elsewhere.
"""

from __future__ import annotations

from ev_gym.scenario.known_tariffs.rows import since
from ev_gym.scenario.tariff import Fee, Price, Share, Tariff

VAT_SHARE = 0.19
GRID_PER_KWH, LOW_PER_KWH, HIGH_PER_KWH = 0.0862, 0.0345, 0.1084
FIRST_AND_LAST_QUARTER = (1, 2, 3, 10, 11, 12)

# EUR/kWh without VAT; the first also stands for what was before. The concession is that of towns
# with up to 25,000 people.
TAXES = (
    *since({None: 0.00277, "2026-01-01": 0.00446}, name="KWKG"),
    *since({None: 0.00816, "2026-01-01": 0.00941}, name="offshore"),
    *since({None: 0.01558, "2026-01-01": 0.01559}, name="StromNEV § 19"),
    Price(name="electricity tax", per_kwh=0.0205),
    Price(name="concession", per_kwh=0.0132),
)
FIXED = (Price(per_kwh=0.1604),)
SPOT = (Price(spot_factor=1.0),)
DYNAMIC_FEE = Fee(name="supplier", amount=3.99 / (1.0 + VAT_SHARE))

MODULE_1 = Fee(name="module 1", amount=-131.88, per="year")
MODULE_3 = (
    Price(per_kwh=GRID_PER_KWH),
    Price(per_kwh=LOW_PER_KWH, from_time="01:00", to_time="04:00", months=FIRST_AND_LAST_QUARTER),
    Price(per_kwh=HIGH_PER_KWH, from_time="17:00", to_time="19:00", months=FIRST_AND_LAST_QUARTER),
)

_SHARED = (
    "grid fee: EWW Wanfried 2025 (ewwanfried.de), without its base fee; levies and concession by "
    "year: enet.eu, secondary; feed-in 7.86 ct for up to 10 kWp, from 1komma5, secondary, also in "
    "quarter-hours below zero, when plants from 2025-02-25 on are not paid"
)
_FIXED = "energy: BDEW's mean of procurement and sales in 2025, 16.04 ct/kWh, secondary"
_DYNAMIC = (
    "energy at spot; supplier's fee: Tibber's 3.99 EUR a month of 2023, with VAT (nextpit.de); its "
    "surcharge per kWh is not known and left out"
)


def _tariff(
    name: str,
    source: str,
    energy: tuple[Price, ...],
    transfer: tuple[Price, ...],
    fees: tuple[Fee, ...] = (),
) -> Tariff:
    return Tariff(
        name=name,
        source=f"{source}; {_SHARED}",
        currency="EUR",
        energy=energy,
        transfer=transfer,
        taxes=TAXES,
        vat=(Share(share=VAT_SHARE),),
        fees=fees,
        export=(Price(per_kwh=0.0786),),
    )


_FLAT = (Price(per_kwh=GRID_PER_KWH),)

COUNTRY = "Germany"
TARIFFS = (
    _tariff("wanfried-fixed-2025", _FIXED, FIXED, _FLAT),
    _tariff("wanfried-dynamic-2025", _DYNAMIC, SPOT, _FLAT, (DYNAMIC_FEE,)),
    # With module 1: 80 EUR with VAT and 750 kWh of the grid fee, off each year.
    _tariff(
        "wanfried-module-3-2025",
        f"module 3 and module 1 of EWW Wanfried 2025; {_DYNAMIC}",
        SPOT,
        MODULE_3,
        (DYNAMIC_FEE, MODULE_1),
    ),
)
