"""Physics against published figures: charging losses, power ranges, trips, the sun, invoices."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym
import numpy as np

import ev_gym  # noqa: F401  # registers the env
from baselines.policies.specs import make_policy
from ev_gym.invoice import invoices
from ev_gym.physics import trip
from ev_gym.physics.charger import VOLT
from ev_gym.scenario import Scenario, Solar
from ev_gym.scenario.known_tariffs import TARIFFS
from ev_gym.series import sun
from ev_gym.series.of_scenario import CLASSIC_PRICES_ORE, dataset_of
from tests.ev_gym.physics.test_trip import LEAF
from tests.ev_gym.test_invoice import WORKED, history_of, household, to_ore, worked_month
from tests.support.loss_table import loss_table
from tests.validation.series import START
from tests.validation.writing import beside, table

ROOFS = ((30.0, 180.0), (45.0, 90.0), (15.0, 270.0), (90.0, 180.0))  # tilt, azimuth (deg)
EVERY = 37  # sub-steps of 5 minutes, so that all minutes of the hour occur
SUB_H = EVERY * sun.SUB_MIN / 60.0
# PVGIS for Stockholm, 35 deg, south, 14 % losses, kWh a year for each kW, as two sellers quote it.
YIELDS = {"1komma5.se": 986.0, "hemsol.se": 947.0}
# Hours in which a policy charges on `classic`, and why.
CLASSIC_HOURS = {
    "load_based": ((0, 1, 2, 3), "from the start"),
    "price_based": ((22, 23, 3, 2), "the four cheapest"),
    "cheapest_hours": ((1, 2, 3, 4), "the first four of the eight cheapest"),
}
CLASSIC_KW = 7.4


def losses() -> str:
    """ADAC's losses against ours."""
    rows = []
    for car, kw, measured, ours, _ in loss_table().itertuples(index=False):
        rows.append([car, f"{kw:.1f}", *beside(measured, ours, 2)])
    return table(["car", "AC kW", "ADAC (%)", "ours (%)", "difference (points)"], rows)


def power_ranges(max_current_a: int, ac_max_kw: float) -> dict[int, tuple[float, float]]:
    """Least and largest AC power by number of phases: requests swept up and down again."""
    car = {
        "battery_kwh": 500.0,
        "ac_max_kw": ac_max_kw,
        "chemistry": None,
        "wanted_soc": 0.0,
        "min_soc": 0.0,
        "floor_soc": 0.0,
        "driving": {
            "pattern": "daily", "arrival_h": 0.0, "departure_h": 24.0, "start_soc": 0.0,
        },
    }  # fmt: skip
    wallbox = {
        "max_current_a": max_current_a,
        "phase_switching": True,
        "switch_pause_min": 0.0,
        "switch_hold_min": 0,
        "load_management": False,
    }
    changes = {"days": 3, "start_hour": 0, "charger": wallbox, "vehicles": [car]}
    env = gym.make("EVCharging-v0", scenario=changes)
    env.reset(seed=0)
    parts = 3 * max_current_a
    found: dict[int, list[float]] = {}
    for part in [*range(1, parts + 1), *range(parts, 0, -1)]:
        *_, info = env.step(np.array([part / parts], np.float32))
        power_kw = float(info["charge_kw"][0])
        if power_kw > 0.0:
            found.setdefault(int(info["phases"][0]), []).append(power_kw)
    return {phases: (min(powers), max(powers)) for phases, powers in found.items()}


def ranges() -> str:
    """Power on one and on three phases: 6 A to the largest current at 230 V, and ours."""
    rows = []
    for max_current_a, ac_max_kw in ((16, 11.0), (32, 22.0)):
        for phases, (least, most) in sorted(power_ranges(max_current_a, ac_max_kw).items()):
            kw_per_a = phases * VOLT / 1000.0
            largest = min(max_current_a * kw_per_a, ac_max_kw)
            rows.append([f"{max_current_a} A, {phases} phase{'s' * (phases > 1)}",
                         f"{6 * kw_per_a:.2f} to {largest:.2f}",
                         f"{least:.2f} to {most:.2f}"])  # fmt: skip
    return table(["wallbox", "6 A to its most at 230 V (kW)", "ours (kW)"], rows)


