"""Energy of a trip: distance times the car's consumption times a factor for outdoor temperature.

    E = d c (f(T_out) + f(T_back)) / 2

with the distance d (km), the consumption c at 20 deg C (kWh/km), and the temperatures in the hours
in which the car leaves and comes back: half of the way is driven in each.

The factor is the consumption of the Nissan Leaf against the temperature, relative to that at
20 deg C, a polynomial fitted to more than 7,000 trips in North America (data of FleetCarma):
Yuksel and Michalek 2015, Environ. Sci. Technol. 49(6):3974-3980, doi:10.1021/es505621s. It covers
-15 to 110 deg F (-26 to 43 deg C); beyond that range it stays at its last value. Heating and
cooling of the cabin and the battery's own losses are in it. At 0 deg C it is 27 % above that at
20 deg C, at -10 deg C 39 %, at 35 deg C 35 %. A Leaf of the first years heats with a resistor; cars
with a heat pump need less in the cold.

The paper itself could not be opened. Coefficients and range are as a public program that cites it
states them; a second one has the same coefficients. They agree with what reports of the paper say:
least is used near 70 deg F, at most 40 % of the range is lost, and on the coldest day of the year a
Leaf in the Upper Midwest goes less than 45 miles where one on the Pacific Coast goes 70.
"""

from __future__ import annotations

from ev_gym.runtime.compiling import compiled
from ev_gym.runtime.durations import HOUR_MIN
from ev_gym.runtime.records import CarParams, HourRecord, Records

# kWh per mile by deg F, the highest power first
COEFFICIENTS = (-2.0659e-10, 5.2918e-8, -3.9249e-6, 9.1978e-5, -0.0022, 0.3950)
COLDEST_F, HOTTEST_F = -15.0, 110.0
# The limit on most Swedish motorways; a distance that would need more on average is cut down to it.
FASTEST_KMH = 110.0


def kwh_per_mile(fahrenheit: float) -> float:
    """The Leaf's consumption at an outdoor temperature (deg F) from -15 to 110."""
    consumption = 0.0
    for coefficient in COEFFICIENTS:
        consumption = consumption * fahrenheit + coefficient
    return consumption


AT_20_C = kwh_per_mile(68.0)
_kwh_per_mile = compiled(kwh_per_mile)


@compiled
def factor(temperature_c: float) -> float:
    """Consumption at an outdoor temperature (deg C), relative to that at 20 deg C."""
    fahrenheit = 32.0 + 1.8 * temperature_c
    return float(_kwh_per_mile(min(max(fahrenheit, COLDEST_F), HOTTEST_F)) / AT_20_C)


@compiled
def energy_kwh(km: float, car: CarParams, out_c: float, back_c: float) -> float:
    """Energy (kWh) that a trip takes out of the battery.

    Args:
        km: Distance.
        car: Its `kwh_per_km`, at 20 deg C, is read.
        out_c: Outdoor temperature on the way out, deg C.
        back_c: And on the way back.
    """
    return float(km * car.kwh_per_km * 0.5 * (factor(out_c) + factor(back_c)))


@compiled
def driven_km(km: float, away_min: int) -> float:
    """Distance (km) of a trip: as meant, but no more than can be driven in the time away."""
    return float(min(km, FASTEST_KMH * away_min / 60.0))


@compiled
def temperature_c(hours: Records[HourRecord], minute: int) -> float:
    """Outdoor temperature (deg C) at a minute since the series began, which repeats for ever."""
    return float(hours[minute // HOUR_MIN % hours.shape[0]].temperature_c)


@compiled
def planned_kwh(
    km: float, car: CarParams, hours: Records[HourRecord], left_min: int, arrival_min: int
) -> float:
    """Energy (kWh) of a trip by its minutes of departure and return.

    Args:
        km: Distance; no more than can be driven between the two counts.
        car: Its `kwh_per_km`, at 20 deg C, is read.
        hours: (H,) the hours of the series, which repeats for ever; `temperature_c` is read.
        left_min: Departure, in minutes since the series began.
        arrival_min: Return, in minutes since the series began.
    """
    out_c, back_c = temperature_c(hours, left_min), temperature_c(hours, arrival_min)
    return energy_kwh(driven_km(km, arrival_min - left_min), car, out_c, back_c)
