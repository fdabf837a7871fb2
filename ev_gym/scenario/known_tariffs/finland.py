"""Tariffs of Imatran Seudun Sahkonsiirto, a Finnish grid company, for 3 x 25 A; energy at spot."""

from __future__ import annotations

from ev_gym.scenario.tariff import Fee, Price, Share, Tariff

VAT = (Share(share=0.255),)
TAXES = (Price(name="electricity tax", per_kwh=0.02253),)  # class I

_SOURCE = (
    "the company's page (issoy.fi, undated, after 2024-09); electricity tax 2.253 ct/kWh and VAT "
    "25.5 %; the supplier's margin and fee are left out"
)

COUNTRY = "Finland"
TARIFFS = (
    Tariff(
        name="issoy-general-2024",
        source=_SOURCE,
        currency="EUR",
        transfer=(Price(per_kwh=0.0318),),
        taxes=TAXES,
        vat=VAT,
        fees=(Fee(amount=14.20),),
    ),
    Tariff(
        name="issoy-time-2024",
        source=_SOURCE,
        currency="EUR",
        transfer=(
            Price(per_kwh=0.0116),
            Price(per_kwh=0.0347, from_time="07:00", to_time="22:00"),
        ),
        taxes=TAXES,
        vat=VAT,
        fees=(Fee(amount=24.38),),
    ),
)
