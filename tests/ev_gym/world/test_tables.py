"""The world's tables against slow references in plain Python: clock, prices, load."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
import time
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from numpy.typing import NDArray

from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Data, Household, Scenario, ScenarioError, Tariff, Vehicle
from ev_gym.series.dataset import Dataset
from ev_gym.series.of_scenario import dataset_of
from ev_gym.simulation.observation import observation_slices
from ev_gym.simulation.observation_fields import DECLARATIONS, VEHICLES
from ev_gym.world.world import build_world
from tests.support.small_series import (
    PLAIN,
    STOCKHOLM,
    SUMMER,
    WINTER,
    local_times,
    minute_of,
    series,
)
from tests.support.tariffs import HIGH_HOURS, SWEDISH_FLAT, tariff_of

Array = np.ndarray[Any, Any]
WITH_POWER_CHARGE = dataclasses.replace(PLAIN, tariff=Scenario().tariff)


def fields_of(env: EVChargingEnv, observations: list[Array]) -> dict[str, Array]:
    """Observations as columns, by field name."""
    table = np.stack(observations)
    slot_min = env.simulator.world.dataset.price_minutes
    slices = observation_slices(env.scenario, slot_min)
    return {name: table[:, place] for name, place in slices.items()}


def fields_at(scenario: Scenario, dataset: Dataset, start: str) -> dict[str, Array]:
    """The observation when an episode begins at a local time, by field name."""
    env = EVChargingEnv(scenario, dataset=dataset)
    return fields_of(env, [env.reset(seed=0, options={"start": start, "house": 0})[0]])


def fields_of_days(
    scenario: Scenario, dataset: Dataset, days: int, step_min: int
) -> dict[str, Array]:
    """The observations of so many days from the first minute of the series, by field name."""
    scenario = dataclasses.replace(scenario, days=days, time_step_min=step_min)
    env = EVChargingEnv(scenario, dataset=dataset)
    first = dataset.start.astimezone(ZoneInfo(dataset.zone))
    observations = [env.reset(seed=0, options={"start": first, "house": 0})[0]]
    for _ in range(scenario.horizon_steps - 1):
        observations.append(env.step([0.0])[0])
    return fields_of(env, observations)


def known_and_window(
    dataset: Dataset, window_h: int, published: tuple[str, int] = ("Europe/Brussels", 13)
) -> tuple[list[int], list[list[float]]]:
    """For every hour: how many hours of prices are published, and the window as a policy sees it.

    Hour by hour with `datetime`. Prices are known to the end of today, as it is in Brussels, and of
    tomorrow once they are published; an hour after that shows the same hour of the last known day
    there, and where summer time skipped that hour, the hour before. Prices go round at the end of
    the series.

    Args:
        dataset: The series.
        window_h: Hours of the price window.
        published: Zone and hour on whose clock tomorrow's prices are published.
    """
    prices = dataset.price_per_kwh
    # From a day before the series, which is its end: the market's day may have begun before it.
    local = {
        i: (dataset.start + timedelta(hours=i)).astimezone(ZoneInfo("Europe/Brussels"))
        for i in range(-24, len(prices) + 100)
    }
    zone, hour_there = ZoneInfo(published[0]), published[1]
    of_day: dict[Any, list[int]] = {}
    for i, moment in local.items():
        of_day.setdefault(moment.date(), []).append(i)
    known, windows = [], []
    for now in range(len(prices)):
        today = local[now].date()
        publication = datetime(today.year, today.month, today.day, hour_there, tzinfo=zone)
        last_day = today + timedelta(days=local[now] >= publication)
        by_hour: dict[int, int] = {}
        for i in of_day[last_day]:
            by_hour.setdefault(local[i].hour, i)
        window = []
        for i in range(now, now + window_h):
            hour = local[i].hour
            if local[i].date() > last_day:
                i = by_hour[hour] if hour in by_hour else by_hour[hour - 1]
            window.append(float(prices[i % len(prices)]))
        windows.append(window)
        known.append(of_day[last_day][-1] - now + 1)
    return known, windows


@pytest.mark.parametrize(("window_h", "monday"), [(36, WINTER), (48, WINTER), (48, SUMMER)])
def test_price_window_of_every_hour_of_a_year(window_h: int, monday: datetime) -> None:
    dataset = series(monday=monday)
    scenario = dataclasses.replace(PLAIN, price_window_h=window_h)
    fields = fields_of_days(scenario, dataset, 364, 60)
    known, windows = known_and_window(dataset, window_h)
    assert fields["hours_known"][:, 0].tolist() == [min(k, window_h) for k in known]
    window = np.hstack([fields[f"price_h{h:02d}"] for h in range(window_h)])
    np.testing.assert_array_equal(window, np.array(windows, np.float32))
    # 12 at noon, 11 + 25 at 13:00 before the day of 25 hours.
    assert set(known) == set(range(12, 37))


def of_market(zone: str, market: str = "day-ahead", window_h: int = 48) -> Scenario:
    """A plain scenario of a zone and a market."""
    data = dataclasses.replace(PLAIN.data, zone=zone, prices_known=market)
    return dataclasses.replace(PLAIN, data=data, price_window_h=window_h)


@pytest.mark.parametrize(
    ("zone", "market", "published"),
    [
        ("Europe/Helsinki", "day-ahead", ("Europe/Helsinki", 14)),
        ("Europe/Lisbon", "day-ahead", ("Europe/Lisbon", 12)),
        ("Europe/London", "agile", ("Europe/London", 16)),
        ("Europe/Stockholm", "agile", ("Europe/London", 16)),
    ],
)
def test_price_window_east_and_west_of_the_market(
    zone: str, market: str, published: tuple[str, int]
) -> None:
    """Every hour of 48 weeks, to the end where the series wraps, through both changes of clocks."""
    dataset = series(48, zone=zone)
    fields = fields_of_days(of_market(zone, market), dataset, 48 * 7, 60)
    known, windows = known_and_window(dataset, 48, published)
    assert fields["hours_known"][:, 0].tolist() == [min(k, 48) for k in known]
    window = np.hstack([fields[f"price_h{h:02d}"] for h in range(48)])
    np.testing.assert_array_equal(window, np.array(windows, np.float32))


@pytest.mark.parametrize(
    ("zone", "market", "local", "known"),
    [
        # Helsinki is an hour ahead of the market, whose day ends there at 01:00.
        ("Europe/Helsinki", "day-ahead", "2024-02-07T00:00", 25),
        ("Europe/Helsinki", "day-ahead", "2024-02-07T01:00", 24),
        ("Europe/Helsinki", "day-ahead", "2024-02-07T13:45", 12),
        ("Europe/Helsinki", "day-ahead", "2024-02-07T14:00", 11 + 24),
        ("Europe/Helsinki", "day-ahead", "2024-03-30T14:00", 11 + 23),
        # London is an hour behind; the auction's day, and Agile's, ends there at 23:00.
        ("Europe/London", "day-ahead", "2024-02-07T11:45", 12),
        ("Europe/London", "day-ahead", "2024-02-07T12:00", 11 + 24),
        ("Europe/London", "agile", "2024-02-07T12:00", 11),
        ("Europe/London", "agile", "2024-02-07T15:45", 8),
        ("Europe/London", "agile", "2024-02-07T16:00", 7 + 24),
        ("Europe/London", "agile", "2024-02-07T22:00", 25),
        ("Europe/London", "agile", "2024-02-07T23:00", 24),
        ("Europe/London", "agile", "2024-10-26T16:00", 7 + 25),
    ],
)
def test_when_each_market_publishes(zone: str, market: str, local: str, known: int) -> None:
    """By hand; the first hours of the series, too, belong to the market's day of their time."""
    fields = fields_at(of_market(zone, market), series(zone=zone), local)
    assert fields["hours_known"][0, 0] == known


