"""The data set: validation, copies, fingerprint."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ev_gym.series.dataset import Dataset
from ev_gym.series.limits import DataError

UTC = timezone.utc
START = datetime(2023, 1, 1, 23, tzinfo=UTC)  # Monday 2023-01-02 00:00 in Stockholm


def small(weeks: int = 1, houses: int = 2, **changes: Any) -> Dataset:
    """A valid data set with values that differ everywhere."""
    fields: dict[str, Any] = {
        "start": START,
        "zone": "Europe/Stockholm",
        "load_kw": np.arange(houses * weeks * 672, dtype=float).reshape(houses, -1) / 100,
        "price_per_kwh": np.linspace(-1, 2, weeks * 168),
        "temperature_c": np.linspace(-10, 20, weeks * 168),
    }
    return Dataset(**{**fields, **changes})


def test_properties_and_read_only_copies() -> None:
    load = np.ones((3, 2 * 672))
    data = small(weeks=2, houses=3, load_kw=load)
    load[0, 0] = 9.0
    assert (data.weeks, data.houses, data.load_kw[0, 0]) == (2, 3, 1.0)
    for array in (data.load_kw, data.price_per_kwh, data.temperature_c, *data.calendar):
        with pytest.raises(ValueError, match="read-only"):
            array[..., 0] = 1
    with pytest.raises(AttributeError):
        data.zone = "UTC"  # type: ignore[misc]
    assert data.calendar is data.calendar


def test_start_in_another_zone_is_kept_in_utc() -> None:
    data = small(start=datetime(2023, 1, 2, 0, tzinfo=ZoneInfo("Europe/Stockholm")))
    assert data.start == START
    assert data.start.utcoffset() == timedelta(0)


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda data: pickle.loads(pickle.dumps(data))])
def test_copies_are_equal_and_read_only(clone: Callable[[Dataset], Dataset]) -> None:
    data = small(price_minutes=15, price_per_kwh=np.arange(672) / 1000, currency="EUR")
    _ = data.calendar, data.fingerprint
    other = clone(data)
    assert other.fingerprint == data.fingerprint
    assert (other.price_minutes, other.currency, other.zone) == (15, "EUR", data.zone)
    np.testing.assert_array_equal(other.load_kw, data.load_kw)
    assert not other.load_kw.flags.writeable


def test_fingerprint_depends_on_every_field() -> None:
    base = small()
    assert base.fingerprint == small().fingerprint
    assert len(base.fingerprint) == 64
    later = base.start + timedelta(days=7)
    changed = [
        replace(base, start=later),
        replace(base, zone="Europe/Oslo"),
        replace(base, load_kw=base.load_kw + 1e-12),
        replace(base, load_kw=base.load_kw.reshape(2, -1)[::-1]),
        replace(base, price_per_kwh=base.price_per_kwh + 1e-12),
        replace(base, temperature_c=-base.temperature_c),
        replace(base, currency="NOK"),
        replace(base, price_minutes=30, price_per_kwh=np.repeat(base.price_per_kwh, 2)),
    ]
    assert len({base.fingerprint, *(data.fingerprint for data in changed)}) == 9


def test_fingerprint_covers_the_sky() -> None:
    sky = np.linspace(0.0, 1.0, 168)
    skies = [
        {},
        {"clearness": sky},
        {"clearness": sky[::-1]},
        {"ghi_w_per_m2": sky},
        {"ghi_w_per_m2": sky, "dhi_w_per_m2": sky},
        {"ghi_w_per_m2": sky, "dhi_w_per_m2": sky, "dni_w_per_m2": sky},
    ]
    found = [small(**fields).fingerprint for fields in skies]
    assert len(set(found)) == len(skies)
    assert found == [small(**fields).fingerprint for fields in skies]
    # A data set without sky keeps the fingerprint it had before there was one.
    exact = {"load_kw": np.ones((2, 672)), "price_per_kwh": np.arange(168.0)}
    plain = small(**exact, temperature_c=np.zeros(168))
    assert plain.fingerprint == "cf10779efcb9c627f33385a5e4537faa3643223db1d198f8fc0dd493b4f46cd5"


def test_carbon_intensity_is_part_of_the_fingerprint_and_read_only() -> None:
    """In intervals of 60, 30 or 15 minutes; one that is implausible is refused."""
    carbon = np.linspace(0.0, 2000.0, 168)
    found = [small(carbon_g_per_kwh=np.repeat(carbon, parts)) for parts in (1, 2, 4)]
    prints = {data.fingerprint for data in (small(), *found)}
    assert len(prints) == 4
    carbon[0] = 7.0
    other = pickle.loads(pickle.dumps(found[0]))
    assert other.fingerprint == found[0].fingerprint
    assert other.carbon_g_per_kwh[0] == 0.0
    assert not other.carbon_g_per_kwh.flags.writeable


def test_sky_is_kept_read_only() -> None:
    ghi = np.full(168, 100.0)
    data = small(ghi_w_per_m2=ghi, dhi_w_per_m2=ghi / 2, dni_w_per_m2=ghi / 4)
    ghi[:] = 5.0
    other = pickle.loads(pickle.dumps(data))
    for held in (data, other):
        assert held.clearness is None
        for name, value in (("ghi", 100.0), ("dhi", 50.0), ("dni", 25.0)):
            values = getattr(held, f"{name}_w_per_m2")
            np.testing.assert_array_equal(values, np.full(168, value))
            assert not values.flags.writeable


SUNNY = np.full(168, 400.0)


@pytest.mark.parametrize(
    ("sky", "message"),
    [
        ({"clearness": np.ones(167)}, r"clearness has shape \(167,\): with 1 weeks .* \(168,\)"),
        ({"ghi_w_per_m2": np.ones((1, 168))}, r"ghi_w_per_m2 has shape \(1, 168\)"),
        ({"clearness": np.full(168, 2.1)}, r"clearness\[0\] = 2.1: allowed is 0 to 2"),
        ({"ghi_w_per_m2": np.arange(168) - 1.0}, r"ghi_w_per_m2\[0\] = -1.0: .* 0 to 1500"),
        ({"ghi_w_per_m2": [*[0.0] * 167, 1501.0]}, r"ghi_w_per_m2\[167\] = 1501.0"),
        ({"clearness": np.full(168, np.nan)}, r"clearness\[0\] = nan: allowed are finite"),
        (
            {"clearness": np.ones(168), "ghi_w_per_m2": SUNNY},
            "the sky is given by clearness, ghi_w_per_m2; allowed are nothing; clearness; ghi_w_",
        ),
        ({"dhi_w_per_m2": SUNNY}, "the sky is given by dhi_w_per_m2; allowed are nothing; clear"),
        (
            {"ghi_w_per_m2": SUNNY, "dni_w_per_m2": SUNNY},
            "given by ghi_w_per_m2, dni_w_per_m2; .*; ghi_w_per_m2, dhi_w_per_m2, dni_w_per_m2$",
        ),
        (
            {"ghi_w_per_m2": SUNNY, "dhi_w_per_m2": SUNNY * 1.2},
            r"dhi_w_per_m2\[0\] = 480.0 where ghi_w_per_m2 = 400.0: allowed is at most GHI",
        ),
    ],
)
def test_sky_is_checked(sky: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        small(**sky)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": datetime(2023, 1, 1, 23)}, r"start = .*with a time zone"),
        ({"start": START + timedelta(hours=1)}, r"Monday 2023-01-02 01:00.*next is 2023-01-09"),
        ({"start": START + timedelta(days=2)}, r"Wednesday 2023-01-04 00:00.*2023-01-09"),
        ({"zone": "Europe/Atlantis"}, r"zone = 'Europe/Atlantis' is not a known time zone"),
        ({"zone": "Europe"}, r"zone = 'Europe' is not"),
        ({"zone": ""}, r"zone = '' is not"),
        ({"zone": None}, r"zone = None is not"),
        ({"zone": "UTC"}, r"Sunday 2023-01-01 23:00 in UTC"),
        ({"temperature_c": np.zeros(167)}, r"temperature_c has shape \(167,\)"),
        ({"temperature_c": np.zeros(0)}, r"temperature_c has shape \(0,\)"),
        ({"temperature_c": np.zeros((1, 168))}, r"temperature_c has shape \(1, 168\)"),
        ({"load_kw": np.zeros(672)}, r"load_kw has shape \(672,\).*\(houses, 672\)"),
        ({"load_kw": np.zeros((0, 672))}, r"load_kw has shape \(0, 672\)"),
        ({"load_kw": np.zeros((2, 671))}, r"load_kw has shape \(2, 671\)"),
        ({"price_per_kwh": np.zeros(672)}, r"price_per_kwh has shape \(672,\).*\(168,\)"),
        ({"price_minutes": 15}, r"price_minutes = 15 allowed is \(672,\)"),
        ({"price_minutes": 20}, r"price_minutes = 20: allowed are \(15, 30, 60\)"),
        ({"currency": "sek"}, r"currency = 'sek'"),
        ({"currency": None}, r"currency = None"),
        ({"price_per_kwh": [*[0.0] * 5, np.nan, *[0.0] * 162]}, r"price_per_kwh\[5\] = nan"),
        ({"load_kw": np.full((1, 672), np.inf)}, r"load_kw\[0, 0\] = inf"),
        ({"load_kw": np.full((1, 672), -0.5)}, r"load_kw\[0, 0\] = -0.5: allowed is 0 kW"),
        (
            {"carbon_g_per_kwh": np.zeros(169)},
            r"carbon_g_per_kwh has shape \(169,\): .*allowed are \(672,\), \(336,\), \(168,\), "
            r"for intervals of 15, 30, 60 minutes",
        ),
        (
            {"carbon_g_per_kwh": [*[9.0] * 5, 2000.5, *[9.0] * 162]},
            r"carbon_g_per_kwh\[5\] = 2000.5: allowed is 0 to 2000",
        ),
        (
            {"carbon_g_per_kwh": [*[9.0] * 5, np.nan, *[9.0] * 162]},
            r"carbon_g_per_kwh\[5\] = nan: allowed are finite numbers",
        ),
        ({"temperature_c": "warm"}, r"temperature_c is not an array of numbers"),
    ],
)
def test_constructor_refuses(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        small(**changes)


def test_dataset_needs_no_pandas() -> None:
    program = "import sys, ev_gym.series.dataset; assert 'pandas' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
