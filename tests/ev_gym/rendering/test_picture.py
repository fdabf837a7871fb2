"""Pictures show the history's numbers, and the future as far as the observation tells it."""

from __future__ import annotations

import re
import warnings
from typing import Any

import gymnasium as gym
import matplotlib as mpl
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import ev_gym
from ev_gym.env import EVChargingEnv
from ev_gym.rendering.picture import picture
from ev_gym.rendering.scene import Scene, current_scene
from tests.support.one_day import A_DAY, STOCKHOLM_DAY, VILLA_DAY


@pytest.fixture(autouse=True)
def _without_screen() -> Any:
    with mpl.rc_context():
        mpl.use("Agg")
        yield
        from matplotlib import pyplot

        pyplot.close("all")


def env_after(scenario: Any, steps: int, level: float = 1.0, **reset: Any) -> EVChargingEnv:
    """An env some steps into an episode, every car asking for `level` of its power."""
    env = EVChargingEnv(scenario, render_mode="rgb_array")
    env.reset(seed=reset.pop("seed", 3), options=reset or None)
    for _ in range(steps):
        env.step(np.full(env.action_space.shape, level, np.float32))
    return env


def picture_of(env: EVChargingEnv) -> Figure:
    return picture(env.simulator, env.history)


def scene_of(env: EVChargingEnv) -> Scene:
    return current_scene(env.simulator, env.history)


def artist_of(figure: Figure, gid: str) -> Any:
    """The one artist of that name."""
    (artist,) = figure.findobj(lambda artist: artist.get_gid() == gid)
    return artist


def absent(figure: Figure, gid: str) -> bool:
    return not figure.findobj(lambda artist: artist.get_gid() == gid)


def spans(bars: Any) -> list[tuple[float, float]]:
    """Start and end of each bar of a `broken_barh`, in hours."""
    corners = [path.vertices[:, 0] for path in bars.get_paths()]
    return [(float(x.min()), float(x.max())) for x in corners]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(mpl.text.Text)]


TWO_CARS = {**A_DAY, "vehicles": [{}, {"name": "second", "wanted_soc": 0.9}], "days": 2}


@pytest.mark.parametrize(
    ("scenario", "steps"), [("classic", 40), (STOCKHOLM_DAY, 96), (TWO_CARS, 150)]
)
def test_the_past_is_the_history(scenario: Any, steps: int) -> None:
    env = env_after(scenario, steps)
    figure, history = picture_of(env), env.history
    cars, start_h = len(env.scenario.vehicles), history["now_min"].to_numpy() / 60.0

    price = artist_of(figure, "price_per_kwh")
    np.testing.assert_array_equal(price.get_ydata()[:-1], history["price_per_kwh"])
    np.testing.assert_array_equal(price.get_xdata()[:-1], start_h)
    assert price.get_xdata()[-1] == pytest.approx(start_h[-1] + env.scenario.step_h)
    assert price.get_drawstyle() == "steps-post"

    below = np.zeros(steps)
    for k, name in enumerate(["load_kw", *(f"charge_kw_{k}" for k in range(cars))]):
        column = name if name in history or cars > 1 else "charge_kw"
        values, edges_h, baseline = artist_of(figure, name).get_data()
        np.testing.assert_allclose(values - baseline, history[column], atol=1e-12)
        np.testing.assert_allclose(baseline, below, atol=1e-12)
        np.testing.assert_array_equal(edges_h[:-1], start_h)
        below = below + history[column].to_numpy()
        assert k == 0 or history[column].max() > 3.0  # the cars did charge
    np.testing.assert_allclose(below, history["grid_kw"], atol=1e-9)

    for k in range(cars):
        soc = history["soc" if cars == 1 else f"soc_{k}"]
        line = artist_of(figure, f"soc_{k}")
        np.testing.assert_array_equal(line.get_ydata()[1:], soc)
        np.testing.assert_array_equal(line.get_xdata()[:-1], start_h)
    assert artist_of(figure, "limit_kw").get_ydata()[0] == env.scenario.household.limit_kw


@pytest.mark.parametrize(("start", "kw"), [("2025-07-07T07:45", 9.0), ("2025-07-07T08:00", 4.6)])
def test_the_contract_of_the_coming_step_is_the_limit(start: str, kw: float) -> None:
    """By day 4.6 kW, which hold from eight on; before, the lower of 14 kW and the contract."""
    contracts = [{"kw": 9.0}, {"kw": 4.6, "from_time": "08:00", "to_time": "20:00"}]
    own = {"tariff": {"contracts": contracts}, "days": 1, "start_hour": 0}
    env = EVChargingEnv(own, render_mode="rgb_array")
    env.reset(seed=3, options={"start": start})
    assert current_scene(env.simulator, env.history).limit_kw == kw


