"""All randomness of the simulated world, drawn by compiled code from counters.

Driving follows the private users of Sorensen et al. 2021 (doi:10.1016/j.dib.2021.107105, housing
in Trondheim); `ev_gym.calibration.trondheim` derives the figures. A driver follows one of three
routines and has habits, drawn once: how readily the car is plugged in and taken away on a day, when
it returns, when it leaves, and how much energy it needs. Single sessions scatter around them.

- *Which day.* A local day begins at 04:00, when hardly anybody moves. Away, the car is plugged in
  on the present day with odds that depend on the hour in which it left, and on each later day with
  odds of weekday or weekend; all odds are multiplied by the driver's. When a car that is plugged in
  leaves is drawn in the same way.
- *Which hour.* A standard normal score, the driver's mean plus scatter, is looked up in a table of
  quantiles (31 scores from -3 to 3) of the measured hours. Who left after 10:00 and is back the
  same day was away for a tabled time; who leaves on the day of arrival stayed for a tabled time.
- *Distance.* A score again, with steps for the time since the last session and for the stay, is
  looked up among the measured energies of a session. These stand for distances, the same for every
  car; the energy of a trip follows from distance, car and outdoor temperature (`physics.trip`).

Hours are local. Times are whole minutes since the series began, at a local Monday 00:00, and may
be negative. `habits` is the table of `habits.habits_table`, whose rows `habits` names; `offset_min`
holds, for each hour of the series, local time minus series time; `hours` are the hours themselves,
of which `temperature_c` is read. Every draw of a driver or a session has its fixed place in the
stream, whatever happens: `counter` is the number of the first draw that a function takes.
"""

from __future__ import annotations

from ev_gym.drivers.habits import (
    ARRIVAL,
    DAY_START_H,
    DEPARTURE,
    DISTANCE,
    ENERGY,
    EXP,
    GAP_STEP,
    HABITS,
    HOUR_EDGES,
    KNOTS,
    LEAVE,
    LONG_GAP_H,
    MAX_DAYS,
    MAX_MINUTES,
    MEAN,
    MIN_MINUTES,
    NOISE,
    PLUG_IN,
    SCORE_LIMIT,
    SCORES_PER_UNIT,
    SPREAD,
    STAY,
    STAY_H,
    STAY_NOISE,
    STAY_STEP,
    TOGETHER,
    WORK_EDGE_BIN,
)
from ev_gym.physics import trip
from ev_gym.runtime.arrays import Floats, Ints
from ev_gym.runtime.compiling import compiled
from ev_gym.runtime.counter_random import normal, uniform
from ev_gym.runtime.durations import DAY_MIN, HOUR_MIN
from ev_gym.runtime.records import CarParams, HourRecord, Records, VehicleState

WARM_UP_MIN, WARM_UP_MAX = 2 * DAY_MIN, 9 * DAY_MIN
MAX_WALL_KW = 7.4  # mean power of a session: 99.9 % of the measured ones had no more
DRIVER_DRAWS = 2 + HABITS
SESSION_DRAWS = 5


@compiled
def look_up(habits: Floats, row: int, score: float) -> float:
    """The tabled quantile at a normal score, linear between scores and flat beyond +-3."""
    place = (min(max(score, -SCORE_LIMIT), SCORE_LIMIT) + SCORE_LIMIT) * SCORES_PER_UNIT
    knot = min(int(place), KNOTS - 2)
    low = habits[row, knot]
    return float(low + (habits[row, knot + 1] - low) * (place - knot))


@compiled
def offset_at(offset_min: Ints, minute: int) -> int:
    """Local time minus series time at a minute of the series, which repeats for ever."""
    hour = minute // HOUR_MIN
    if hour < 0 or hour >= len(offset_min):  # a division costs more than the branch
        hour %= len(offset_min)
    return int(offset_min[hour])


@compiled
def local_minute(offset_min: Ints, minute: int) -> int:
    """Local time at a minute of the series, in minutes since the Monday on which it begins."""
    return minute + offset_at(offset_min, minute)


