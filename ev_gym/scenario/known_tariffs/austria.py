"""An Austrian tariff with the price by day in summer that began in 2026; energy at spot."""

from __future__ import annotations

from ev_gym.scenario.tariff import Price, Share, Tariff

GRID_PER_KWH = 0.0852
SUMMER = (4, 5, 6, 7, 8, 9)

COUNTRY = "Austria"
TARIFFS = (
    # From April to September, 10-16, a fifth less.
    Tariff(
        name="wien-2026",
        source="a fifth less in summer: BGBl. II 305/2025; 8.52 ct/kWh: the regulator's draft of "
        "2025-10-20 for Vienna as reported by energie-und-management.de (2025-10-22), secondary, "
        "the mean of a home of 3,500 kWh a year, so with its fixed part; electricity tax 0.1 "
        "ct/kWh of 2026; losses, metering and the supplier's surcharge are left out",
        currency="EUR",
        transfer=(
            Price(per_kwh=GRID_PER_KWH),
            Price(per_kwh=0.8 * GRID_PER_KWH, from_time="10:00", to_time="16:00", months=SUMMER),
        ),
        taxes=(Price(name="electricity tax", per_kwh=0.001),),
        vat=(Share(share=0.20),),
    ),
)