def test_sun_discharging_and_what_is_sold() -> None:
    """Sun and charging above zero, below it what cars give and what is fed into the grid."""
    env = EVChargingEnv(VILLA_DAY, render_mode="rgb_array")
    env.reset(seed=3, options={"start": "2025-07-05", "soc": 0.6})
    for step in range(90):
        action = [(1.0, -1.0), (-1.0, 1.0)][step // 6 % 2]
        observation, *_ = env.step(np.array(action, np.float32))
    figure, history = picture_of(env), env.history
    values = {name: artist_of(figure, name).get_data().values for name in ("pv_kw", "sold_kw")}
    np.testing.assert_array_equal(values["pv_kw"], history["pv_kw"])
    np.testing.assert_array_equal(values["sold_kw"], history["grid_kw"].clip(upper=0.0))
    above, below = history["load_kw"].to_numpy(), np.zeros(90)
    for k in range(2):
        own = history[f"charge_kw_{k}"].to_numpy()
        up, down = (
            artist_of(figure, f"{name}_kw_{k}").get_data() for name in ("charge", "discharge")
        )
        np.testing.assert_allclose(up.baseline, above, atol=1e-12)
        np.testing.assert_allclose(up.values - up.baseline, own.clip(min=0.0), atol=1e-12)
        np.testing.assert_allclose(down.baseline, below, atol=1e-12)
        np.testing.assert_allclose(down.values - down.baseline, own.clip(max=0.0), atol=1e-12)
        above, below = up.values, down.values
    np.testing.assert_allclose(above + below - history["pv_kw"], history["grid_kw"], atol=1e-9)
    assert below.min() < -1.0
    fields = {field.name: field.slice for field in ev_gym.observation_fields("stockholm-villa")}
    assert artist_of(figure, "next_pv").get_ydata()[0] == observation[fields["pv_kw"]][0] > 0.0
    assert figure.axes[1].get_ylim()[0] < min(below.min(), values["sold_kw"].min())
    assert {"sun (area)", "fed into the grid (line)"} <= set(texts(figure))

    plain = picture_of(env_after(STOCKHOLM_DAY, 30))
    assert all(absent(plain, gid) for gid in ("pv_kw", "sold_kw", "discharge_kw_0", "next_pv"))
    assert plain.axes[1].get_ylim()[0] == 0.0


def test_the_state_of_charge_begins_where_the_episode_did() -> None:
    soc = artist_of(picture_of(env_after("classic", 2, soc=[0.35])), "soc_0").get_ydata()
    assert soc[0] == pytest.approx(0.35, abs=1e-12)
    assert soc[1] - soc[0] == pytest.approx(7.4 / 4 / 46.3)  # a quarter-hour at 7.4 kW


def test_plugged_spans_are_the_steps_of_the_history() -> None:
    env = env_after({**A_DAY, "days": 3}, 260, 0.5)
    history = env.history
    covered = np.zeros(len(history), bool)
    middle_h = history["now_min"].to_numpy() / 60.0 + env.scenario.step_h / 2
    shown = scene_of(env)
    for start, end in spans(artist_of(picture_of(env), "plugged_0")):
        covered |= (middle_h > start) & (middle_h < end)
    recent = middle_h > shown.edges_h[0]
    assert 0 < covered[recent].sum() < recent.sum()
    np.testing.assert_array_equal(covered[recent], history["plugged"].to_numpy()[recent] > 0)


@pytest.mark.parametrize(
    ("price_window", "first", "last", "slot_h"),
    [("market", "price_m0000", "price_m2145", 0.25), ("hourly", "price_h00", "price_h35", 1.0)],
)
def test_prices_ahead_are_those_of_the_observation(
    price_window: str, first: str, last: str, slot_h: float
) -> None:
    scenario = {**STOCKHOLM_DAY, "price_window": price_window, "time_step_min": 5}
    env = env_after(scenario, 0)
    for _ in range(28):
        observation, *_ = env.step(np.zeros(1, np.float32))
    fields = {field.name: field.slice for field in ev_gym.observation_fields(scenario)}
    window = observation[fields[first].start : fields[last].stop]
    figure = picture_of(env)
    published, assumed = artist_of(figure, "known"), artist_of(figure, "assumed")
    known = round((34.0 if slot_h == 1.0 else 33.75) / slot_h)  # to the end of tomorrow
    np.testing.assert_array_equal(published.get_ydata()[:-1], window[:known])
    np.testing.assert_array_equal(assumed.get_ydata()[:-1], window[known:])
    now_h = float(env.simulator.households["now_min"][0]) / 60
    assert published.get_xdata()[0] == now_h  # 14:20, a slot already begun
    begun_h = slot_h * np.floor(now_h / slot_h)
    edges_h = begun_h + slot_h * (1 + np.arange(known))
    np.testing.assert_array_equal(published.get_xdata()[1:], edges_h)
    assert assumed.get_xdata()[0] == published.get_xdata()[-1]
    assert assumed.get_linestyle() == "--"
    assert to_hex(assumed.get_color()) != to_hex(published.get_color())
    assert artist_of(figure, "next").get_ydata()[0] == observation[fields["load_kw"]][0]


def test_the_plan_is_that_of_the_car_at_the_charger() -> None:
    daily = {**A_DAY, "driving": {"pattern": "daily"}}
    env = env_after({**daily, "vehicles": [{"wanted_soc": 0.9}]}, 24)
    figure = picture_of(env)  # 18:00; it came at 17:00 and leaves at 7:00
    marker, now_h = artist_of(figure, "plan_0"), scene_of(env).edges_h[-1]
    assert (marker.get_xdata()[0] - now_h, marker.get_ydata()[0]) == (13.0, pytest.approx(0.9))
    assert spans(artist_of(figure, "stay_0")) == [(now_h, now_h + 13.0)]
    assert any("wants 90%" in text and "07:00" in text for text in texts(figure))

    away = picture_of(env_after(daily, 4))
    assert absent(away, "plan_0")
    assert any(text.endswith("away") for text in texts(away))


def test_a_departure_beyond_the_picture_is_marked_at_its_edge() -> None:
    at_noon = {"pattern": "daily", "arrival_h": 12.0}
    env = env_after({**A_DAY, "price_window_h": 2, "driving": at_noon}, 0)
    env.simulator.vehicles["departure_min"][0, 0] += 3 * 1440
    figure = picture_of(env)
    marker = artist_of(figure, "plan_0")
    assert marker.get_marker() == ">"
    assert marker.get_xdata()[0] == scene_of(env).right_h


def test_the_title_says_where_when_and_what_it_cost() -> None:
    env = env_after(STOCKHOLM_DAY, 96, start="2025-03-11")
    cost = -env.history["reward"].sum()
    assert cost > 1.0
    title = scene_of(env).title
    assert title == f"stockholm, Wed 12 Mar 2025 12:00, cost so far {cost:.2f} SEK"
    weighted = env_after({"reward_weights": {"missing": 2.0}}, 0)
    assert scene_of(weighted).title.endswith("weighted cost so far 0.00 SEK")


def test_a_picture_at_reset() -> None:
    env = env_after("classic", 0)
    figure = picture_of(env)
    assert absent(figure, "price_per_kwh")
    assert artist_of(figure, "soc_0").get_ydata().tolist() == [pytest.approx(0.2)]
    assert artist_of(figure, "soc_0").get_marker() == "."
    assert artist_of(figure, "plan_0").get_ydata()[0] == pytest.approx(0.8)


def test_rendering_before_the_first_reset_is_refused() -> None:
    with pytest.raises(gym.error.ResetNeeded, match="before render"):
        EVChargingEnv("classic", render_mode="rgb_array").render()


def test_a_long_run_shows_its_last_48_hours() -> None:
    env = env_after({**A_DAY, "days": 365, "time_step_min": 60}, 1000)
    figure, history = picture_of(env), env.history
    np.testing.assert_array_equal(
        artist_of(figure, "price_per_kwh").get_ydata()[:-1], history["price_per_kwh"].iloc[-48:]
    )
    np.testing.assert_array_equal(
        artist_of(figure, "soc_0").get_ydata(), history["soc"].iloc[-49:].to_numpy()
    )
    left, right = figure.axes[-1].get_xlim()
    assert (left * 60, right - left) == (history["now_min"].iloc[-48], 48 + 36)


@pytest.mark.parametrize(
    ("start", "sunday", "elapsed"), [("2025-03-29", "Sun 30", 23), ("2025-10-25", "Sun 26", 25)]
)
def test_the_local_clock_when_summer_time_changes(start: str, sunday: str, elapsed: int) -> None:
    ticks = scene_of(env_after(STOCKHOLM_DAY, 0, start=start)).ticks
    midnights = [place for place, label in ticks if "\n" in label]
    assert [label for _, label in ticks][:4] == ["12", "18", ticks[2][1], "06"]
    assert ticks[2][1].startswith(f"00\n{sunday}")
    assert midnights[1] - midnights[0] == elapsed


def test_pictures_change_with_a_step_and_not_with_the_env() -> None:
    one, other = env_after(STOCKHOLM_DAY, 30), env_after(STOCKHOLM_DAY, 30)
    picture = one.render()
    assert picture is not None
    assert (picture.shape, picture.dtype) == ((640, 960, 3), np.uint8)
    assert picture.tobytes() == other.render().tobytes()
    one.step(np.zeros(1, np.float32))
    assert picture.tobytes() != one.render().tobytes()
    assert env_after(STOCKHOLM_DAY, 30, seed=6).render().tobytes() != picture.tobytes()


def test_a_picture_leaves_the_state_and_the_style_alone() -> None:
    env, style = env_after(STOCKHOLM_DAY, 30), dict(mpl.rcParams)
    before = env.get_state()
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "black"}):
        odd = env.render()
    assert env.get_state() == before
    assert dict(mpl.rcParams) == style
    assert odd.tobytes() == env.render().tobytes()


