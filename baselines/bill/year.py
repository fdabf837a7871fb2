"""A household's months under one tariff and one policy: lived in one go, and invoiced."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import gymnasium as gym

import ev_gym  # noqa: F401  # registers the env
from baselines.foresight import tell_future
from baselines.one_run.money import co2_g, wear_cost
from baselines.policies.specs import make_policy
from ev_gym.invoice import Invoice, invoices, year_bill
from ev_gym.runtime.durations import DAY_MIN
from ev_gym.scenario import Scenario, ScenarioError
from ev_gym.scenario.scenario import MOST_DAYS
from ev_gym.series.of_scenario import dataset_of
from ev_gym.simulation.results import vehicle_columns
from ev_gym.world.tariff_tables import local_months

if TYPE_CHECKING:
    import pandas as pd

MOST_MONTHS = 12
DAY_HOURS = 24
ITEMS = tuple(name for name in Invoice._fields if name != "total")
CENTS = 2


class Outcome(NamedTuple):
    """What some months of a household came to.

    Attributes:
        scenario: The household with its tariff.
        household: What is different about it, in words; "" where nothing is.
        policy: Spec of the policy.
        months: The invoices, a row for each month, as `ev_gym.invoice.invoices` gives them.
        ceiling: What a ceiling over the year takes off, 0 or below.
        house: What the invoices of the house without its cars come to, its ceiling taken off.
        import_kwh: What was bought,
        export_kwh: and sold, and
        charged_kwh: what the cars drew at home.
        public_kwh: What they took at public chargers,
        public_cost: and what that cost, with the stops.
        stored_kwh: What their batteries held more at the end than at the beginning.
        wear_cost: What their batteries lost, which nobody invoices.
        overload_kwh: What was drawn above the connection's limit.
        co2_kg: CO2 that charging at home caused (`ev_gym.emissions`); None: not known.
        highest_kw: The highest hourly mean of import, and
        highest_at: when it was.
    """

    scenario: Scenario
    household: str
    policy: str
    months: pd.DataFrame
    ceiling: float
    house: float
    import_kwh: float
    export_kwh: float
    charged_kwh: float
    public_kwh: float
    public_cost: float
    stored_kwh: float
    wear_cost: float
    overload_kwh: float
    co2_kg: float | None
    highest_kw: float
    highest_at: datetime

    @property
    def label(self) -> str:
        """The tariff, and what is different about the household."""
        name = self.scenario.tariff.name
        return f"{name}, {self.household}" if self.household else name

    @property
    def invoiced(self) -> float:
        """The sum of the invoices, of items that are rounded to cents as on paper."""
        items = self.months[list(ITEMS)].round(CENTS).to_numpy()
        return round(float(items.sum()) + self.ceiling, CENTS)

    @property
    def cars(self) -> float:
        """What the cars add to the invoices, and cost at public chargers."""
        return self.invoiced - self.house + self.public_cost

    @property
    def paid(self) -> float:
        """What is paid in all: invoices and public chargers."""
        return self.invoiced + self.public_cost


def whole_months(scenario: Scenario) -> pd.PeriodIndex:
    """The calendar months that lie in the scenario's series, in order."""
    import numpy as np
    import pandas as pd

    dataset = dataset_of(scenario)
    months, hours = np.unique(local_months(dataset), return_counts=True)
    found = pd.PeriodIndex(months.astype(str), freq="M")
    # A month is as long as its days, an hour more or less where the clock changes.
    whole = hours >= 24 * found.days_in_month - 1
    return found[whole]


def chosen_months(scenario: Scenario, first: str | None, count: int | None) -> pd.PeriodIndex:
    """So many months from the first on; by default the last twelve of the series.

    Args:
        scenario: Its series are read.
        first: A month as YYYY-MM; None: so that they are the last ones.
        count: How many; None: twelve, or as many as there are.

    Raises:
        ScenarioError: for months that the series do not hold.
    """
    import pandas as pd

    known = whole_months(scenario)
    if len(known) == 0:
        raise ScenarioError("the series hold no whole calendar month; allowed: longer series")
    span = f"{known[0]} to {known[-1]}"
    if first is None:
        count = min(MOST_MONTHS, len(known)) if count is None else count
        chosen = known[-count:]
    else:
        try:
            begin = pd.Period(first, freq="M")
        except ValueError:
            begin = None
        if begin is None or str(begin) != first:
            raise ScenarioError(f"first month is {first!r}; allowed: as YYYY-MM, {span}")
        after = known[known >= begin]
        if begin not in known:
            raise ScenarioError(f"first month is {first}; allowed: the series hold {span}")
        count = min(MOST_MONTHS, len(after)) if count is None else count
        chosen = after[:count]
    if len(chosen) < count:
        raise ScenarioError(
            f"{count} months are asked for; allowed: up to {len(chosen)}, as the series hold {span}"
        )
    return chosen


