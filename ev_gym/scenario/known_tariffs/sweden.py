"""Tariffs of Swedish grid companies, for households with fuses of 16 to 25 A; energy at spot.

The comments show the prices as the companies list them, with 25 % VAT.
"""

from __future__ import annotations

from ev_gym.scenario.tariff import Fee, PeakPrice, PeakRule, Price, Share, Tariff, Weight
from ev_gym.scenario.when import WORKDAYS

WINTER = (1, 2, 3, 11, 12)
VAT = (Share(share=0.25),)

# Energy tax on electricity from 1 January of each year, SEK/kWh without VAT. This is the general
# rate (Skatteverket), taken from secondary sources; for 2026 there was only one source.
ENERGY_TAX = tuple(
    Price(name="energy tax", valid_from=f"{year}-01-01", per_kwh=per_kwh)
    for year, per_kwh in {
        2018: 0.331,
        2019: 0.347,
        2020: 0.353,
        2021: 0.356,
        2022: 0.360,
        2023: 0.392,
        2024: 0.428,
        2025: 0.439,
        2026: 0.360,
    }.items()
)

_TAX = "energy tax by year from secondary sources"
_SCRAPED = (
    f"the company's web page as scraped in 2025, valid from 2025-01-01 (not its price list); {_TAX}"
)

COUNTRY = "Sweden"

TARIFFS = (
    # 365.00 a month, 6.25 ore/kWh; 81.25 per kW of the mean of the three highest hours on
    # different days, 22-06 counting half.
    Tariff(
        name="ellevio-2025",
        source=_SCRAPED,
        transfer=(Price(per_kwh=0.05),),
        taxes=ENERGY_TAX,
        vat=VAT,
        fees=(Fee(amount=292.0),),
        peaks=(
            PeakRule(
                weights=(Weight(factor=0.5, from_time="22:00", to_time="06:00"),),
                prices=(PeakPrice(per_kw=65.0),),
            ),
        ),
    ),
    # 185.00 a month, 25 ore/kWh; 45.00 per kW, three different days, all hours.
    Tariff(
        name="goteborg-2025",
        source=_SCRAPED,
        transfer=(Price(per_kwh=0.20),),
        taxes=ENERGY_TAX,
        vat=VAT,
        fees=(Fee(amount=148.0),),
        peaks=(PeakRule(prices=(PeakPrice(per_kw=36.0),)),),
    ),
    # Vattenfall Eldistribution, time tariff T4, 20 A: 588.75 a month; 67.0 ore/kWh on weekdays
    # 06-22 from November to March, else 26.8.
    Tariff(
        name="vattenfall-time-2025",
        source=_SCRAPED,
        transfer=(
            Price(per_kwh=0.2144),
            Price(
                per_kwh=0.536,
                from_time="06:00",
                to_time="22:00",
                weekdays=WORKDAYS,
                months=WINTER,
            ),
        ),
        taxes=ENERGY_TAX,
        vat=VAT,
        fees=(Fee(amount=471.0),),
    ),
    # Vattenfall Eldistribution, flat tariff E4, 20 A: 588.75 a month, 39.0 ore/kWh.
    Tariff(
        name="vattenfall-flat-2025",
        source=_SCRAPED,
        transfer=(Price(per_kwh=0.312),),
        taxes=ENERGY_TAX,
        vat=VAT,
        fees=(Fee(amount=471.0),),
    ),
    # Sollentuna Energi & Miljo: 127.50 a month; 111.50 per kW from November to March, else 55.75,
    # of the three highest hours on weekdays 07-19, which may be hours of one day.
    Tariff(
        name="seom-2020",
        source=f"the company's page (seom.se, undated), which shows the prices of 2020; {_TAX}",
        holidays="SE",
        taxes=ENERGY_TAX,
        vat=VAT,
        fees=(Fee(amount=102.0),),
        peaks=(
            PeakRule(
                different_days=False,
                weights=(
                    Weight(factor=0.0),
                    Weight(factor=1.0, from_time="07:00", to_time="19:00", weekdays=WORKDAYS),
                ),
                prices=(PeakPrice(per_kw=44.6), PeakPrice(per_kw=89.2, months=WINTER)),
            ),
        ),
    ),
    # The same company today: 145.00 per kW from November to March, else 72.50, of the three highest
    # such hours on different days.
    Tariff(
        name="seom-2026",
        source="the company's page (seom.se) as quoted in public code, secondary; its fixed fee is "
        f"not known and left out; {_TAX}",
        holidays="SE",
        taxes=ENERGY_TAX,
        vat=VAT,
        peaks=(
            PeakRule(
                weights=(
                    Weight(factor=0.0),
                    Weight(factor=1.0, from_time="07:00", to_time="19:00", weekdays=WORKDAYS),
                ),
                prices=(PeakPrice(per_kw=58.0), PeakPrice(per_kw=116.0, months=WINTER)),
            ),
        ),
    ),
    # Without a power charge from 2026-06-01 on; 20 A: 590.00 a month (16 A 450.00, 25 A 740.00,
    # 35 A 1130.00), 26.0 ore/kWh.
    Tariff(
        name="ellevio-2026-06",
        source="Ellevio's price list from 2026-06-01 (sakringsabonnemang-16-63a_260601.pdf) as "
        "quoted in two public code bases that agree, secondary; press release of 2026-04-20; "
        f"{_TAX}",
        transfer=(Price(per_kwh=0.208),),
        taxes=ENERGY_TAX,
        vat=VAT,
        fees=(Fee(amount=472.0),),
    ),
    # 49.00 per kW, three different days, all hours; 23.0 ore/kWh; 2,460.00 a year.
    Tariff(
        name="goteborg-2026",
        source="Goteborg Energi's prices of 2026 (api.goteborgenergi.cloud/gridtariff/v0) as "
        f"quoted in public code, secondary; {_TAX}",
        transfer=(Price(per_kwh=0.184),),
        taxes=ENERGY_TAX,
        vat=VAT,
        fees=(Fee(amount=1968.0, per="year"),),
        peaks=(PeakRule(prices=(PeakPrice(per_kw=39.2),)),),
    ),
)
