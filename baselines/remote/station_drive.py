"""`ev-gym drive`: a policy drives a charging station over the classic protocol.

Policies see observations, but the protocol answers only an energy, a clock and a flag. So a local
env of `classic`, the mirror, follows the station: for each quarter-hour that passed there it takes
the step that the station really took, which the station's energy shows. Its observation is then the
station's state, and its history is what happened, also where a decision came too late.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from baselines.foresight import tell_future
from baselines.one_run.run import EpisodeOutcome
from baselines.policies.specs import make_policy
from baselines.remote.station_client import (
    TICK_MIN,
    TICKS_PER_HOUR,
    ClassicClient,
    StationError,
)
from ev_gym.env import EVChargingEnv
from ev_gym.runtime.durations import DAY_H
from ev_gym.scenario import Scenario, preset
from ev_gym.series.of_scenario import CLASSIC_LOADS_KW, CLASSIC_PRICES_ORE, dataset_of

DAY_TICKS = DAY_H * TICKS_PER_HOUR
STATION_PATIENCE_S = 60.0  # how long a station may stay away
# The station rounds its energy to 0.01 kWh; a quarter-hour of charging adds 1.85 kWh.
STATION_ROUNDING_KWH = 0.02
SAME_KWH = 1e-9


class Mirror:
    """The local household of a station, with the policy that sees it.

    Args:
        policy_name: Spec of the policy, see `baselines.policies.specs`.
        prices_ore_per_kwh: The station's 24 hourly prices.
        loads_kw: Its 24 hourly base loads.
        capacity_kwh: Of its battery; None: that of `classic`.
    """

    def __init__(
        self,
        policy_name: str,
        prices_ore_per_kwh: list[float],
        loads_kw: list[float],
        capacity_kwh: float | None,
    ) -> None:
        self.scenario = _scenario(capacity_kwh)
        classic = dataset_of(self.scenario)
        days = classic.weeks * 7
        self.dataset = replace(
            classic,
            price_per_kwh=np.tile(np.array(prices_ore_per_kwh) / 100.0, days),
            load_kw=np.tile(np.repeat(loads_kw, TICKS_PER_HOUR), days)[np.newaxis],
        )
        self.env = EVChargingEnv(self.scenario, dataset=self.dataset)
        self.policy = make_policy(policy_name, self.env)
        self.observation, info = self.env.reset(seed=0)
        self.policy.reset()
        tell_future(self.policy, self.env)
        self.energy_kwh = float(info["energy_kwh"][0])
        self.tick = 0
        self.total_reward = 0.0
        self.settlement = float("nan")

    @property
    def full(self) -> bool:
        """Whether the battery takes no more."""
        return self.scenario.vehicles[0].battery_kwh - self.energy_kwh < STATION_ROUNDING_KWH

    @property
    def outcome(self) -> EpisodeOutcome:
        """The day so far; its settlement is NaN before midnight."""
        return EpisodeOutcome(self.env.history, self.total_reward, self.settlement)

    def decide(self) -> bool:
        """Whether the policy charges in the coming quarter-hour; to be called once in each."""
        fraction = float(self.policy(self.observation)[0])
        return fraction >= 0.5  # `classic` has two levels, and takes the nearer one

    def follow(self, ticks: int, energy_kwh: float, command: bool) -> int:
        """Take the steps that the station took; in how many of them it charged.

        In how many it charged follows from the energy. In which ones follows from the command,
        which holds from some moment on until the end. At a full battery, or where two numbers
        explain the energy equally well, the station is assumed to have obeyed.

        Args:
            ticks: Quarter-hours that passed at the station, perhaps beyond midnight.
            energy_kwh: Stored energy at their end.
            command: Whether the last command was to charge.

        Raises:
            StationError: where no number of them explains the energy; nothing has changed then.
        """
        capacity_kwh = self.scenario.vehicles[0].battery_kwh
        # The teaching server goes on past a full battery.
        station_kwh = min(energy_kwh, capacity_kwh)
        possible_kwh = self.energy_kwh + self._quarter_kwh * np.arange(ticks + 1)
        apart_kwh = np.abs(np.minimum(possible_kwh, capacity_kwh) - station_kwh)
        likely = np.flatnonzero(apart_kwh <= apart_kwh.min() + SAME_KWH)
        if apart_kwh.min() > STATION_ROUNDING_KWH:
            raise StationError(
                f"at {clock(self.tick + ticks)} the station held {energy_kwh} kWh, which cannot "
                f"follow from {self.energy_kwh:.2f} kWh at {clock(self.tick)}: charging adds "
                f"{self._quarter_kwh:.2f} kWh in a quarter-hour. Somebody else restarted its day, "
                "or it is not the classic household"
            )
        charging_ticks = int(likely[-1] if command else likely[0])
        for tick in range(min(ticks, DAY_TICKS - self.tick)):
            self._step(tick >= ticks - charging_ticks if command else tick < charging_ticks)
        return charging_ticks

    @property
    def _quarter_kwh(self) -> float:
        levels_kw = self.scenario.charger.levels_kw
        assert levels_kw is not None  # `classic` has an on-off charger
        return levels_kw[-1] / TICKS_PER_HOUR

    def _step(self, charging: bool) -> None:
        action = np.array([charging], np.float32)
        self.observation, reward, _, over, info = self.env.step(action)
        self.energy_kwh = float(info["energy_kwh"][0])
        self.total_reward += reward
        self.tick += 1
        if over:
            self.settlement = info["settlement"]


def _scenario(capacity_kwh: float | None) -> Scenario:
    classic = preset("classic")
    if capacity_kwh is None:
        return classic
    return replace(classic, vehicles=(replace(classic.vehicles[0], battery_kwh=capacity_kwh),))


def clock(tick: int) -> str:
    """The time of day of a quarter-hour, such as 13:45; the one after the last is 24:00."""
    hour, quarter = divmod(tick, TICKS_PER_HOUR)
    return f"{hour if tick == DAY_TICKS else hour % DAY_H:02d}:{TICK_MIN * quarter:02d}"


class Drive:
    """One day on which a policy drives a station.

    Args:
        station: The station.
        policy_name: Spec of the policy, see `baselines.policies.specs`.
        say: Called with a line on each decision, and at least one an hour.
        poll_s: Seconds between two requests for the station's state.
        sleep: Called with `poll_s`; tests pass their own.
    """

    def __init__(
        self,
        station: ClassicClient,
        policy_name: str,
        say: Callable[[str], object],
        poll_s: float,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.station = station
        self.policy_name = policy_name
        self.say = say
        self.poll_s = poll_s
        self.sleep = sleep
        # A first step loads compiled code: let that be before the station's clock starts.
        trial = self._mirror_of_classic()
        trial.decide()
        trial.follow(1, trial.energy_kwh, False)
        self.mirror = self._mirror_of_classic()

    def _mirror_of_classic(self) -> Mirror:
        return Mirror(self.policy_name, list(CLASSIC_PRICES_ORE), list(CLASSIC_LOADS_KW), None)

    def run(self) -> None:
        """Restart the station's day, drive it to midnight, and leave charging off.

        `mirror.outcome` is the day so far, also after an error.

        Raises:
            RemoteError: the station refuses something or stays away.
            StationError: it answers or does something that it should not.
        """
        station = self.station
        station.restart()
        prices, loads = station.prices_ore_per_kwh(), station.loads_kw()
        mirror = self.mirror = Mirror(self.policy_name, prices, loads, station.state().capacity_kwh)
        command, decided_at = False, -1
        while True:
            state = station.state()
            ticks = (state.tick - mirror.tick) % DAY_TICKS
            if ticks > DAY_TICKS // 2:  # rather a clock set back than half a day without an answer
                raise StationError(
                    f"the station's clock went from {clock(mirror.tick)} back to "
                    f"{clock(state.tick)}; somebody else restarted its day"
                )
            if ticks:
                self._follow(ticks, state.energy_kwh, command)
            if mirror.tick == DAY_TICKS:
                break
            if mirror.tick != decided_at:
                decided_at, last_command, command = mirror.tick, command, mirror.decide()
                self._send(command, state.charging)
                if command != last_command or mirror.tick % TICKS_PER_HOUR == 0:
                    self._report(command)
            self.sleep(self.poll_s)
        if state.charging:
            station.charge(False)

    def _follow(self, ticks: int, energy_kwh: float, command: bool) -> None:
        """Let the mirror follow, and say where the station did not obey."""
        since = clock(self.mirror.tick)
        charging_ticks = self.mirror.follow(ticks, energy_kwh, command)
        if charging_ticks != (ticks if command else 0):
            self.say(
                f"{clock(self.mirror.tick)}  asked {'to' if command else 'not to'} charge since "
                f"{since}, but it charged for {charging_ticks * TICK_MIN} of {ticks * TICK_MIN} "
                "minutes"
            )

    def _send(self, command: bool, charging: bool) -> None:
        """Post what must change; a full battery turns charging off whatever the command."""
        if command == charging or (command and self.mirror.full):
            return
        override = self.station.charge(command)
        if override is not None:
            self.say(f"{clock(self.mirror.tick)}  the station does not obey: override {override}")

    def _report(self, command: bool) -> None:
        """Say what is commanded, and at what price, load and SoC."""
        mirror = self.mirror
        hour = mirror.tick // TICKS_PER_HOUR
        share = mirror.energy_kwh / mirror.scenario.vehicles[0].battery_kwh
        self.say(
            f"{clock(mirror.tick)}  charging {'on' if command else 'off'}; price "
            f"{mirror.dataset.price_per_kwh[hour]:.4f} {mirror.scenario.currency}/kWh, house "
            f"{mirror.dataset.load_kw[0, mirror.tick]:.2f} kW, SoC {100 * share:.2f} %"
        )
