"""Pictures of a comparison: what is drawn are the numbers of the tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.dates import num2date
from matplotlib.figure import Figure

from baselines import plot_style, plots
from baselines.battery_plot import battery
from ev_gym.env import EVChargingEnv
from tests.drawings import bar_widths, drawn, texts

TERMS = ["energy_per_day", "missing_per_day", "public_per_day", "overload_per_day"]
MONEY = {  # energy, missing, public, overload, settlement, half the interval's width
    "uncontrolled": (9.0, 0.0, 0.1, 0.0, 0.7, 1.0),
    "price_based": (5.0, 0.4, 0.2, 0.0, -0.1, 0.5),
    "own_idea": (-1.0, 3.0, 0.0, 0.5, 0.0, 0.25),
}


def summary(scenario: str = "one", scale: float = 1.0, currency: str = "SEK") -> pd.DataFrame:
    frame = pd.DataFrame(
        [(name, *values) for name, values in MONEY.items()],
        columns=["policy", *TERMS, "settlement_per_day", "half"],
    )
    frame[[*TERMS, "settlement_per_day", "half"]] *= scale
    frame.insert(0, "scenario", scenario)
    frame["currency"] = currency
    frame["cost_per_day"] = frame[TERMS].sum(axis=1) - frame["settlement_per_day"]
    frame["cost_per_day_low"] = frame["cost_per_day"] - frame["half"]
    frame["cost_per_day_high"] = frame["cost_per_day"] + 2 * frame["half"]
    frame["cost_per_year"] = 365 * frame["cost_per_day"]
    frame["missing_kwh_per_day"] = frame["missing_per_day"] / 5.0
    return frame.drop(columns="half")


def steps(
    scenario: str = "one", zone: str = "Europe/Stockholm", cars: int = 1, days: int = 2
) -> pd.DataFrame:
    """Two policies on two households: hourly steps, prices that rise with the hour from noon on.

    `early` charges 4 kW in the first six hours of each day, `late` 2 kW in the last twelve. Cars
    leave at the end of each day, those of `late` with energy missing.
    """
    frames = []
    start = pd.Timestamp("2023-03-24 12:00", tz=zone)
    time = pd.date_range(start.tz_convert("UTC"), periods=24 * days, freq="h").tz_convert(zone)
    hour = np.arange(24 * days) % 24
    for policy, charge_kw in (("early", 4.0 * (hour < 6)), ("late", 2.0 * (hour >= 12))):
        for household in (0, 1):
            columns: dict[str, Any] = {
                "scenario": scenario, "policy": policy, "seed": 0, "household": household,
                "time": time, "load_kw": 0.5 + 0.1 * household + 0.01 * hour,
                "price_per_kwh": 1.0 + hour + 100.0 * (np.arange(24 * days) // 24),
            }  # fmt: skip
            for k in range(cars):
                end = "" if cars == 1 else f"_{k}"
                columns[f"charge_kw{end}"] = charge_kw / cars
                columns[f"soc{end}"] = 0.2 + 0.02 * hour + 0.1 * k
                columns[f"plugged{end}"] = (hour < 23).astype(float)
                columns[f"topup_kwh{end}"] = (hour == 22) * (policy == "late") * 3.0
            frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def everything(folder: Path) -> dict[str, Callable[[], Figure]]:
    """A picture of each kind."""
    env = EVChargingEnv("classic")
    env.reset(seed=1)
    for _ in range(30):
        env.step(np.ones(1, np.float32))
    path = folder / "picture.png"
    return {
        "bills": lambda: plots.bills(summary(), path),
        "cost_against_missing": lambda: plots.cost_against_missing(summary(), path),
        "week": lambda: plots.week(steps(), path),
        "heat_map": lambda: plots.heat_map(steps(), path),
        "battery": lambda: battery(env.history, env.scenario, path),
    }


@pytest.mark.parametrize("kind", ["bills", "cost_against_missing", "week", "heat_map", "battery"])
def test_the_same_data_give_the_same_bytes(kind: str, tmp_path: Path) -> None:
    draw, path = everything(tmp_path)[kind], tmp_path / "picture.png"
    style = dict(mpl.rcParams)
    draw()
    first = path.read_bytes()
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "black", "savefig.dpi": 30}):
        draw()
    assert path.read_bytes() == first
    assert dict(mpl.rcParams) == style
    assert first.startswith(b"\x89PNG")
    for word in (b"Software", b"matplotlib", b"tIME", b"Creation"):
        assert word not in first
    assert b"pHYs" in first  # 150 dpi, in pixels per metre
    assert int.from_bytes(first[first.index(b"pHYs") + 4 :][:4], "big") == 5906


def test_bars_are_as_long_as_the_bill(tmp_path: Path) -> None:
    figure = plots.bills(summary(), tmp_path / "bills.png")
    (axes,) = figure.axes
    order = [label.get_text() for label in axes.get_yticklabels()]
    assert order == ["uncontrolled", "price_based", "own_idea"]  # bottom to top, cheapest on top
    rows = summary().set_index("policy").loc[order]
    for term in TERMS:
        assert bar_widths(axes, term) == pytest.approx(list(rows[term]))
    assert bar_widths(axes, "settlement_per_day") == pytest.approx(
        list(-rows["settlement_per_day"])
    )
    (total,) = drawn(axes, "cost_per_day")
    assert list(total.get_xdata()) == pytest.approx(list(rows["cost_per_day"]))
    (interval,) = drawn(axes, "interval")
    ends = [(line[0][0], line[1][0]) for line in interval.get_segments()]
    expected = list(zip(rows["cost_per_day_low"], rows["cost_per_day_high"], strict=True))
    np.testing.assert_allclose(ends, expected)
    assert "5.70 a day, 2080 a year" in texts(axes)
    assert axes.get_xlabel() == "SEK per day"


def test_bars_of_either_sign_stand_on_each_other(tmp_path: Path) -> None:
    (axes,) = plots.bills(summary(), tmp_path / "bills.png").axes
    edges = []
    for term in [*TERMS, "settlement_per_day"]:
        bar = drawn(axes, term)[1]  # price_based: all positive, the settlement is a cost
        edges.append((bar.get_x(), bar.get_x() + bar.get_width()))
    assert edges[0][0] == 0.0
    assert [end for _, end in edges[:-1]] == pytest.approx([begin for begin, _ in edges[1:]])
    assert edges[-1][1] == pytest.approx(5.7)
    earned, missing = (drawn(axes, term)[2] for term in TERMS[:2])  # own_idea: energy earned money
    assert (earned.get_x(), earned.get_width()) == (0.0, -1.0)
    assert missing.get_x() == 0.0
    stored = drawn(axes, "settlement_per_day")[0]  # uncontrolled: worth, left of all its costs
    assert (stored.get_x(), stored.get_width()) == (0.0, pytest.approx(-0.7))


def test_a_legend_names_only_what_is_on_the_bill(tmp_path: Path) -> None:
    without = summary().assign(overload_per_day=0.0)
    words = texts(plots.bills(without, tmp_path / "bills.png").legends[0])
    assert "overload" not in words
    assert {"energy from the grid", "missing at departure", "total, 95 % interval"} <= set(words)
    assert "overload" in texts(plots.bills(summary(), tmp_path / "bills.png").legends[0])


def test_a_panel_for_each_scenario(tmp_path: Path) -> None:
    both = pd.concat([summary("one"), summary("two", 0.1, "EUR")], ignore_index=True)
    bills = plots.bills(both, tmp_path / "bills.png").axes
    assert [axes.get_title(loc="left") for axes in bills] == [
        "Cost of charging, one",
        "Cost of charging, two",
    ]
    assert [axes.get_xlabel() for axes in bills] == ["SEK per day", "EUR per day"]
    assert bar_widths(bills[1], "energy_per_day") == pytest.approx([0.9, 0.5, -0.1])
    scatter = plots.cost_against_missing(both, tmp_path / "cost.png").axes
    assert len(scatter) == 2
    assert drawn(scatter[1], "price_based")[0].get_ydata()[0] == pytest.approx(0.5)
    assert "EUR" in scatter[1].get_ylabel()


def test_one_policy_alone_and_nothing_to_pay(tmp_path: Path) -> None:
    alone = summary().query("policy == 'price_based'")
    numbers = alone.select_dtypes("number").columns
    free = alone.assign(**dict.fromkeys(numbers, 0.0))
    for frame in (alone, free):
        (axes,) = plots.bills(frame, tmp_path / "bills.png").axes
        assert bar_widths(axes, "energy_per_day") == pytest.approx(list(frame["energy_per_day"]))
        plots.cost_against_missing(frame, tmp_path / "cost.png")
    idle = steps().query("policy == 'late'").assign(charge_kw=0.0)
    assert (
        drawn(plots.heat_map(idle, tmp_path / "heat.png"), "one late")[0].get_array().sum() == 0.0
    )
    plots.week(idle, tmp_path / "week.png")


def test_points_stand_at_money_and_missing_energy(tmp_path: Path) -> None:
    figure = plots.cost_against_missing(summary(), tmp_path / "cost.png")
    for row in summary().itertuples():
        (point,) = drawn(figure, row.policy)
        place = (point.get_xdata()[0], point.get_ydata()[0])
        assert place == pytest.approx((row.missing_kwh_per_day, row.energy_per_day))
        assert to_hex(point.get_color()) == plot_style.policy_color(row.policy).lower()
    assert set(MONEY) <= set(texts(figure))


def test_names_of_points_do_not_meet(tmp_path: Path) -> None:
    crowd = pd.concat([summary()] * 4, ignore_index=True).head(10)
    crowd["policy"] = [f"policy_{i}" for i in range(10)]
    crowd["energy_per_day"] = 5.0 + 0.001 * np.arange(10)
    crowd["missing_kwh_per_day"] = [0.0] * 5 + [2.0] * 5
    figure = plots.cost_against_missing(crowd, tmp_path / "cost.png")
    # Of the words alone; an annotation's own extent holds its line too.
    boxes = [mpl.text.Text.get_window_extent(text) for text in figure.axes[0].texts]
    assert len(boxes) == 10
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])


def test_colours_depend_on_the_name_alone() -> None:
    colors = list(plot_style.POLICY_COLORS.values())
    assert len(set(colors)) == len(colors)
    assert plot_style.policy_color("price_based") == "#0072B2"
    assert plot_style.policy_color("own_idea") == plot_style.policy_color("own_idea") == "#AA4499"
    bill = {color for _, _, color, _ in plots.TERMS}
    assert not bill & {*colors, *plot_style.OTHER_COLORS}


@pytest.mark.parametrize("cars", [1, 2])
def test_a_week_is_that_of_the_first_household(cars: int, tmp_path: Path) -> None:
    table = steps(cars=cars, days=9)
    figure = plots.week(table, tmp_path / "week.png", "SEK")
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in panels] == ["early", "late"]
    for i, policy in enumerate(("early", "late")):
        own = table[(table["policy"] == policy) & (table["household"] == 0)].head(7 * 24)
        charging, load, price = (
            drawn(figure, gid)[i] for gid in ("charge_kw", "load_kw", "price_per_kwh")
        )
        charge_kw = own.filter(like="charge_kw").sum(axis=1)
        np.testing.assert_allclose(charging.get_data().values, charge_kw)
        np.testing.assert_array_equal(load.get_data().values, own["load_kw"])
        np.testing.assert_array_equal(price.get_data().values, own["price_per_kwh"])
        edges = num2date(charging.get_data().edges, tz="UTC")
        assert edges[0] == own["time"].iloc[0]
        assert edges[-1] == own["time"].iloc[-1] + pd.Timedelta("1h")
        assert to_hex(charging.get_facecolor()) == plot_style.policy_color(policy).lower()
        for k in range(cars):
            soc = drawn(figure, f"soc_{k}")[i]
            np.testing.assert_array_equal(soc.get_ydata(), own["soc" if cars == 1 else f"soc_{k}"])
            assert num2date(soc.get_xdata()[0], tz="UTC") == own["time"].iloc[1]
            leaves, short = (drawn(figure, f"{gid}_{k}")[i] for gid in ("leaves", "short"))
            marked, empty = (leaves, short) if policy == "early" else (short, leaves)
            assert len(empty.get_xdata()) == 0
            at = [moment.hour for moment in num2date(marked.get_xdata(), tz="UTC")]
            assert at == [10] * 7  # 23 h after 11:00 UTC
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels.count("price\n(SEK/kWh)") == labels.count("power\n(kW)") == 2


def test_days_are_marked_at_local_midnight(tmp_path: Path) -> None:
    figure = plots.week(steps(days=7), tmp_path / "week.png")
    lowest = figure.axes[3]
    marks = num2date(lowest.get_xticks(), tz="Europe/Stockholm")
    assert {moment.hour for moment in marks} == {0}  # summer time began on the 26th
    assert [label.get_text() for label in lowest.get_xticklabels()][:2] == [
        "Sat 25 Mar",
        "Sun 26 Mar",
    ]


def test_the_heat_map_ranks_hours_within_their_day() -> None:
    early, late = (steps().query(f"policy == '{policy}'") for policy in ("early", "late"))
    share, first_hour = plots.energy_shares(early)
    expected = np.zeros((24, 24))
    for hour in range(6):  # the price rises with the hour, so the hour is its rank
        expected[hour, hour] = 1 / 6
    np.testing.assert_allclose(share[:, :6].sum(axis=0), np.full(6, 1 / 6))
    np.testing.assert_allclose(share, expected)
    assert first_hour == 12
    share, _ = plots.energy_shares(late)
    np.testing.assert_allclose(share.sum(axis=1), np.r_[np.zeros(12), np.full(12, 1 / 12)])
    # From 02:00 on the 26th the clock is an hour ahead: half the energy of hour 14 stands in 15.
    np.testing.assert_allclose(share[14, 14:16], [1 / 24, 1 / 24])


def test_the_heat_map_takes_quarters_as_parts_of_hours() -> None:
    time = pd.date_range("2023-06-01 00:00", periods=96, freq="15min", tz="Europe/Stockholm")
    hour = np.arange(96) // 4
    frame = pd.DataFrame(
        {"seed": 0, "household": 0, "time": time, "price_per_kwh": 24.0 - hour, "charge_kw": 0.0}
    )
    frame.loc[[4, 5, 95], "charge_kw"] = [3.0, 3.0, 2.0]
    share, first_hour = plots.energy_shares(frame)
    assert first_hour == 0
    assert share[22, 1] == pytest.approx(0.75)  # 01:00, the second dearest
    assert share[0, 23] == pytest.approx(0.25)  # 23:00, the cheapest


def test_the_heat_map_says_how_much_is_cheap(tmp_path: Path) -> None:
    figure = plots.heat_map(steps(), tmp_path / "heat.png")
    mesh = drawn(figure, "one early")[0]
    np.testing.assert_allclose(
        mesh.get_array(), plots.energy_shares(steps().query("policy == 'early'"))[0]
    )
    assert [text for text in texts(figure) if "cheapest hours" in text] == [
        "100% in the 8 cheapest hours",
        "0% in the 8 cheapest hours",
    ]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == [
        "12", "18", "00", "06", "12",
    ]  # fmt: skip


def test_scenarios_with_other_zones_and_cars(tmp_path: Path) -> None:
    table = pd.concat(
        [steps("one"), steps("two", "UTC", cars=2).query("policy == 'late'")], ignore_index=True
    )
    figure = plots.heat_map(table, tmp_path / "heat.png")
    assert drawn(figure, "two late")[0].get_array().sum() == pytest.approx(1.0)
    assert drawn(figure, "two early")[0].get_array().sum() == 0.0  # was not run
    week = plots.week(table, tmp_path / "week.png")
    assert len(drawn(week, "soc_0")) == 2
    assert not drawn(week, "soc_1")