def live(
    scenario: Scenario, household: str, policy: str, months: pd.PeriodIndex, seed: int
) -> Outcome:
    """Let a policy charge the cars in these months, and write the invoices.

    The months are one episode, so the cars' days, the batteries and a year's peaks go on.

    Args:
        scenario: The household; its horizon is not read.
        household: What is different about it, in words.
        policy: Spec of the policy, see `baselines.policies.specs`.
        months: Consecutive ones that the series hold, at most twelve.
        seed: Of the drivers.
    """
    begin, days = _span(scenario, months)
    lived = replace(scenario, days=days, start_hour=0)
    env: Any = gym.make("EVCharging-v0", scenario=lived, disable_env_checker=True)
    chosen = make_policy(policy, env, seed=seed)
    history = _history(env, chosen, begin, months, seed)
    if lived.tariff.network_ceiling_per_kwh is None:
        return _outcome(lived, household, policy, history, None)
    alone = _history(env, make_policy("never", env, seed=seed), begin, months, seed)
    return _outcome(lived, household, policy, history, alone)


def _span(scenario: Scenario, months: pd.PeriodIndex) -> tuple[date, int]:
    """The first day lived, and days of 24 hours from there on that hold the months.

    An episode begins with half-full batteries. Where the series hold the day before the months, it
    is lived as well, so that no invoice holds this first filling.
    """
    zone = scenario.data.zone
    begin = months[0].start_time.tz_localize(zone)
    end = (months[-1] + 1).start_time.tz_localize(zone)
    days = math.ceil((end - begin).total_seconds() / (60 * DAY_MIN))
    before = int((local_months(dataset_of(scenario)) < months[0].to_timestamp()).sum())
    early = 1 if before > DAY_HOURS and days < MOST_DAYS else 0  # more: a day may have 25 hours
    return (begin - timedelta(days=early)).date(), days + early


def _history(env: Any, policy: Any, begin: date, months: pd.PeriodIndex, seed: int) -> pd.DataFrame:
    """The steps of the months under a policy."""
    import pandas as pd

    options = {"start": str(begin), "house": 0}
    observation, _ = env.reset(seed=seed, options=options)
    policy.reset()
    tell_future(policy, env)
    over = False
    while not over:
        observation, _, _, over, _ = env.step(policy(observation))
    history: pd.DataFrame = env.unwrapped.history
    index = pd.DatetimeIndex(history.index).tz_localize(None)
    return history[index.to_period("M").isin(months)]


def _outcome(
    scenario: Scenario,
    household: str,
    policy: str,
    history: pd.DataFrame,
    alone: pd.DataFrame | None,
) -> Outcome:
    """What the steps of a household came to; `alone` are those without charging, for a ceiling."""
    import pandas as pd

    bills = invoices(scenario, history)
    house = float(bills["house_total"].sum())
    if alone is not None:
        house += year_bill(scenario.tariff, invoices(scenario, alone)).booked_ceiling
    tariff, step_h = scenario.tariff, scenario.step_h
    grid_kw = history["grid_kw"]
    charge = vehicle_columns("charge_kw", len(scenario.vehicles))
    public_kwh = float((history["missing_kwh"] + history["public_kwh"]).sum())
    stops = float((history["missing_stops"] + history["public_stops"]).sum())
    grams = co2_g(history, scenario)
    energies = history[vehicle_columns("energy_kwh", len(scenario.vehicles))].sum(axis=1)
    stored_kwh = float(energies.iloc[-1] - energies.iloc[0])
    hourly_kw = grid_kw.clip(lower=0.0).resample("h").mean()
    return Outcome(
        scenario=scenario,
        household=household,
        policy=policy,
        months=bills,
        ceiling=year_bill(tariff, bills).booked_ceiling,
        house=house,
        import_kwh=float(grid_kw.clip(lower=0.0).sum() * step_h),
        export_kwh=float(-grid_kw.clip(upper=0.0).sum() * step_h),
        charged_kwh=float(history[charge].clip(lower=0.0).to_numpy().sum() * step_h),
        public_kwh=public_kwh,
        public_cost=public_kwh * tariff.public_energy_price + stops * tariff.public_stop_price,
        stored_kwh=stored_kwh,
        wear_cost=wear_cost(history, scenario),
        overload_kwh=float(history["overload_kw"].sum() * step_h),
        co2_kg=None if grams is None else grams / 1000.0,
        highest_kw=float(hourly_kw.max()),
        highest_at=pd.Timestamp(str(hourly_kw.idxmax())).to_pydatetime(),
    )