@compiled
def series_minute(offset_min: Ints, local_min: int) -> int:
    """Minute of the series at a local clock; an hour is ambiguous where summer time ends."""
    return local_min - offset_at(offset_min, local_min)


@compiled
def hour_bin(minute_of_day: int) -> int:
    """Bin 0 to 7 of a minute of the day, counted from midnight before the day's 04:00."""
    found = 0
    for edge in HOUR_EDGES:
        if minute_of_day >= edge * HOUR_MIN:
            found += 1
    return found


@compiled
def days_until(
    habits: Floats,
    row: int,
    odds: float,
    later_odds: float,
    day: int,
    hour_now: int,
    chance: float,
) -> int:
    """Days until the driver plugs the car in (or takes it away), 0 to 7.

    Args:
        habits: The table of the driving model.
        row: PLUG_IN or LEAVE.
        odds: The driver's own for the present day, relative to all drivers'.
        later_odds: The driver's own for each later day.
        day: The present local day, counted from a Monday.
        hour_now: Bin of the present hour, see `hour_bin`.
        chance: A uniform random number.
    """
    none_yet = 1.0 / (1.0 + odds * habits[row, hour_now + (8 if day % 7 >= 5 else 0)])
    if chance >= none_yet:
        return 0
    for days in range(1, MAX_DAYS):
        none_yet /= 1.0 + later_odds * habits[row, 17 if (day + days) % 7 >= 5 else 16]
        if chance >= none_yet:
            return days
    return MAX_DAYS


@compiled
def next_arrival(
    vehicle: VehicleState, habits: Floats, offset_min: Ints, left_min: int, counter: int
) -> int:
    """Minute of plug-in of a car that left at `left_min`."""
    local_min = local_minute(offset_min, left_min)
    day = (local_min - DAY_START_H * HOUR_MIN) // DAY_MIN
    hour_left = hour_bin(local_min - day * DAY_MIN)
    chance = uniform(vehicle.key, counter)
    odds, later_odds = vehicle.plug_in_odds, vehicle.plug_in_later_odds
    days = days_until(habits, PLUG_IN, odds, later_odds, day, hour_left, chance)
    day += days
    weekend = 1 if day % 7 >= 5 else 0
    score = vehicle.weekend_arrival_score if weekend else vehicle.arrival_score
    scatter = vehicle.weekend_arrival_scatter if weekend else vehicle.arrival_scatter
    score += scatter * look_up(habits, NOISE + weekend, normal(vehicle.key, counter + 1))
    row = ARRIVAL + 12 * weekend
    if days == 0 and hour_left >= WORK_EDGE_BIN:
        arrival_min = left_min + int(60.0 * look_up(habits, row + 4 + hour_left, score))
    else:
        row += vehicle.routine + (3 if days > 0 else 0)
        clock_min = int(60.0 * look_up(habits, row, score))
        arrival_min = series_minute(offset_min, day * DAY_MIN + clock_min)
    return min(max(arrival_min, left_min + MIN_MINUTES), left_min + MAX_MINUTES)


@compiled
def next_departure(
    vehicle: VehicleState, habits: Floats, offset_min: Ints, arrival_min: int, counter: int
) -> int:
    """Minute of plug-out of a car that arrives at `arrival_min`."""
    local_min = local_minute(offset_min, arrival_min)
    day = (local_min - DAY_START_H * HOUR_MIN) // DAY_MIN
    hour_arrived = hour_bin(local_min - day * DAY_MIN)
    chance = uniform(vehicle.key, counter)
    odds, later_odds = vehicle.leave_odds, vehicle.leave_later_odds
    days = days_until(habits, LEAVE, odds, later_odds, day, hour_arrived, chance)
    noise = normal(vehicle.key, counter + 1)
    if days == 0:
        departure_min = arrival_min + int(60.0 * look_up(habits, STAY + hour_arrived, noise))
    else:
        day += days
        weekend = 1 if day % 7 >= 5 else 0
        score = vehicle.weekend_departure_score if weekend else vehicle.departure_score
        scatter = vehicle.weekend_departure_scatter if weekend else vehicle.departure_scatter
        score += scatter * look_up(habits, NOISE + 2 + weekend, noise)
        row = DEPARTURE + 3 * weekend + vehicle.routine
        clock_min = int(60.0 * look_up(habits, row, score))
        departure_min = series_minute(offset_min, day * DAY_MIN + clock_min)
    return min(max(departure_min, arrival_min + MIN_MINUTES), arrival_min + MAX_MINUTES)


