"""The Spanish tariff 2.0TD for homes of up to 15 kW; energy at spot."""

from __future__ import annotations

from ev_gym.scenario.tariff import (
    CalledDays,
    ContractedPower,
    Fee,
    Price,
    Share,
    Tariff,
)
from ev_gym.scenario.when import WORKDAYS

WEEKEND = (5, 6)

# Of the national holidays those of a fixed date count, so not Good Friday.
FIXED_HOLIDAYS = ("01-01", "01-06", "05-01", "08-15", "10-12", "11-01", "12-06", "12-08", "12-25")
HOLIDAYS = CalledDays(
    name="national holidays",
    days=" ".join(f"{year}-{day}" for year in range(2021, 2031) for day in FIXED_HOLIDAYS),
)

# EUR per kW and year, tolls and charges, without taxes.
P1_PER_KW, P2_PER_KW = 22.958932 + 3.974324, 0.442165 + 0.255597
POWER_KW = 4.6

COUNTRY = "Spain"
TARIFFS = (
    # P1 of energy is 10-14 and 18-22 on workdays, P2 the rest from 08 to 24, P3 all else; P1 of
    # power is 08-24 on workdays, P2 all else.
    Tariff(
        name="spain-2.0td-2025",
        source="power: CNMC and TED/1487/2024 of 2025, from ismaelz001/RapidEnergy, secondary; "
        "energy tolls and charges: REE's file of 2026-09-23 (api.esios.ree.es); hours: "
        "respiraenergia.com, secondary; holidays of a fixed date, 6 January among them "
        "(companiadeluz.es, as in jkaberg/hass-powerplan), secondary; electricity tax "
        "5.11269632 %; VAT 21 %, 10 % in August and September 2026; 4.6 kW is an assumption; what "
        "PVPC adds to spot for balancing, and the social bonus, are left out",
        currency="EUR",
        called_days=(HOLIDAYS,),
        holidays=HOLIDAYS.name,
        transfer=(
            Price(per_kwh=0.00329),
            Price(per_kwh=0.02927, from_time="08:00", weekdays=WORKDAYS),
            Price(per_kwh=0.09755, from_time="10:00", to_time="14:00", weekdays=WORKDAYS),
            Price(per_kwh=0.09755, from_time="18:00", to_time="22:00", weekdays=WORKDAYS),
        ),
        levy=(Share(share=0.0511269632),),
        vat=(
            Share(share=0.21),
            Share(share=0.10, valid_from="2026-08-01"),
            Share(share=0.21, valid_from="2026-10-01"),
        ),
        fees=(Fee(name="meter", amount=0.81),),
        contracts=(
            ContractedPower(
                name="P1", kw=POWER_KW, per_kw_year=P1_PER_KW, from_time="08:00", weekdays=WORKDAYS
            ),
            ContractedPower(name="P2", kw=POWER_KW, per_kw_year=P2_PER_KW, to_time="08:00"),
            ContractedPower(name="P2", kw=POWER_KW, per_kw_year=P2_PER_KW, weekdays=WEEKEND),
        ),
    ),
)