def test_every_panel_has_a_now_line_and_units() -> None:
    env = env_after(STOCKHOLM_DAY, 30)
    figure, now_h = picture_of(env), scene_of(env).edges_h[-1]
    lines = figure.findobj(lambda artist: artist.get_gid() == "now")
    assert [line.get_xdata()[0] for line in lines] == [now_h] * 3
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["price (SEK/kWh)", "power (kW)", "state of charge"]


@pytest.mark.parametrize("preset", ["stockholm", "stockholm-villa"])
def test_eight_cars_fit(preset: str) -> None:
    cars = {"preset": preset, **A_DAY, "vehicles": [{}] * 8}
    figure = picture_of(env_after(cars, 40, start="2025-07-18"))
    colors = {to_hex(artist_of(figure, f"soc_{k}").get_color()) for k in range(8)}
    assert len(colors) == 8
    box = figure.bbox
    undrawn = {
        label
        for axes in figure.axes
        for label, y in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)
        if y > axes.get_ylim()[1]
    }
    for text in set(figure.findobj(mpl.text.Text)) - undrawn:
        extent = text.get_window_extent()
        if text.get_text():
            assert extent.x1 <= box.x1, text
            assert extent.y1 <= box.y1, text
    names = [text.get_window_extent() for text in figure.axes[1].texts]
    assert len(names) == (10 if preset == "stockholm" else 12)
    assert all(not box.overlaps(other) for i, box in enumerate(names) for other in names[:i])
    assert min(box.y0 for box in names) > figure.axes[1].get_window_extent().y0 - 10


