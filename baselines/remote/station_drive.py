"""`ev-gym drive`: a policy drives a charging station over the classic protocol.

Policies see observations, and the protocol answers only an energy, a clock and a flag. So a local
env of `classic`, the mirror, is led along with the station: for each quarter-hour that passed there
it takes the step that the station really took, which the station's energy shows. Its observation is
then the station's state, and its history is what happened, also where a decision came too late.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from baselines.foresight import tell_future
from baselines.one_run.run import Ride
from baselines.policies.specs import make_policy
from baselines.remote.station_client import TICKS_PER_HOUR, ClassicClient, StationError
from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Scenario, preset
from ev_gym.series.of_scenario import CLASSIC_LOADS_KW, CLASSIC_PRICES_ORE, dataset_of

DAY_TICKS = 24 * TICKS_PER_HOUR
PATIENCE_S = 60.0
# The station rounds its energy to 0.01 kWh; a quarter-hour of charging brings 1.85 kWh.
ROUNDING_KWH = 0.02


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
        known = dataset_of(self.scenario)
        days = known.weeks * 7
        self.dataset = replace(
            known,
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
        return self.scenario.vehicles[0].battery_kwh - self.energy_kwh < ROUNDING_KWH

    @property
    def ride(self) -> Ride:
        """The day so far; its settlement is NaN before midnight."""
        return Ride(self.env.history, self.total_reward, self.settlement)

    def wants(self) -> bool:
        """Whether the policy charges in the coming quarter-hour; asked once in each."""
        fraction = float(self.policy(self.observation)[0])
        return fraction >= 0.5  # `classic` has two levels, and takes the nearer one

    def follow(self, ticks: int, energy_kwh: float, asked: bool) -> int:
        """Take the steps that the station took; in how many of them it charged.

        How many of them charged follows from the energy, and which ones from the order: a command
        holds from some moment on. At a full battery, or where two numbers explain the energy
        equally well, the station is believed to have done what it was asked for.

        Args:
            ticks: Quarter-hours that passed at the station, perhaps beyond midnight.
            energy_kwh: Stored energy at their end.
            asked: Whether the last command was to charge.

        Raises:
            StationError: where no number of them explains the energy; nothing has changed then.
        """
        capacity_kwh = self.scenario.vehicles[0].battery_kwh
        # The teaching server went on past a full battery.
        shown_kwh = min(energy_kwh, capacity_kwh)
        possible = self.energy_kwh + self._quarter_kwh * np.arange(ticks + 1)
        apart = np.abs(np.minimum(possible, capacity_kwh) - shown_kwh)
        likely = np.flatnonzero(apart <= apart.min() + 1e-9)
        if apart.min() > ROUNDING_KWH:
            raise StationError(
                f"at {clock(self.tick + ticks)} the station held {energy_kwh} kWh, which cannot "
                f"follow from {self.energy_kwh:.2f} kWh at {clock(self.tick)}: charging adds "
                f"{self._quarter_kwh:.2f} kWh in a quarter-hour. Somebody else restarted its day, "
                "or it is not the classic household"
            )
        charged = int(likely[-1] if asked else likely[0])
        for tick in range(min(ticks, DAY_TICKS - self.tick)):
            self._step(tick >= ticks - charged if asked else tick < charged)
        return charged

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
    return f"{hour if tick == DAY_TICKS else hour % 24:02d}:{60 // TICKS_PER_HOUR * quarter:02d}"


class Drive:
    """One day of a policy at a station.

    Args:
        station: The station.
        policy_name: Spec of the policy, see `baselines.policies.specs`.
        say: Called with a line on each decision, and at least one an hour.
        poll_s: Seconds between two looks at the station.
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
        # A first step loads compiled code: before the station's clock starts, not after.
        trial = self._mirror_of_classic()
        trial.wants()
        trial.follow(1, trial.energy_kwh, False)
        self.mirror = self._mirror_of_classic()

    def _mirror_of_classic(self) -> Mirror:
        return Mirror(self.policy_name, list(CLASSIC_PRICES_ORE), list(CLASSIC_LOADS_KW), None)

    def run(self) -> None:
        """Restart the station's day, drive it to midnight, and leave charging off.

        `mirror.ride` is the day so far, also after an error.

        Raises:
            RemoteError: the station refuses something or stays away.
            StationError: it answers or does something that it should not.
        """
        station = self.station
        station.restart()
        prices, loads = station.prices_ore_per_kwh(), station.loads_kw()
        mirror = self.mirror = Mirror(self.policy_name, prices, loads, station.look().capacity_kwh)
        asked, decided_at = False, -1
        while True:
            seen = station.look()
            passed = (seen.tick - mirror.tick) % DAY_TICKS
            if passed > DAY_TICKS // 2:  # sooner a clock set back than half a day without a look
                raise StationError(
                    f"the station's clock went from {clock(mirror.tick)} back to "
                    f"{clock(seen.tick)}; somebody else restarted its day"
                )
            if passed:
                self._follow(passed, seen.energy_kwh, asked)
            if mirror.tick == DAY_TICKS:
                break
            if mirror.tick != decided_at:
                decided_at, was, asked = mirror.tick, asked, mirror.wants()
                self._command(asked, seen.charging)
                if asked != was or mirror.tick % TICKS_PER_HOUR == 0:
                    self._tell(asked)
            self.sleep(self.poll_s)
        if seen.charging:
            station.charge(False)

    def _follow(self, ticks: int, energy_kwh: float, asked: bool) -> None:
        """Lead the mirror along, and say where the station did not do what it was asked for."""
        since = clock(self.mirror.tick)
        charged = self.mirror.follow(ticks, energy_kwh, asked)
        if charged != (ticks if asked else 0):
            minutes = 60 // TICKS_PER_HOUR
            self.say(
                f"{clock(self.mirror.tick)}  asked {'to' if asked else 'not to'} charge since "
                f"{since}, but it charged for {charged * minutes} of {ticks * minutes} minutes"
            )

    def _command(self, asked: bool, charging: bool) -> None:
        """Post what must change; a full battery turns charging off whatever is asked."""
        if asked == charging or (asked and self.mirror.full):
            return
        forced = self.station.charge(asked)
        if forced is not None:
            self.say(f"{clock(self.mirror.tick)}  the station does not obey: override {forced}")

    def _tell(self, asked: bool) -> None:
        mirror = self.mirror
        hour = mirror.tick // TICKS_PER_HOUR
        share = mirror.energy_kwh / mirror.scenario.vehicles[0].battery_kwh
        self.say(
            f"{clock(mirror.tick)}  charging {'on' if asked else 'off'}; price "
            f"{mirror.dataset.price_per_kwh[hour]:.4f} {mirror.scenario.currency}/kWh, house "
            f"{mirror.dataset.load_kw[0, mirror.tick]:.2f} kW, SoC {100 * share:.2f} %"
        )