@compiled
def session_km(
    vehicle: VehicleState, habits: Floats, gap_min: int, stay_min: int, counter: int
) -> float:
    """Distance driven between two sessions, km.

    On average over the year it takes no more energy than the stay can charge.

    Args:
        vehicle: The car's state; `energy_score` and `key` are read.
        habits: The table of the driving model.
        gap_min: Time since the last session.
        stay_min: How long the car stays plugged in afterwards.
        counter: Number of the draw.
    """
    gap = 0
    for edge in LONG_GAP_H:
        if gap_min >= edge * HOUR_MIN:
            gap += 1
    stay = 0
    for edge in STAY_H:
        if stay_min >= edge * HOUR_MIN:
            stay += 1
    score = vehicle.energy_score + habits[GAP_STEP, gap] + habits[STAY_STEP, stay]
    score += habits[STAY_NOISE, stay] * normal(vehicle.key, counter)
    wall_kwh = min(look_up(habits, ENERGY, score), MAX_WALL_KW * stay_min / 60.0)
    return float(habits[DISTANCE, 0] * wall_kwh)


@compiled
def habit(vehicle: VehicleState, habits: Floats, number: int) -> float:
    """Score of the driver's habit `number`, 0 to 12 in the order of DRIVER_FIELDS after routine."""
    score = habits[MEAN + vehicle.routine, number]
    if number >= TOGETHER:
        spread = habits[SPREAD + TOGETHER, number - TOGETHER]
        return float(score + spread * normal(vehicle.key, 1 + number))
    for draws in range(number + 1):
        score += habits[SPREAD + number, draws] * normal(vehicle.key, 1 + draws)
    return float(score)


@compiled
def positive_habit(vehicle: VehicleState, habits: Floats, number: int) -> float:
    """A habit whose score is a logarithm, as that of odds and scatter is."""
    return look_up(habits, EXP, habit(vehicle, habits, number))


@compiled
def draw_driver(vehicle: VehicleState, car: CarParams, habits: Floats) -> None:
    """Draw a driver: the routine by the car's shares, and the habits (DRIVER_FIELDS)."""
    commuter, shift, home = car.commuter_share, car.shift_share, car.home_share
    place = uniform(vehicle.key, 0) * (commuter + shift + home)
    routine = 0
    if place >= commuter:
        routine = 1 if place < commuter + shift else 2
    vehicle.routine = routine
    vehicle.plug_in_odds = positive_habit(vehicle, habits, 0)
    vehicle.plug_in_later_odds = positive_habit(vehicle, habits, 1)
    vehicle.leave_odds = positive_habit(vehicle, habits, 2)
    vehicle.leave_later_odds = positive_habit(vehicle, habits, 3)
    vehicle.energy_score = habit(vehicle, habits, 4)
    vehicle.arrival_score = habit(vehicle, habits, 5)
    vehicle.arrival_scatter = positive_habit(vehicle, habits, 6)
    vehicle.weekend_arrival_score = habit(vehicle, habits, 7)
    vehicle.weekend_arrival_scatter = positive_habit(vehicle, habits, 8)
    vehicle.departure_score = habit(vehicle, habits, 9)
    vehicle.departure_scatter = positive_habit(vehicle, habits, 10)
    vehicle.weekend_departure_score = habit(vehicle, habits, 11)
    vehicle.weekend_departure_scatter = positive_habit(vehicle, habits, 12)


