"""Units read from the names of columns, plausible ranges, and the choice of columns."""

from __future__ import annotations

from datetime import timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ev_gym.series.limits import DataError
from tests.support.week_frames import column_frame, week_of

UTC = timezone.utc


@pytest.mark.parametrize(
    ("name", "options", "factor"),
    [
        ("price_sek_per_kwh", {}, 1.0),
        ("SEK_per_kWh", {}, 1.0),
        ("price_sek_per_mwh", {}, 0.001),
        ("price_ore_per_kwh", {}, 0.01),
        ("öre_per_kwh", {}, 0.01),
        ("price_ore_per_kwh", {"currency": "NOK"}, 0.01),
        ("price_eur_per_mwh", {"eur_rate": 11.5}, 0.0115),
        ("price_eur_per_kwh", {"eur_rate": 11.5}, 11.5),
        ("price_eur_per_mwh", {"currency": "EUR"}, 0.001),
        ("price_dkk_per_kwh", {"currency": "DKK"}, 1.0),
    ],
)
def test_price_units(name: str, options: dict[str, Any], factor: float) -> None:
    numbers = np.arange(168) / 200 / factor
    data = week_of(price=column_frame(name, 60, numbers), **options)
    np.testing.assert_allclose(data.price_per_kwh, np.arange(168) / 200, rtol=1e-15)
    assert data.currency == options.get("currency", "SEK")


def test_ore_is_not_a_part_of_every_currency() -> None:
    price = column_frame("price_ore_per_kwh", 60, [1] * 168)
    with pytest.raises(DataError, match="'price_ore_per_kwh' is not in EUR"):
        week_of(price=price, currency="EUR")


