"""Tariffs of Fluvius, the grid company of Flanders, by area, for homes with a digital meter.

The energy is Engie's dynamic contract, at the price of the quarter-hour.
"""

from __future__ import annotations

from ev_gym.scenario.known_tariffs.rows import since
from ev_gym.scenario.tariff import Fee, PeakPrice, PeakRule, Price, Share, Tariff

VAT_SHARE = 0.06

# Area: EUR per kW and year, and EUR per kWh, of 2026, without VAT.
AREAS = {
    "antwerpen": (49.40, 0.0505027),
    "halle-vilvoorde": (56.04, 0.0531770),
    "imewo": (54.20, 0.0522864),
    "kempen": (56.21, 0.0597838),
    "limburg": (49.05, 0.0542695),
    "midden-vlaanderen": (50.12, 0.0498061),
    "west": (57.10, 0.0631937),
    "zenne-dijle": (56.12, 0.0553921),
}

# EUR/kWh without VAT; what GSC and WKK cost, the supplier passes on.
TAXES = (
    *since({None: 0.04748, "2026-08-01": 0.0460}, name="excise"),
    *since({None: 0.0019261, "2026-08-01": 0.0}, name="energy contribution"),
)
# 0.8702 + 0.1039 x EUR/MWh cent/kWh; 100.70 EUR a year with VAT.
ENERGY = (
    Price(spot_factor=1.039, per_kwh=0.008702),
    Price(name="green power and cogeneration", per_kwh=0.0110 + 0.00392),
)
FEES = (
    Fee(name="data", amount=17.85, per="year"),
    Fee(name="supplier", amount=100.70 / (1.0 + VAT_SHARE), per="year"),
)


def _fluvius(area: str, per_kw_year: float, per_kwh: float) -> Tariff:
    """The highest quarter-hour of each month, at least 2.5 kW; paid as a mean of twelve months."""
    return Tariff(
        name=f"fluvius-{area}-2026",
        source="tariff cards of Ecopower and Engie, April 2026, printed; excise and contribution "
        "from 2026-08 from renaudallard/homeassistant_be_electricity_prices, secondary; the "
        "levy on second homes and the analogue meter are left out",
        currency="EUR",
        energy=ENERGY,
        transfer=(Price(per_kwh=per_kwh),),
        taxes=TAXES,
        vat=(Share(share=VAT_SHARE),),
        fees=FEES,
        peaks=(
            PeakRule(
                interval_min=15,
                count=1,
                floor_kw=2.5,
                invoice_months=12,
                prices=(PeakPrice(per_kw=per_kw_year / 12.0),),
            ),
        ),
        network_ceiling_per_kwh=0.3276168,
        export=(Price(spot_factor=1.0, per_kwh=-0.013135),),
    )


COUNTRY = "Belgium (Flanders)"
TARIFFS = tuple(_fluvius(area, *prices) for area, prices in AREAS.items())