@compiled
def draw_times(vehicle: VehicleState, habits: Floats, offset_min: Ints, left_min: int) -> None:
    """Draw the return after a departure at `left_min`, and the next departure; see draw_session."""
    counter = DRIVER_DRAWS + SESSION_DRAWS * vehicle.session
    arrival_min = next_arrival(vehicle, habits, offset_min, left_min, counter)
    vehicle.arrival_min = arrival_min
    vehicle.departure_min = next_departure(vehicle, habits, offset_min, arrival_min, counter + 2)
    vehicle.session += 1


@compiled
def draw_trip(
    vehicle: VehicleState, car: CarParams, habits: Floats, hours: Records[HourRecord], left_min: int
) -> None:
    """Draw the trip between the departure at `left_min` and the return drawn last."""
    counter = DRIVER_DRAWS + SESSION_DRAWS * (vehicle.session - 1) + 4
    away_min = vehicle.arrival_min - left_min
    stay_min = vehicle.departure_min - vehicle.arrival_min
    km = session_km(vehicle, habits, away_min, stay_min, counter)
    vehicle.trip_kwh = trip.planned_kwh(km, car, hours, left_min, vehicle.arrival_min)


@compiled
def draw_session(
    vehicle: VehicleState,
    car: CarParams,
    habits: Floats,
    hours: Records[HourRecord],
    offset_min: Ints,
    left_min: int,
) -> None:
    """Draw what follows a departure at `left_min`: the return, the trip and the next departure.

    Writes `arrival_min`, `departure_min` and `trip_kwh`, and counts `session`. Stays and times
    away last 30 minutes to 7 days.
    """
    draw_times(vehicle, habits, offset_min, left_min)
    draw_trip(vehicle, car, habits, hours, left_min)


@compiled
def begin_vehicle(
    vehicle: VehicleState,
    car: CarParams,
    habits: Floats,
    hours: Records[HourRecord],
    offset_min: Ints,
    start_min: int,
) -> None:
    """Draw a driver and write where a long run would find the car at `start_min`.

    Sessions are drawn from some moment 2 to 9 days before, a range of a whole week, so that what
    repeats weekly or after the longest time away is met in every phase. A car charges at once on
    arrival with `car.battery_kw` to the wanted SoC, which is within the owner's limit, and what the
    stay could not charge is bought at departure. So each trip begins at the wanted SoC; it ends at
    the minimum SoC at least.

    Args:
        vehicle: The car's state; its `key` is read, its driver, session, place and energy are
            written.
        car: Its parameters.
        habits: The table of the driving model.
        hours: (H,) the hours of the series.
        offset_min: (H,) local time minus series time, in minutes.
        start_min: Start of the episode, in minutes since the series began.
    """
    vehicle.session = 0
    draw_driver(vehicle, car, habits)
    early_min = int(uniform(vehicle.key, DRIVER_DRAWS - 1) * (WARM_UP_MAX - WARM_UP_MIN))
    left_min = start_min - WARM_UP_MIN - early_min
    vehicle.departure_min = left_min
    while vehicle.departure_min <= start_min:
        left_min = vehicle.departure_min
        draw_times(vehicle, habits, offset_min, left_min)
    draw_trip(vehicle, car, habits, hours, left_min)
    wanted_kwh = car.wanted_soc * car.battery_kwh
    if vehicle.arrival_min > start_min:
        vehicle.home = 0
        vehicle.energy_kwh = wanted_kwh
    else:
        vehicle.home = 1
        held_kwh = max(wanted_kwh - vehicle.trip_kwh, car.min_soc * car.battery_kwh)
        charged_kwh = car.battery_kw * (start_min - vehicle.arrival_min) / 60.0
        vehicle.energy_kwh = min(wanted_kwh, held_kwh + charged_kwh)
