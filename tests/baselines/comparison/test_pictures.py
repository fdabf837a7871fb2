"""Pictures of a comparison: what is drawn are the numbers of the tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from baselines import plot_style
from baselines.comparison import pictures
from baselines.comparison.sums import ChargedEnergy
from baselines.one_run.picture import battery
from ev_gym.env import EVChargingEnv
from ev_gym.simulation.state_fields import REWARD_TERMS
from tests.support.drawn_steps import artists, bar_widths, steps, texts

TERMS = list(REWARD_TERMS)
MONEY = {  # the terms in their order, settlement, half the interval's width
    "uncontrolled": (9.0, 2.0, 0.4, 0.0, 0.1, 0.0, 0.7, 1.0),
    "price_based": (5.0, 1.0, 0.3, 0.4, 0.2, 0.0, -0.1, 0.5),
    "own_idea": (-1.0, 0.0, 0.5, 3.0, 0.0, 0.5, 0.0, 0.25),
}


def summary(scenario: str = "one", scale: float = 1.0, currency: str = "SEK") -> pd.DataFrame:
    frame = pd.DataFrame(
        [(name, *values) for name, values in MONEY.items()],
        columns=["policy", *TERMS, "settlement", "half"],
    )
    frame[[*TERMS, "settlement", "half"]] *= scale
    frame.insert(0, "scenario", scenario)
    frame["currency"], frame["per"] = currency, "day"
    frame["cost"] = frame[TERMS].sum(axis=1) - frame["settlement"]
    frame["cost_low"] = frame["cost"] - frame["half"]
    frame["cost_high"] = frame["cost"] + 2 * frame["half"]
    frame["cost_per_year"] = 365 * frame["cost"]
    frame["missing_kwh"] = frame["missing"] / 5.0
    return frame.drop(columns="half")


def everything(folder: Path) -> dict[str, Callable[[], Figure]]:
    """A picture of each kind."""
    env = EVChargingEnv("classic")
    env.reset(seed=1)
    for _ in range(30):
        env.step(np.ones(1, np.float32))
    path = folder / "picture.png"
    return {
        "bills": lambda: pictures.bills(summary(), path),
        "cost_against_missing": lambda: pictures.cost_against_missing(summary(), path),
        "week": lambda: pictures.week(steps(), path),
        "heat_map": lambda: pictures.heat_map(heats(), path),
        "regret": lambda: pictures.regret(with_bound(), path),
        "battery": lambda: battery(env.history, env.scenario, path),
    }


@pytest.mark.parametrize(
    "kind", ["bills", "cost_against_missing", "week", "heat_map", "regret", "battery"]
)
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
    figure = pictures.bills(summary(), tmp_path / "bills.png")
    (axes,) = figure.axes
    order = [label.get_text() for label in axes.get_yticklabels()]
    assert order == ["uncontrolled", "price_based", "own_idea"]  # bottom to top, cheapest on top
    rows = summary().set_index("policy").loc[order]
    for term in TERMS:
        assert bar_widths(axes, term) == pytest.approx(list(rows[term]))
    assert bar_widths(axes, "settlement") == pytest.approx(list(-rows["settlement"]))
    (total,) = artists(axes, "cost")
    assert list(total.get_xdata()) == pytest.approx(list(rows["cost"]))
    (interval,) = artists(axes, "interval")
    ends = [(line[0][0], line[1][0]) for line in interval.get_segments()]
    expected = list(zip(rows["cost_low"], rows["cost_high"], strict=True))
    np.testing.assert_allclose(ends, expected)
    assert "7.00 a day, 2555 a year" in texts(axes)
    assert axes.get_xlabel() == "SEK per day"


def test_bars_of_either_sign_stand_on_each_other(tmp_path: Path) -> None:
    (axes,) = pictures.bills(summary(), tmp_path / "bills.png").axes
    edges = []
    for term in [*TERMS, "settlement"]:
        bar = artists(axes, term)[1]  # price_based: all positive, the settlement is a cost
        edges.append((bar.get_x(), bar.get_x() + bar.get_width()))
    assert edges[0][0] == 0.0
    assert [end for _, end in edges[:-1]] == pytest.approx([begin for begin, _ in edges[1:]])
    assert edges[-1][1] == pytest.approx(7.0)
    earned, wear = (artists(axes, TERMS[i])[2] for i in (0, 2))  # own_idea: energy earned money
    assert (earned.get_x(), earned.get_width()) == (0.0, -1.0)
    assert (wear.get_x(), wear.get_width()) == (0.0, 0.5)
    stored = artists(axes, "settlement")[0]  # uncontrolled: worth, left of all its costs
    assert (stored.get_x(), stored.get_width()) == (0.0, pytest.approx(-0.7))


def test_all_words_of_the_bills_are_inside_the_picture(tmp_path: Path) -> None:
    figure = pictures.bills(summary(scale=10.0), tmp_path / "bills.png")
    (axes,) = figure.axes
    assert "70.00 a day, 25550 a year" in texts(axes)
    FigureCanvasAgg(figure).draw()  # measures at the figure's own resolution
    assert max(text.get_window_extent().x1 for text in axes.texts) < figure.bbox.x1 - 5


def test_a_legend_names_only_what_is_on_the_bill(tmp_path: Path) -> None:
    without = summary().assign(overload=0.0)
    words = texts(pictures.bills(without, tmp_path / "bills.png").legends[0])
    assert "overload" not in words
    assert {
        "energy from the grid", "power charge", "battery wear", "missing at departure",
        "total, 95 % interval",
    } <= set(words)  # fmt: skip
    assert "overload" in texts(pictures.bills(summary(), tmp_path / "bills.png").legends[0])


def test_a_panel_for_each_scenario(tmp_path: Path) -> None:
    both = pd.concat([summary("one"), summary("two", 0.1, "EUR")], ignore_index=True)
    bills = pictures.bills(both, tmp_path / "bills.png").axes
    assert [axes.get_title(loc="left") for axes in bills] == [
        "Cost of charging, one",
        "Cost of charging, two",
    ]
    assert [axes.get_xlabel() for axes in bills] == ["SEK per day", "EUR per day"]
    assert bar_widths(bills[1], "energy") == pytest.approx([0.9, 0.5, -0.1])
    scatter = pictures.cost_against_missing(both, tmp_path / "cost.png").axes
    assert len(scatter) == 2
    assert artists(scatter[1], "price_based")[0].get_ydata()[0] == pytest.approx(0.66)
    assert "EUR" in scatter[1].get_ylabel()


def test_one_policy_alone_and_nothing_to_pay(tmp_path: Path) -> None:
    alone = summary().query("policy == 'price_based'")
    numbers = alone.select_dtypes("number").columns
    free = alone.assign(**dict.fromkeys(numbers, 0.0))
    for frame in (alone, free):
        (axes,) = pictures.bills(frame, tmp_path / "bills.png").axes
        assert bar_widths(axes, "energy") == pytest.approx(list(frame["energy"]))
        pictures.cost_against_missing(frame, tmp_path / "cost.png")
    pictures.heat_map(heats()[2:], tmp_path / "heat.png")
    pictures.week(steps().query("policy == 'late'").assign(charge_kw=0.0), tmp_path / "week.png")


def test_points_stand_at_money_and_missing_energy(tmp_path: Path) -> None:
    figure = pictures.cost_against_missing(summary(), tmp_path / "cost.png")
    for row in summary().itertuples():
        (point,) = artists(figure, row.policy)
        place = (point.get_xdata()[0], point.get_ydata()[0])
        others = row.cost - row.missing
        assert place == pytest.approx((row.missing_kwh, others))
        assert to_hex(point.get_color()) == plot_style.policy_color(row.policy).lower()
    assert set(MONEY) <= set(texts(figure))


def test_names_of_points_do_not_meet(tmp_path: Path) -> None:
    crowd = pd.concat([summary()] * 4, ignore_index=True).head(10)
    crowd["policy"] = [f"policy_{i}" for i in range(10)]
    crowd["cost"] = 5.0 + 0.001 * np.arange(10) + crowd["missing"]
    crowd["missing_kwh"] = [0.0] * 5 + [2.0] * 5
    figure = pictures.cost_against_missing(crowd, tmp_path / "cost.png")
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
    bill = {color for _, _, color, _ in pictures.TERMS}
    assert not bill & {*colors, *plot_style.OTHER_COLORS}


# Colours as people without one kind of cone see them: linear RGB to linear RGB, severity 1
# (Machado, Oliveira and Fernandes 2009, doi:10.1109/TVCG.2009.113).
EYES = {
    "usual": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]


def lab(color: str, eyes: Any) -> Any:
    """CIELAB of a colour as those eyes see it (sRGB, D65)."""
    srgb = np.array(mpl.colors.to_rgb(color))
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    xyz = XYZ @ np.clip(np.array(eyes) @ linear, 0.0, 1.0) / [0.9505, 1.0, 1.089]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eyes", EYES)
def test_everybody_tells_the_parts_of_a_bill_apart(eyes: str) -> None:
    """A distance of 2.3 in CIELAB is just noticed; here it is more than six times that."""
    assert {column for column, *_ in pictures.TERMS} == {*TERMS, "settlement"}
    seen = [lab(color, EYES[eyes]) for _, _, color, _ in pictures.TERMS]
    for i, one in enumerate(seen):
        for other in seen[:i]:
            assert np.linalg.norm(one - other) > 15.0


def heats(scenario: str = "one") -> list[ChargedEnergy]:
    """`early` at noon in the two cheapest hours, `late` at 23 in a dear one, `idle` nowhere."""
    early, late = np.zeros((24, 24)), np.zeros((24, 24))
    early[0, 0], early[1, 0], late[20, 11] = 3.0, 1.0, 8.0
    own = {"early": early, "late": late, "idle": np.zeros((24, 24))}
    return [ChargedEnergy(scenario, policy, 12, energy) for policy, energy in own.items()]


def test_the_heat_map_shows_shares_and_says_how_much_is_cheap(tmp_path: Path) -> None:
    figure = pictures.heat_map(heats(), tmp_path / "heat.png")
    for heat in heats():
        share = heat.energy_kwh / (heat.energy_kwh.sum() or 1.0)
        np.testing.assert_allclose(artists(figure, f"one {heat.policy}")[0].get_array(), share)
    assert [text for text in texts(figure) if "cheapest hours" in text] == [
        "100% in the 8 cheapest hours",
        "0% in the 8 cheapest hours",
        "0% in the 8 cheapest hours",
    ]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == [
        "12", "18", "00", "06", "12",
    ]  # fmt: skip


def test_many_policies_stand_in_rows(tmp_path: Path) -> None:
    many = [ChargedEnergy("one", f"policy {i}", 12, np.ones((24, 24))) for i in range(8)]
    figure = pictures.heat_map([*many, *heats("two")], tmp_path / "heat.png")
    boxes = {i: artists(figure, f"one policy {i}")[0].axes.get_position() for i in range(8)}
    assert boxes[0].y0 == pytest.approx(boxes[3].y0)  # four and four
    assert boxes[4].y1 < boxes[0].y0
    assert boxes[4].x0 == pytest.approx(boxes[0].x0)
    shown = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert len(shown) == 8 + 3
    assert all(axes.get_visible() for axes in shown)


def test_scenarios_with_other_zones_and_cars(tmp_path: Path) -> None:
    table = pd.concat(
        [steps("one"), steps("two", "UTC", cars=2).query("policy == 'late'")], ignore_index=True
    )
    week = pictures.week(table, tmp_path / "week.png")
    assert len(artists(week, "soc_0")) == 2
    assert not artists(week, "soc_1")


def with_bound() -> pd.DataFrame:
    """The summary with a bound of -3 a day below all costs."""
    frame = summary().assign(bound=-3.0)
    for part in ("", "_low", "_high"):
        frame[f"regret{part}"] = frame[f"cost{part}"] + 3.0
    most = frame["regret"].iloc[0]
    return frame.assign(regret_percent=100 * frame["regret"] / most)


def test_the_bound_is_a_line_that_no_bill_crosses(tmp_path: Path) -> None:
    figure = pictures.bills(with_bound(), tmp_path / "bills.png")
    (line,) = artists(figure, "bound")
    assert list(line.get_xdata()) == [-3.0, -3.0]
    assert figure.axes[0].get_xlim()[0] < -3.0
    assert "lower bound" in texts(figure.legends[0])
    bare = pictures.bills(summary(), tmp_path / "bills.png")
    assert not artists(bare, "bound")
    assert "lower bound" not in texts(bare.legends[0])


def test_a_year_is_written_only_where_it_is_known(tmp_path: Path) -> None:
    frame = summary()
    frame.loc[frame["policy"] == "price_based", "cost_per_year"] = np.nan
    words = texts(pictures.bills(frame, tmp_path / "bills.png"))
    assert "7.00 a day" in words
    assert [word for word in words if "a year" in word] == [
        "10.80 a day, 3942 a year", "3.00 a day, 1095 a year",
    ]  # fmt: skip
    unknown = summary().drop(columns="cost_per_year")
    assert "7.00 a day" in texts(pictures.bills(unknown, tmp_path / "bills.png"))


def test_regret_stands_with_its_interval_and_share(tmp_path: Path) -> None:
    frame = with_bound()
    (axes,) = pictures.regret(frame, tmp_path / "regret.png").axes
    order = [label.get_text() for label in axes.get_yticklabels()]
    assert order == ["uncontrolled", "price_based", "own_idea"]  # bottom to top, least on top
    for place, row in enumerate(frame.set_index("policy").loc[order].itertuples()):
        (point,) = artists(axes, row.Index)
        assert (point.get_xdata()[0], point.get_ydata()[0]) == (row.regret, place)
        (line,) = artists(axes, f"interval {row.Index}")
        ends = line.get_segments()[0][:, 0]
        np.testing.assert_allclose(ends, [row.regret_low, row.regret_high])
    assert "10.00 (72 %)" in texts(axes)
    assert "13.80 (100 %)" in texts(axes)
    bare = pictures.regret(frame.drop(columns="regret_percent"), tmp_path / "regret.png")
    assert "10.00" in texts(bare)


def test_what_is_not_known_is_a_band_from_the_bound_to_the_optimum(tmp_path: Path) -> None:
    frame = with_bound().replace({"policy": {"own_idea": "optimal"}})
    (axes,) = pictures.regret(frame, tmp_path / "regret.png").axes
    (band,) = artists(axes, "unknown")
    width = frame.set_index("policy").loc["optimal", "regret"]
    # A rectangle, or with an old matplotlib a polygon: where it stands, in the axes' own units.
    ends = axes.transData.inverted().transform_bbox(band.get_extents()).intervalx
    assert ends == pytest.approx((0.0, width))
    assert f"shaded, 0 to {width:.2f}: not known" in axes.get_xlabel()
    (without,) = pictures.regret(with_bound(), tmp_path / "regret.png").axes
    assert not artists(without, "unknown")
    assert "not known" not in without.get_xlabel()