def trips() -> str:
    """Consumption by temperature: the published polynomial, worked out by NumPy, against ours."""
    rows = []
    for temperature_c in (-20.0, -10.0, 0.0, 10.0, 20.0, 30.0, 40.0):
        published = float(LEAF(32.0 + 1.8 * temperature_c) / LEAF(68.0))
        cells = beside(published, trip.factor(temperature_c), 4)
        rows.append([f"{temperature_c:.0f} deg C", *cells])
    text = table(["consumption over that at 20 deg C", "source", "ours", "difference"], rows)
    reported, ours = 70.0 / 45.0, trip.factor(-20.0)
    return (
        f"{text}\nReports of the paper say that a range of 70 miles falls to 45 on the coldest day "
        f"of the Upper Midwest: {reported:.2f} times the consumption. At -20 deg C ours is "
        f"{ours:.2f} times.\n"
    )


def roofs() -> str:
    """Each link of the chain from the sun to the roof, and a year of it, against pvlib."""
    try:
        import pandas as pd
        import pvlib
    except ImportError:
        return "Not compared: pvlib, of the test extra, is not installed.\n"
    when = sun.sub_steps(START, 8760)[::EVERY]
    index = pd.DatetimeIndex(pd.to_datetime(when, unit="s", utc=True))
    place = Solar(peak_kw=8.0)
    ours = sun.sun_position(when, place.latitude_deg, place.longitude_deg)
    zenith, extra = np.degrees(np.arccos(ours.cos_zenith)), sun.extraterrestrial(when)
    ghi = _changing_sky(when.size) * sun.clear_sky(ours.cos_zenith)
    light = sun.split_erbs(ghi, ours.cos_zenith, extra)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pvlib reads what pandas deprecates
        warnings.simplefilter("ignore", FutureWarning)
        theirs = pvlib.solarposition.get_solarposition(
            index, place.latitude_deg, place.longitude_deg
        )
        low = float(np.degrees(np.arccos(sun.LEAST_COS_ZENITH)))
        clear = pvlib.clearsky.haurwitz(pd.Series(zenith, index))["ghi"]
        above = pvlib.irradiance.get_extra_radiation(
            index, solar_constant=sun.SOLAR_CONSTANT, method="nrel"
        )
        diffuse = pvlib.irradiance.erbs(ghi, zenith, index, max_zenith=low)["dhi"]
        up = ours.cos_zenith > 0.0
        gap = np.abs(zenith - theirs["zenith"].to_numpy())[up].max()
        rows = [
            ["zenith of the sun (largest difference, deg)", "Michalsky 1988", "", "", f"{gap:.3f}"],
            _year("above the atmosphere", "Spencer 1971", above, extra),
            _year("clear sky", "Haurwitz 1945", clear, sun.clear_sky(ours.cos_zenith)),
            _year("diffuse light", "Erbs et al. 1982", diffuse, np.where(up, light.dhi, 0.0)),
        ]
        for tilt, azimuth in ROOFS:
            solar = Solar(peak_kw=8.0, inverter_kw=6.0, tilt_deg=tilt, azimuth_deg=azimuth)
            poa = sun.plane_of_array(light, ours, extra, solar)
            air_c = np.full(when.size, 10.0)
            dc_kw = sun.dc_power(poa, sun.module_temperature(poa, air_c), solar)
            chain = _pvlib_chain(pvlib, index, theirs, ghi, solar)
            name = f"AC of a roof, {tilt:g} deg, {_side(azimuth)}, pvlib's own chain"
            rows.append(_year(name, "all links", chain, sun.ac_power(dc_kw, solar), per=8.0))
    return table(["link", "model", "pvlib", "ours", "difference"], rows, left=2)


def _side(azimuth: float) -> str:
    return {90.0: "east", 180.0: "south", 270.0: "west"}[azimuth]