@pytest.mark.parametrize(
    ("name", "minutes", "kw"),
    [
        ("load_kw", 15, 1.5),
        ("load_w", 15, 0.0015),
        ("load_kwh", 15, 6.0),
        ("load_wh", 15, 0.006),
        ("kwh", 60, 1.5),
    ],
)
def test_load_units(name: str, minutes: int, kw: float) -> None:
    data = week_of(load=column_frame(name, minutes, [1.5] * (7 * 1440 // minutes)))
    np.testing.assert_allclose(data.load_kw, np.full((1, 672), kw), rtol=1e-15)


@pytest.mark.parametrize(
    ("role", "name", "message"),
    [
        ("price", "price", "no known price unit in .'price'.; allowed is .*_per_kwh"),
        ("price", "price_per_kwh", "no known price unit"),
        ("price", "spot_sek", "no known price unit"),
        ("price", "price_dkk_per_kwh", "'price_dkk_per_kwh' is not in SEK; needed is a column in"),
        ("price", "price_eur_per_mwh", r"not in SEK; needed is eur_rate= \(SEK per EUR\)"),
        ("load", "power", "no known load unit in .'power'.; allowed is .*_kw, _w, or _kwh or _wh"),
        ("load", "price_sek_per_kwh", "no known load unit"),
        ("load", "load_mw", "no known load unit"),
        ("temperature", "temperature_f", "no known temperature unit .*allowed is .*_c,"),
    ],
)
def test_unknown_units(role: str, name: str, message: str) -> None:
    with pytest.raises(DataError, match=f"{role} frame, names of the columns: .*{message}"):
        week_of(**{role: column_frame(name, 60, [1] * 168)})


@pytest.mark.parametrize(
    ("role", "name", "minutes", "low", "high", "factor", "unit"),
    [
        ("load", "load_kw", 15, 0.0, 100.0, 1, "kW"),
        ("load", "load_w", 15, 0.0, 1e5, 0.001, "kW"),
        ("load", "load_kwh", 15, 0.0, 25.0, 4, "kW"),
        ("price", "sek_per_kwh", 60, -100.0, 100.0, 1, "SEK per kWh"),
        ("price", "ore_per_kwh", 60, -1e4, 1e4, 0.01, "SEK per kWh"),
        ("temperature", "t_c", 60, -60.0, 60.0, 1, "deg C"),
    ],
)
def test_plausible_range(
    role: str, name: str, minutes: int, low: float, high: float, factor: float, unit: str
) -> None:
    frame = column_frame(name, minutes, np.full(7 * 1440 // minutes, high / 200))
    frame.iloc[:2, 0] = [low, high]
    assert week_of(**{role: frame}).weeks == 1
    for value in (low - 0.5, high * 1.01):
        frame.iloc[5, 0] = value
        where = rf"{role} frame, row 5 \(.*Z\): {name} = {value} is {value * factor:g} {unit}"
        with pytest.raises(DataError, match=where):
            week_of(**{role: frame})


def test_several_houses() -> None:
    load = column_frame("a_kw", 15, np.arange(672) / 10)
    load["persons"], load["b_kw"] = 9, load["a_kw"] / 2
    expected = load[["a_kw", "b_kw"]].to_numpy().T
    with pytest.raises(
        DataError,
        match=r"several load columns, \['a_kw', 'b_kw'\]; choose with load_columns= or the file's ",
    ):
        week_of(load=load)
    chosen = week_of(load=load, load_columns=["b_kw", "a_kw"])
    np.testing.assert_array_equal(chosen.load_kw, expected[::-1])
    np.testing.assert_array_equal(week_of(load=load, load_columns="b_kw").load_kw, expected[1:])
    with pytest.raises(DataError, match=r"no known load unit in \['persons'\]"):
        week_of(load=load, load_columns="persons")
    with pytest.raises(DataError, match=r"no column 'c_kw' \(load_columns\) among \['a_kw', "):
        week_of(load=load, load_columns=["a_kw", "c_kw"])
    load.loc[load.index[4], "b_kw"] = np.nan
    with pytest.raises(DataError, match=r"row 4 \(2023-01-02T00:00Z\): b_kw = nan is not"):
        week_of(load=load, load_columns=["a_kw", "b_kw"])
    assert week_of(load=load, load_columns="a_kw").houses == 1


def test_several_candidates_must_be_chosen_from() -> None:
    price = column_frame("price_eur_per_mwh", 60, np.arange(168))
    price["price_ore_per_kwh"] = np.arange(168.0)
    with pytest.raises(DataError, match=r"several price columns, .*choose with price_column="):
        week_of(price=price)
    data = week_of(price=price, price_column="price_ore_per_kwh")
    np.testing.assert_allclose(data.price_per_kwh, np.arange(168) / 100)
    with pytest.raises(DataError, match=r"no column 'spot' \(price_column\)"):
        week_of(price=price, price_column="spot")
    load = column_frame("load_kw", 15, [1] * 672)
    load["load_kwh"] = 0.25
    with pytest.raises(DataError, match=r"several load columns, .*choose with load_columns="):
        week_of(load=load)
    warm = column_frame("outdoor_c", 60, np.arange(168) / 10)
    warm["indoor_c"] = 21.0
    with pytest.raises(
        DataError, match=r"several temperature columns, \['outdoor_c', 'indoor_c'\]"
    ):
        week_of(temperature=warm)
    assert week_of(temperature=warm, temperature_column="outdoor_c").temperature_c[10] == 1.0


def light(**columns: Any) -> pd.DataFrame:
    """A week of irradiance, W/m2."""
    parts = [column_frame(name, 60, np.full(168, value)) for name, value in columns.items()]
    return pd.concat(parts, axis=1)


def test_irradiance_columns() -> None:
    frame = light(t_c=5.0, roof_DHI_w_per_m2=30.0, cloud_pct=8.0, ghi_w_per_m2=80.0)
    data = week_of(irradiance=frame)
    assert (data.ghi_w_per_m2[7], data.dhi_w_per_m2[7], data.dni_w_per_m2) == (80.0, 30.0, None)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"ghi": 1.0},
            r"no known irradiance unit in \['ghi'\]; allowed is a name that ends in ghi_",
        ),
        ({"poa_w_per_m2": 1.0}, "no known irradiance unit"),
        ({"ghi_kw_per_m2": 1.0}, "no known irradiance unit"),
        (
            {"dhi_w_per_m2": 1.0},
            r"given by \['dhi_w_per_m2'\]; allowed are GHI, GHI with DHI, or both",
        ),
        (
            {"ghi_w_per_m2": 2.0, "dni_w_per_m2": 1.0},
            r"given by .*'dni_w_per_m2'\]; allowed are GHI",
        ),
        ({"ghi_w_per_m2": 1.0, "b_ghi_w_per_m2": 1.0}, "'b_ghi_w_per_m2'] name one irradiance twi"),
    ],
)
def test_irradiance_columns_refused(columns: dict[str, float], message: str) -> None:
    with pytest.raises(DataError, match=f"irradiance frame, names of the columns: .*{message}"):
        week_of(irradiance=light(**columns))


@pytest.mark.parametrize("name", ["ghi", "dhi", "dni"])
def test_plausible_irradiance(name: str) -> None:
    frame = light(ghi_w_per_m2=1500.0, dhi_w_per_m2=0.0, dni_w_per_m2=1500.0)
    assert week_of(irradiance=frame).weeks == 1
    for value in (-0.5, 1500.5):
        wrong = frame.copy()
        wrong.loc[wrong.index[5], f"{name}_w_per_m2"] = value
        where = rf"irradiance frame, row 5 \(.*Z\): {name}_w_per_m2 = {value} is .* 0 to 1500 W/m2"
        with pytest.raises(DataError, match=where):
            week_of(irradiance=wrong)
