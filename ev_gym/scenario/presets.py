"""The built-in scenarios; each is registered under its name when this module is imported."""

from __future__ import annotations

from ev_gym.scenario.charger import Charger
from ev_gym.scenario.known_tariffs import known_tariff
from ev_gym.scenario.scenario import MONTH, Household, Scenario, register
from ev_gym.scenario.series_source import Data
from ev_gym.scenario.solar import Solar
from ev_gym.scenario.tariff import Tariff
from ev_gym.scenario.vehicle import Driving, Vehicle


@register("stockholm")
def _stockholm() -> Scenario:
    """A Swedish house with one car, all of 2025: Ellevio's tariff, tax, calendar and its holidays;
    built-in worlds of sixteen houses, quarter-hour prices as SE3 had them from 2023 to mid-2026.
    """
    return Scenario(days=MONTH, start_hour=0)


@register("stockholm-villa")
def _stockholm_villa() -> Scenario:
    """A villa with two cars that can be discharged, and 10 kW of PV; otherwise as `stockholm`."""
    return Scenario(
        name="stockholm-villa",
        days=MONTH,
        start_hour=0,
        household=Household(fuse_a=25.0, annual_kwh=18_000.0),
        solar=Solar(peak_kw=10.0, inverter_kw=8.0),
        charger=Charger(bidirectional=True, phase_switching=True),
        vehicles=(
            Vehicle.model("Volkswagen ID.3 58 kWh"),
            Vehicle.model("Nissan Leaf 40 kWh", line=2),
        ),
    )


@register("stockholm-measured")
def _stockholm_measured() -> Scenario:
    """The same on measured series of 2023 and 2024: hourly SE3 prices, a house in Sceaux, Stockholm
    weather.
    """
    return Scenario(
        name="stockholm-measured",
        days=MONTH,
        start_hour=0,
        data=Data(
            source="files",
            start="2023-01-02",
            weeks=104,
            price_file="price_dayahead_SE3_hourly_2016-2024.csv",
            price_column="price_ore_per_kwh",
            load_file="household_load_uci_sceaux_15min_2008.csv",
            load_zone="Europe/Paris",
            temperature_file="weather_stockholm_hourly_2023-2024.csv",
        ),
    )


@register("goteborg-2026")
def _goteborg_2026() -> Scenario:
    """The houses of `stockholm` in 2026: Göteborg Energi's power charge in force today, tax,
    calendar and holidays of that year; built-in worlds with prices like SE3's.
    """
    return Scenario(
        name="goteborg-2026",
        days=MONTH,
        start_hour=0,
        tariff=known_tariff("goteborg-2026"),
        data=Data(start="2025-12-29"),
    )


@register("classic")
def _classic() -> Scenario:
    """The teaching server's household of 2024: one fixed day, an on-off charger, no losses."""
    return Scenario(
        name="classic",
        household=Household(fuse_a=None, annual_kwh=None, connection_kw=11.0),
        charger=Charger(phases=3, max_current_a=16, levels_kw=(0.0, 7.4), load_management=False),
        vehicles=(
            Vehicle(
                name="Citroën e-Berlingo M",
                battery_kwh=46.3,
                ac_max_kw=7.4,
                eta=1.0,
                aux_kw=0.0,
                taper_from_soc=1.0,
                wanted_soc=0.8,
                min_soc=0.0,
                chemistry=None,
            ),
        ),
        driving=Driving(
            pattern="daily", arrival_h=0.0, departure_h=24.0, trip_kwh=0.0, start_soc=0.2
        ),
        tariff=Tariff(name="classic", public_stop_cost=0.0, overload_price_per_kwh=0.0),
        data=Data(
            source="classic", zone="UTC", start="2024-01-01", weeks=1, houses=1, holidays=None
        ),
        start_hour=0,
    )