def _changing_sky(count: int) -> Any:
    return np.clip(1.1 * np.random.default_rng(1).beta(2, 1, count), 0.05, 1.05)


def _year(name: str, model: str, published: Any, ours: Any, per: float = 1000.0) -> list[str]:
    """A year's sum: kWh/m2 from W/m2 (per 1000), or kWh for each kW of the modules."""
    sums = [float(np.nansum(np.asarray(values))) * SUB_H / per for values in (published, ours)]
    unit = "kWh/m2" if per == 1000.0 else "kWh/kW"
    gap = f"{100 * (sums[1] / sums[0] - 1):+.3f} %".replace("-0.000 %", "+0.000 %")
    return [f"{name} ({unit} a year)", model, *(f"{each:.1f}" for each in sums), gap]


def _pvlib_chain(pvlib: Any, index: Any, theirs: Any, ghi: Any, solar: Solar) -> Any:
    """From the same GHI on, all by pvlib: its position, distance, split, roof and inverter."""
    split = pvlib.irradiance.erbs(ghi, theirs["zenith"], index)
    poa = pvlib.irradiance.get_total_irradiance(
        solar.tilt_deg,
        solar.azimuth_deg,
        theirs["apparent_zenith"],
        theirs["azimuth"],
        split["dni"],
        ghi,
        split["dhi"],
        dni_extra=pvlib.irradiance.get_extra_radiation(index),
        albedo=solar.albedo,
        model="haydavies",
    )["poa_global"].fillna(0.0)
    cell_c = pvlib.temperature.faiman(poa, 10.0, sun.WIND_M_PER_S)
    peak_kw = solar.peak_kw * (1.0 - solar.losses)
    dc_kw = pvlib.pvsystem.pvwatts_dc(poa, cell_c, peak_kw, sun.POWER_PER_C)
    return pvlib.inverter.pvwatts(dc_kw, solar.limit_kw / sun.INVERTER_ETA).clip(lower=0.0)


def yields() -> str:
    """A year of the built-in sky on a south roof against what PVGIS is quoted to say."""
    solar = Solar(peak_kw=1.0, tilt_deg=35.0)
    ours = float(sun.pv_kw(solar, dataset_of(Scenario()), 60).mean() * 8766.0)
    rows = [[f"PVGIS, quoted by {name}", *beside(quoted, ours, 0)] for name, quoted in
            YIELDS.items()]  # fmt: skip
    return table(["Stockholm, 35 deg south (kWh/kW a year)", "published", "ours", "difference"],
                 rows)  # fmt: skip


def bills() -> str:
    """A month's invoice of each tariff: by hand, and by the env."""
    rows = []
    for name, year, month, by_hand, _ in WORKED:
        scenario, dataset = household(TARIFFS[name]), worked_month(year, month)
        bill = invoices(scenario, history_of(scenario, dataset, f"{year}-{month:02}-01"), dataset)
        ours = to_ore(bill["total"].iloc[0])
        gap = f"{float(ours) - float(by_hand):+.2f}"
        rows.append([f"{name}, {year}-{month:02}", by_hand, ours, gap])
    return table(["tariff and month", "by hand (SEK)", "ours (SEK)", "difference"], rows)


def classic() -> str:
    """Bills of the rules on `classic` against the prices of the hours in which they charge."""
    rows = []
    for name, (hours, why) in CLASSIC_HOURS.items():
        by_hand = CLASSIC_KW * sum(CLASSIC_PRICES_ORE[hour] for hour in hours)
        env: Any = gym.make("EVCharging-v0", scenario="classic")
        policy = make_policy(name, env)
        observation, _ = env.reset(seed=0)
        over = False
        while not over:
            observation, _, _, over, _ = env.step(policy(observation))
        history = env.unwrapped.history
        ours = 100.0 * float((history["energy_cost"] - history["house_cost"]).sum())
        rows.append([name, why, *beside(by_hand, ours, 2)])
    return table(["policy", "four hours of 7.4 kW", "by hand (ore)", "ours (ore)", "difference"],
                 rows, left=2)  # fmt: skip
