"""Dynamic contracts in the Netherlands, where export is set off against a year's import until 2027.

The grid company asks a fixed sum by the size of the connection, which is left out: nobody's choice
of hours changes it.
"""

from __future__ import annotations

from ev_gym.scenario.known_tariffs.rows import since
from ev_gym.scenario.tariff import Fee, Price, Share, Tariff

VAT_SHARE = 0.21

# Up to 10,000 kWh a year; EUR/kWh and, as a credit to each connection, EUR a year, without VAT.
TAXES = since({None: 0.10154, "2026-01-01": 0.09161}, name="energy tax")
TAX_CREDIT = (
    Fee(name="energy tax credit", amount=-524.95, per="year"),
    Fee(name="energy tax credit", amount=-519.80, per="year", valid_from="2026-01-01"),
)

# Supplier: surcharge per kWh and fee a month, both with VAT; what is added to spot on feed-in.
SUPPLIERS = {
    "tibber-nl": (0.0180, 6.99, -0.018),
    "frank-energie": (0.01815, 7.00, -0.0127),
    "zonneplan": (0.02, 6.25, 0.02),
}


def _dynamic(supplier: str, surcharge: float, monthly: float, feed_in: float) -> Tariff:
    return Tariff(
        name=f"{supplier}-2026",
        source="zhinees/dynamische-energieprijzen-nl, checked there on 2026-09-24 against "
        "belastingdienst.nl, secondary; netting by the year, tax included, ends on 2027-01-01; the "
        "grid company's fixed fee is left out; what is fed in beyond the year's import earns spot "
        "without VAT and the supplier's addition",
        currency="EUR",
        energy=(Price(spot_factor=1.0, per_kwh=surcharge / (1.0 + VAT_SHARE)),),
        taxes=TAXES,
        vat=(Share(share=VAT_SHARE),),
        fees=(Fee(amount=monthly / (1.0 + VAT_SHARE)), *TAX_CREDIT),
        netting="year",
        export=(Price(spot_factor=1.0, per_kwh=feed_in),),
    )


COUNTRY = "Netherlands"
TARIFFS = tuple(_dynamic(supplier, *prices) for supplier, prices in SUPPLIERS.items())