def test_a_window_without_a_screen() -> None:
    env = EVChargingEnv("classic", render_mode="human")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env.reset(seed=1)
        window = env._window
        assert window.is_open
        env.step(np.ones(1, np.float32))
        assert env._window is window
        assert artist_of(window.figure, "price_per_kwh").get_ydata().size == 2
        window.close()  # as its user may
        env.step(np.ones(1, np.float32))
        assert env._window is not window
        assert env._window.is_open
        last = env._window
        env.close()
    assert not last.is_open
    assert env._window is None


@pytest.mark.parametrize("scenario", ["classic", "stockholm"])
def test_gymnasium_accepts_the_pictures(scenario: str) -> None:
    env = gym.make("EVCharging-v0", scenario=scenario, render_mode="rgb_array")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped, skip_render_check=False)
    assert env.metadata["render_fps"] == 8


def test_record_video(tmp_path: Any) -> None:
    pytest.importorskip("moviepy", reason="RecordVideo needs moviepy, which is not installed")
    env = gym.make("EVCharging-v0", scenario="classic", render_mode="rgb_array")
    video = gym.wrappers.RecordVideo(env, str(tmp_path / "videos"), disable_logger=True)
    video.reset(seed=1)
    for _ in range(3):
        video.step(np.ones(1, np.float32))
    assert len(video.recorded_frames) == 4
    assert re.match(r"\(640, 960, 3\)", str(video.recorded_frames[0].shape))
    video.close()
    assert [path.suffix for path in (tmp_path / "videos").iterdir()] == [".mp4"]