def test_the_fixed_day_of_classic_goes_by_its_own_clock() -> None:
    """In UTC, an hour behind the market's clock, 13:00 is 13:00."""
    env = EVChargingEnv("classic")
    env.reset(seed=0, options={"start": "2024-01-01"})
    known = []
    for _ in range(14 * 4):
        known.append(fields_of(env, [env.step([0.0])[0]])["hours_known"][0, 0])
    assert (known[12 * 4 - 1], known[13 * 4 - 2], known[13 * 4 - 1]) == (12, 12, 35)
    with pytest.raises(ScenarioError, match="prices_known is 'agile', which has no effect"):
        Data(source="classic", zone="UTC", start="2024-01-01", weeks=1, prices_known="agile")


@pytest.mark.parametrize(
    ("local", "known"),
    [
        ("2024-02-07T00:00", 24),
        ("2024-02-07T12:00", 12),
        ("2024-02-07T12:45", 12),
        ("2024-02-07T13:00", 35),
        ("2024-02-07T23:00", 25),
        # Summer time begins on Sunday 2024-03-31, a day of 23 hours ...
        ("2024-03-30T12:00", 12),
        ("2024-03-30T13:00", 11 + 23),
        ("2024-03-31T00:00", 23),
        ("2024-03-31T12:00", 12),
        ("2024-03-31T13:00", 11 + 24),
        # ... and ends on Sunday 2024-10-27, a day of 25.
        ("2024-10-26T13:00", 11 + 25),
        ("2024-10-27T00:00", 25),
        ("2024-10-27T12:00", 12),
        ("2024-10-27T13:00", 35),
    ],
)
def test_hours_known_by_hand(local: str, known: int) -> None:
    fields = fields_at(PLAIN, series(), local)
    assert fields["hours_known"][0, 0] == min(known, 36)


def test_clock_fields_of_every_quarter_hour() -> None:
    """Sine and cosine of local time and day, days off, temperature: both switches included."""
    dataset = series()
    # Sweden's public holidays of 2024 that are no Saturday or Sunday.
    holidays = {(1, 1), (3, 29), (4, 1), (5, 1), (5, 9), (6, 6), (12, 25), (12, 26)}
    fields = fields_of_days(PLAIN, dataset, 364, 15)
    for quarter in range(52 * 672):
        now = (dataset.start + timedelta(minutes=15 * quarter)).astimezone(STOCKHOLM)
        hour = 2 * math.pi * (now.hour + now.minute / 60) / 24
        day = 2 * math.pi * (now.timetuple().tm_yday - 1) / 365.25
        day_off = now.weekday() >= 5 or (now.month, now.day) in holidays
        wanted = (math.sin(hour), math.cos(hour), math.sin(day), math.cos(day), day_off)
        names = ("hour_sin", "hour_cos", "day_sin", "day_cos", "weekend")
        got = tuple(float(fields[name][quarter, 0]) for name in names)
        assert got == pytest.approx(tuple(map(float, wanted)), abs=1e-6), now
        assert fields["temperature_c"][quarter, 0] == np.float32(
            dataset.temperature_c[quarter // 4]
        )


def test_days_left_in_the_month_by_the_local_clock() -> None:
    """Days of 24 hours of the local clock, also where summer time begins or ends within them."""
    dataset = series()
    left = fields_of_days(WITH_POWER_CHARGE, dataset, 364, 15)["month_days_left"][:, 0]
    for quarter in range(52 * 672):
        now = (dataset.start + timedelta(minutes=15 * quarter)).astimezone(STOCKHOLM)
        clock = now.replace(tzinfo=None)
        following = datetime(now.year + now.month // 12, now.month % 12 + 1, 1)
        assert left[quarter] == np.float32((following - clock) / timedelta(days=1)), now
    assert (left.min(), left.max()) == (np.float32(1 / 96), 31.0)


def test_usual_load_is_the_mean_of_the_hour_on_seven_days_before() -> None:
    """Hour by hour of each house: none of its hours has begun, and past the end it goes round."""
    dataset = series(14)
    hourly_kw = dataset.load_kw.reshape(3, -1, 4).mean(axis=2)
    scenario = dataclasses.replace(WITH_POWER_CHARGE, time_step_min=30)
    env = EVChargingEnv(scenario, dataset=dataset)
    places = observation_slices(env.scenario, 60)
    first = places["usual_load_kw_h00"].start
    for house, start in ((0, "2024-01-01"), (1, "2024-01-20"), (2, "2024-03-30")):
        options = {"start": f"{start}T12:00", "house": house}
        begin = minute_of(dataset, options["start"]) // 60
        observation, _ = env.reset(seed=0, options=options)
        for step in range(48):
            now = begin + step // 2
            for ahead in range(24):
                hours = [now + ahead - 24 * day for day in range(1, 8)]
                assert max(hours) < now
                mean_kw = math.fsum(hourly_kw[house, hour] for hour in hours) / 7
                assert observation[first + ahead] == pytest.approx(mean_kw, rel=1e-6)
            observation = env.step([0.0])[0]


def test_usual_load_of_each_world_is_its_own() -> None:
    scenario = {"preset": "stockholm", "days": 2, "time_step_min": 60}
    env = EVChargingEnv(scenario, split="test")
    places = observation_slices(env.scenario)
    for world in (101, 104):
        dataset = dataset_of(env.scenario, world)
        hourly_kw = dataset.load_kw.reshape(len(dataset.load_kw), -1, 4).mean(axis=2)
        options = {"world": world, "start": "2025-12-30T00:00", "house": 1}
        observation, info = env.reset(seed=0, options=options)
        for step in range(48):
            now = info["now_min"] // 60 + (step > 0)
            assert observation[places["load_kw"]][0] == np.float32(hourly_kw[1, now])
            days = hourly_kw[1, [now + 23 - 24 * day for day in range(1, 8)]]
            last = observation[places["usual_load_kw_h23"]][0]
            assert last == pytest.approx(days.mean(), rel=1e-6)
            observation, _, _, _, info = env.step([0.0])


def test_all_in_price_by_hand() -> None:
    """Spot, tax and transfer of each kWh, and VAT on all of it."""
    tariff = SWEDISH_FLAT
    world = build_world(dataclasses.replace(PLAIN, tariff=tariff), series(), None)
    spot = series().price_per_kwh
    assert world.tables.price[100] == pytest.approx(1.25 * (spot[100] + 0.489), abs=1e-15)
    np.testing.assert_allclose(world.tables.price, 1.25 * (spot + 0.489), rtol=0, atol=1e-14)
    assert spot.min() < 0.0
    assert world.tables.price[spot.argmin()] == pytest.approx(1.25 * (-0.5 + 0.489))


def test_time_of_use_transfer_follows_the_local_clock() -> None:
    """Vattenfall's high hours, weekdays 06-22 from November to March, in every hour of a year."""
    high = tariff_of(transfer=0.268, high={"per_kwh": 0.67, **HIGH_HOURS})
    dataset = series()
    world = build_world(dataclasses.replace(PLAIN, tariff=high), dataset, None)
    transfer = world.tables.price - dataset.price_per_kwh
    count = 0
    for hour, now in enumerate(local_times(dataset, 52 * 168)):
        is_high = now.month in (11, 12, 1, 2, 3) and now.weekday() < 5 and 6 <= now.hour < 22
        assert transfer[hour] == pytest.approx(0.67 if is_high else 0.268, abs=1e-12), now
        count += is_high
    assert count == (23 + 21 + 21 + 21 + 20) * 16  # weekdays; the series ends on 29 December


STEPS = (1, 5, 15, 30, 60)


@pytest.mark.parametrize("slot_min", [15, 30, 60])
@pytest.mark.parametrize("step_min", STEPS)
def test_price_and_load_of_a_step_are_means_over_it(step_min: int, slot_min: int) -> None:
    """Minute by minute, for a day that ends on summer time, at a price with high hours."""
    tariff = tariff_of(high={**HIGH_HOURS, "per_kwh": 0.7, "weekdays": (6,)})
    scenario = dataclasses.replace(PLAIN, tariff=tariff, time_step_min=step_min)
    dataset = series(14, slot_min)
    env = EVChargingEnv(scenario, dataset=dataset)
    first = minute_of(dataset, "2024-03-30T12:00")
    observation, _ = env.reset(seed=3, options={"start": "2024-03-30", "house": 2})
    places = observation_slices(scenario, slot_min)
    for step in range(24 * 60 // step_min):
        minutes = range(first + step * step_min, first + (step + 1) * step_min)
        prices, loads = [], []
        for minute in minutes:
            now = (dataset.start + timedelta(minutes=minute)).astimezone(STOCKHOLM)
            is_high = now.weekday() == 6 and 6 <= now.hour < 22
            prices.append(dataset.price_per_kwh[minute // slot_min] + (0.7 if is_high else 0.0))
            loads.append(dataset.load_kw[2, minute // 15])
        assert observation[places["price_per_kwh"]][0] == np.float32(sum(prices) / len(prices))
        observation, _, _, _, info = env.step(np.zeros(1, np.float32))
        assert info["now_min"] == minutes[0]
        assert info["price_per_kwh"] == pytest.approx(sum(prices) / len(prices), abs=1e-12)
        assert info["load_kw"] == pytest.approx(sum(loads) / len(loads), abs=1e-12)


@pytest.mark.parametrize(("slot_min", "step_min"), [(15, 15), (15, 5), (15, 60), (30, 15)])
def test_window_of_finer_prices_at_every_step(slot_min: int, step_min: int) -> None:
    """Slot by slot with `datetime`, through both weeks in which the clock changes.

    Prices are known to the end of today, from 13:00 of tomorrow; a slot after that shows the price
    of the same local time of the last known day or, where summer time skipped that, an hour before.
    """
    for monday, weeks in ((datetime(2024, 3, 25), 2), (datetime(2024, 10, 21), 2)):
        dataset = series(weeks, slot_min, monday)
        prices, slots = dataset.price_per_kwh, 36 * 60 // slot_min
        fields = fields_of_days(PLAIN, dataset, 7 * weeks, step_min)
        names = [f"price_m{slot_min * i:04d}" for i in range(slots)]
        window = np.hstack([fields[name] for name in names])
        assert window.shape == (7 * weeks * 1440 // step_min, slots)
        local = [
            (dataset.start + timedelta(minutes=slot_min * i)).astimezone(STOCKHOLM)
            for i in range(len(prices))
        ]
        by_time: dict[Any, int] = {}
        for i, moment in enumerate(local):
            by_time.setdefault((moment.date(), moment.hour, moment.minute), i)
        for step in range(len(window)):
            first = step * step_min // slot_min
            if first + slots > len(prices):
                break
            last_day = local[first].date() + timedelta(days=local[first].hour >= 13)
            wanted, known = [], 0
            for i in range(first, first + slots):
                now = local[i]
                if now.date() > last_day:
                    hour = now.hour
                    if (last_day, hour, now.minute) not in by_time:
                        hour -= 1
                    i = by_time[last_day, hour, now.minute]
                else:
                    known += 1
                wanted.append(prices[i])
            np.testing.assert_array_equal(window[step], np.array(wanted, np.float32))
            assert fields["hours_known"][step, 0] == known * slot_min / 60


@pytest.mark.parametrize("slot_min", [15, 30])
def test_a_window_of_hourly_means_of_finer_prices(slot_min: int) -> None:
    dataset = series(14, slot_min)
    scenario = dataclasses.replace(PLAIN, price_window="hourly")
    env = EVChargingEnv(scenario, dataset=dataset)
    observation, _ = env.reset(seed=0, options={"start": "2024-01-01T13:45", "house": 0})
    places = observation_slices(scenario)
    assert env.observation_space.shape == (max(place.stop for place in places.values()),)
    fields = {name: observation[np.newaxis, place] for name, place in places.items()}
    assert fields["hours_known"][0, 0] == 35.0
    hourly = dataset.price_per_kwh.reshape(-1, 60 // slot_min).mean(axis=1)
    window = [fields[f"price_h{h:02d}"][0, 0] for h in range(35)]
    np.testing.assert_allclose(window, hourly[13 : 13 + 35], rtol=1e-6)


def test_annual_consumption_scales_the_load() -> None:
    """The mean over houses of a year of 8,766 hours; the houses keep their proportions."""
    dataset = series()
    scenario = dataclasses.replace(PLAIN, household=Household(annual_kwh=9000.0))
    load_kw = build_world(scenario, dataset, None).tables.load_kw
    assert load_kw.mean() * 8766 == pytest.approx(9000.0)
    np.testing.assert_allclose(load_kw / dataset.load_kw, 9000.0 / (dataset.load_kw.mean() * 8766))
    np.testing.assert_array_equal(build_world(PLAIN, dataset, None).tables.load_kw, dataset.load_kw)


def test_series_go_round_by_whole_weeks() -> None:
    """Past the end everything is as at the beginning, weekday and hour included."""
    length = 14 * 168
    fields = fields_of_days(PLAIN, series(14), 2 * 98, 60)
    of_vehicles = {field.name for field in DECLARATIONS if field.owner is VEHICLES}
    for name, values in fields.items():
        if name not in of_vehicles:
            np.testing.assert_array_equal(values[:length], values[length:], err_msg=name)
    env = EVChargingEnv(dataclasses.replace(PLAIN, days=2), dataset=series(14))
    env.reset(seed=1, options={"start": "2024-04-06", "house": 0})
    loads = [env.step(np.zeros(1, np.float32))[4]["load_kw"] for _ in range(192)]
    first = 4 * (length - 36 - 1)  # the last Saturday at noon is on summer time
    wanted = np.take(series(14).load_kw[0], range(first, first + 192), mode="wrap")
    np.testing.assert_array_equal(loads, wanted)


def test_world_is_built_once_and_shared() -> None:
    """Two envs share one world; the second takes a moment."""
    first = EVChargingEnv()
    began = time.perf_counter()
    second = EVChargingEnv({"preset": "stockholm"})
    assert time.perf_counter() - began < 0.25
    assert second.simulator.world is first.simulator.world
    assert second.simulator.world.dataset is dataset_of(Scenario())
    other = EVChargingEnv({"days": 2}).simulator.world
    assert other is not first.simulator.world
    assert other.dataset is first.simulator.world.dataset


def arrays_of(tables: Any) -> list[NDArray[Any]]:
    """All arrays of the tables, those of the power charge and the accounts among them."""
    nested = (table if isinstance(table, tuple) else (table,) for table in tables)
    return [array for part in nested for array in part]


def test_copies_of_a_world() -> None:
    """Copied it is shared; pickled it is found again, or with own series built again."""
    world = EVChargingEnv().simulator.world
    assert copy.deepcopy(world) is world
    pickled = pickle.dumps(world)
    assert len(pickled) < 5000
    assert pickle.loads(pickled) is world
    own = build_world(PLAIN, series(14), "train")
    again = pickle.loads(pickle.dumps(own))
    assert again.fingerprint == own.fingerprint
    assert again.split == "train"
    for ours, theirs in zip(arrays_of(own.tables), arrays_of(again.tables), strict=True):
        assert ours.tobytes() == theirs.tobytes()
    np.testing.assert_array_equal(again.starts, own.starts)


def test_own_series_need_no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """An env on own series is pickled without a look at the files that its scenario names."""
    monkeypatch.delenv("EV_GYM_DATA", raising=False)
    env = EVChargingEnv("stockholm-measured", dataset=series())
    again = pickle.loads(pickle.dumps(env))
    assert again.simulator.world.fingerprint == env.simulator.world.fingerprint


def test_tables_are_read_only_and_fingerprint_names_the_contents() -> None:
    world = build_world(PLAIN, series(14), None)
    arrays = [world.hourly_price, world.starts, *arrays_of(world.tables)]
    assert len(arrays) > 10
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = array
    other = dataclasses.replace(series(14), temperature_c=series(14).temperature_c + 1.0)
    same = dataclasses.replace(series(14))
    assert build_world(PLAIN, same, None).fingerprint == world.fingerprint
    assert build_world(PLAIN, other, None).fingerprint != world.fingerprint


def test_currency_of_data_and_scenario_must_agree() -> None:
    in_euro = dataclasses.replace(PLAIN, currency="EUR", tariff=Tariff(currency="EUR"))
    with pytest.raises(
        ScenarioError, match="prices are in 'SEK'; allowed: the scenario's currency"
    ):
        build_world(in_euro, series(14), None)


def test_car_limits_reach_the_tables() -> None:
    """At 16 A on three phases: a car of 7.2 kW on two takes 16 A, one of 22 kW takes 11.04 kW."""
    cars = (
        Vehicle.model("VW ID.3 45"),
        Vehicle.model("Renault Zoe"),
        Vehicle(phases=1, ac_max_kw=3.7),
    )
    table = build_world(dataclasses.replace(PLAIN, vehicles=cars), series(14), None).tables.cars
    assert table["max_current_a"].tolist() == [16, 16, 16]
    np.testing.assert_allclose(table["max_kw"], [7.2, 11.04, 3.68])
    np.testing.assert_allclose(
        table["battery_kw"], [7.2 * 0.921 - 0.1082, 11.04 * 0.941 - 0.422, 3.68 * 0.94 - 0.2]
    )
    np.testing.assert_allclose(
        table["accept_kw"], [7.2 * 0.921 - 0.1082, 22 * 0.941 - 0.422, 3.7 * 0.94 - 0.2]
    )


def test_half_hour_zone() -> None:
    """A zone that is half an hour off whole hours: the clock still shows local midnight."""
    rng = np.random.default_rng(0)
    start = datetime(2024, 1, 1, tzinfo=ZoneInfo("Asia/Kolkata"))
    dataset = Dataset(
        start, "Asia/Kolkata", rng.random((1, 1344)), rng.random(336), rng.random(336)
    )
    assert dataset.start == datetime(2023, 12, 31, 18, 30, tzinfo=timezone.utc)
    data = dataclasses.replace(PLAIN.data, zone="Asia/Kolkata")
    scenario = dataclasses.replace(PLAIN, start_hour=0, data=data)
    world = build_world(scenario, dataset, None)
    assert world.starts["minute"].tolist() == [1440 * day for day in range(14)]
    for day in range(14):
        fields = fields_at(scenario, dataset, f"2024-01-{1 + day:02d}T00:00")
        assert fields["hour_cos"].tolist() == [[1.0]]
        # 19:30 in Stockholm: hours that begin until 23:30 there, and those of tomorrow.
        assert fields["hours_known"].tolist() == [[29.0]]


def test_fill_where_the_clock_changes_at_midnight() -> None:
    """Cairo skips 00:00 on 26 April 2024: the first hour there is stands in for it."""
    weeks, zone = 20, "Africa/Cairo"
    hours = weeks * 168
    dataset = Dataset(
        datetime(2024, 1, 1, tzinfo=ZoneInfo(zone)),
        zone,
        np.ones((1, hours * 4)),
        np.arange(hours) / 1000.0,
        np.zeros(hours),
    )
    data = dataclasses.replace(PLAIN.data, zone=zone, source="classic")  # without a market
    scenario = dataclasses.replace(PLAIN, data=data, start_hour=1)
    fields = fields_at(scenario, dataset, "2024-04-26T01:00")
    known = int(fields["hours_known"][0, 0])
    assert known == 23
    now = fields["price_h00"][0, 0]
    # Unknown hours begin at the next midnight, for which 01:00 of the same day stands in.
    assert fields[f"price_h{known:02d}"][0, 0] == now
    assert fields[f"price_h{known + 1:02d}"][0, 0] == now


def test_series_that_contradict_the_scenario_are_refused() -> None:
    data = dataclasses.replace(PLAIN.data, zone="UTC")
    with pytest.raises(ScenarioError, match="zone is 'Europe/Stockholm'; allowed"):
        build_world(dataclasses.replace(PLAIN, data=data), series(), None)
    scenario = dataclasses.replace(PLAIN, household=Household(annual_kwh=9000.0))
    with pytest.raises(ScenarioError, match="load is 0 throughout"):
        build_world(scenario, dataclasses.replace(series(), load_kw=series().load_kw * 0), None)
