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
be negative. `habits` is the table of `habits.habits_table`, whose rows `habits` names. `hours` are
the hours of the series, which repeat for ever; of them are read `offset_min`, local time minus
series time, `weekend`, which to drivers means public holidays too, and `temperature_c`. Every draw
of a driver or a session has its fixed place in the stream, whatever happens: `counter` is the
number of the first draw that a function takes.
"""

from __future__ import annotations

import math

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
    LEAST_MARGIN_SOC,
    LEAVE,
    LONG_GAP_H,
    MAX_DAYS,
    MAX_MINUTES,
    MEAN,
    MIN_MINUTES,
    MOST_DAYS_AHEAD,
    MOST_MARGIN_SOC,
    NOISE,
    PLUG_IN,
    SCORE_LIMIT,
    SCORES_PER_UNIT,
    SOC_NOTCHES,
    SPREAD,
    STAY,
    STAY_H,
    STAY_NOISE,
    STAY_STEP,
    TOGETHER,
    WORK_EDGE_BIN,
)
from ev_gym.physics import trip
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.compiling import compiled, compiled_apart
from ev_gym.runtime.counter_random import normal, stream_key, uniform
from ev_gym.runtime.durations import DAY_MIN, HOUR_MIN
from ev_gym.runtime.records import CarParams, HourRecord, Records, VehicleState

WARM_UP_MIN, WARM_UP_MAX = 2 * DAY_MIN, 9 * DAY_MIN
MAX_WALL_KW = 7.4  # mean power of a session: 99.9 % of the measured ones had no more
DRIVER_DRAWS = 2 + HABITS
SESSION_DRAWS = 5
PLANNING = 0  # number of the stream in which it is drawn how a driver plans ahead
ROUNDING_SOC = 1e-9  # what is above a whole notch by so little is not rounded up


@compiled
def look_up(habits: Floats, row: int, score: float) -> float:
    """The tabled quantile at a normal score, linear between scores and flat beyond +-3."""
    place = (min(max(score, -SCORE_LIMIT), SCORE_LIMIT) + SCORE_LIMIT) * SCORES_PER_UNIT
    knot = min(int(place), KNOTS - 2)
    low = habits[row, knot]
    return float(low + (habits[row, knot + 1] - low) * (place - knot))


@compiled
def hour_at(hours: Records[HourRecord], minute: int) -> int:
    """Number of the hour in which a minute lies, of the series, which repeats for ever."""
    hour = minute // HOUR_MIN
    if hour < 0 or hour >= hours.shape[0]:  # a division costs more than the branch
        hour %= hours.shape[0]
    return hour


@compiled
def local_minute(hours: Records[HourRecord], minute: int) -> int:
    """Local time at a minute of the series, in minutes since the Monday on which it begins."""
    return minute + int(hours[hour_at(hours, minute)].offset_min)


@compiled
def series_minute(hours: Records[HourRecord], local_min: int) -> int:
    """Minute of the series at a local clock; an hour is ambiguous where summer time ends."""
    return local_min - int(hours[hour_at(hours, local_min)].offset_min)


@compiled
def weekend_at(hours: Records[HourRecord], day: int) -> int:
    """1 where a local day is a Saturday, a Sunday or a public holiday, else 0; day 0 is a Monday.

    It is told by the day's noon, as days of driving begin at 04:00.
    """
    noon_min = series_minute(hours, day * DAY_MIN + DAY_MIN // 2)
    return int(hours[hour_at(hours, noon_min)].weekend)


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
    hours: Records[HourRecord],
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
        hours: (H,) the hours of the series.
        row: PLUG_IN or LEAVE.
        odds: The driver's own for the present day, relative to all drivers'.
        later_odds: The driver's own for each later day.
        day: The present local day, counted from a Monday.
        hour_now: Bin of the present hour, see `hour_bin`.
        chance: A uniform random number.
    """
    none_yet = 1.0 / (1.0 + odds * habits[row, hour_now + 8 * weekend_at(hours, day)])
    if chance >= none_yet:
        return 0
    for days in range(1, MAX_DAYS):
        none_yet /= 1.0 + later_odds * habits[row, 16 + weekend_at(hours, day + days)]
        if chance >= none_yet:
            return days
    return MAX_DAYS


@compiled
def next_arrival(
    vehicle: VehicleState, habits: Floats, hours: Records[HourRecord], left_min: int, counter: int
) -> int:
    """Minute of plug-in of a car that left at `left_min`."""
    local_min = local_minute(hours, left_min)
    day = (local_min - DAY_START_H * HOUR_MIN) // DAY_MIN
    hour_left = hour_bin(local_min - day * DAY_MIN)
    chance = uniform(vehicle.key, counter)
    odds, later_odds = vehicle.plug_in_odds, vehicle.plug_in_later_odds
    days = days_until(habits, hours, PLUG_IN, odds, later_odds, day, hour_left, chance)
    day += days
    weekend = weekend_at(hours, day)
    score = vehicle.weekend_arrival_score if weekend else vehicle.arrival_score
    scatter = vehicle.weekend_arrival_scatter if weekend else vehicle.arrival_scatter
    score += scatter * look_up(habits, NOISE + weekend, normal(vehicle.key, counter + 1))
    row = ARRIVAL + 12 * weekend
    if days == 0 and hour_left >= WORK_EDGE_BIN:
        arrival_min = left_min + int(60.0 * look_up(habits, row + 4 + hour_left, score))
    else:
        row += vehicle.routine + (3 if days > 0 else 0)
        clock_min = int(60.0 * look_up(habits, row, score))
        arrival_min = series_minute(hours, day * DAY_MIN + clock_min)
    return min(max(arrival_min, left_min + MIN_MINUTES), left_min + MAX_MINUTES)


@compiled
def next_departure(
    vehicle: VehicleState,
    habits: Floats,
    hours: Records[HourRecord],
    arrival_min: int,
    counter: int,
) -> int:
    """Minute of plug-out of a car that arrives at `arrival_min`."""
    local_min = local_minute(hours, arrival_min)
    day = (local_min - DAY_START_H * HOUR_MIN) // DAY_MIN
    hour_arrived = hour_bin(local_min - day * DAY_MIN)
    chance = uniform(vehicle.key, counter)
    odds, later_odds = vehicle.leave_odds, vehicle.leave_later_odds
    days = days_until(habits, hours, LEAVE, odds, later_odds, day, hour_arrived, chance)
    noise = normal(vehicle.key, counter + 1)
    if days == 0:
        departure_min = arrival_min + int(60.0 * look_up(habits, STAY + hour_arrived, noise))
    else:
        day += days
        weekend = weekend_at(hours, day)
        score = vehicle.weekend_departure_score if weekend else vehicle.departure_score
        scatter = vehicle.weekend_departure_scatter if weekend else vehicle.departure_scatter
        score += scatter * look_up(habits, NOISE + 2 + weekend, noise)
        row = DEPARTURE + 3 * weekend + vehicle.routine
        clock_min = int(60.0 * look_up(habits, row, score))
        departure_min = series_minute(hours, day * DAY_MIN + clock_min)
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
def draw_planning(vehicle: VehicleState) -> None:
    """Draw how a driver plans ahead: `days_ahead` and `margin_soc`, each evenly."""
    key = stream_key(vehicle.key, PLANNING)
    vehicle.days_ahead = 1 + int(uniform(key, 0) * MOST_DAYS_AHEAD)
    width_soc = MOST_MARGIN_SOC - LEAST_MARGIN_SOC
    vehicle.margin_soc = LEAST_MARGIN_SOC + width_soc * uniform(key, 1)


@compiled
def draw_driver(vehicle: VehicleState, car: CarParams, habits: Floats) -> None:
    """Draw a driver (DRIVER_FIELDS): the routine by the car's shares, habits, and planning."""
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
    draw_planning(vehicle)


@compiled_apart
def draw_times(
    vehicle: VehicleState, habits: Floats, hours: Records[HourRecord], left_min: int
) -> None:
    """Draw the return after a departure at `left_min`, and the next departure; see draw_session."""
    counter = DRIVER_DRAWS + SESSION_DRAWS * vehicle.session
    arrival_min = next_arrival(vehicle, habits, hours, left_min, counter)
    vehicle.arrival_min = arrival_min
    vehicle.departure_min = next_departure(vehicle, habits, hours, arrival_min, counter + 2)
    vehicle.session += 1


@compiled
def trip_km(vehicle: VehicleState, habits: Floats, left_min: int) -> float:
    """Distance (km) between the departure at `left_min` and the return drawn last."""
    counter = DRIVER_DRAWS + SESSION_DRAWS * (vehicle.session - 1) + 4
    away_min = vehicle.arrival_min - left_min
    stay_min = vehicle.departure_min - vehicle.arrival_min
    return session_km(vehicle, habits, away_min, stay_min, counter)


@compiled
def draw_trip(
    vehicle: VehicleState, car: CarParams, habits: Floats, hours: Records[HourRecord], left_min: int
) -> None:
    """Draw the trip between the departure at `left_min` and the return drawn last."""
    km = trip_km(vehicle, habits, left_min)
    vehicle.trip_kwh = trip.planned_kwh(km, car, hours, left_min, vehicle.arrival_min)


@compiled
def soc_for_trips(vehicle: VehicleState, car: CarParams, trips_kwh: float) -> float:
    """SoC that a driver wants before trips of so much energy, in whole 5 % rounded up.

    The car's minimum, the driver's margin and the trips; but no more than the owner's limit, where
    charging at home stops. There is no other floor than the first two.
    """
    soc = car.min_soc + vehicle.margin_soc + trips_kwh / car.battery_kwh
    notches = math.ceil(soc * SOC_NOTCHES - ROUNDING_SOC)
    return float(min(notches / SOC_NOTCHES, car.limit_soc))


@compiled_apart
def wanted_soc(
    vehicle: VehicleState,
    car: CarParams,
    habits: Floats,
    hours: Records[HourRecord],
    session: int,
    plugged_min: int,
    left_min: int,
    held_kwh: float,
) -> float:
    """SoC that the driver wants at a departure: the car's fixed one, or what the coming trips need.

    Those are the trips that begin less than `days_ahead` days of the local clock after the
    departure, its own included. They are drawn ahead: nothing of the session in progress changes.
    The driver knows their distances, but of the weather only the temperature at plug-in. Nobody
    stops at a public charger today for a later trip: what the stay cannot charge at full power for
    the trips after the next one is not wanted yet.

    Args:
        vehicle: The car's state; driver and `key` are read.
        car: Its parameters.
        habits: The table of the driving model.
        hours: (H,) the hours of the series.
        session: Number of sessions drawn up to the one that ends with the departure.
        plugged_min: Minute at which that session began.
        left_min: Minute of the departure.
        held_kwh: What the battery holds at plug-in, whatever was done before.
    """
    if not math.isnan(car.wanted_soc):
        return float(car.wanted_soc)
    now = vehicle.session, vehicle.arrival_min, vehicle.departure_min
    until_min = local_minute(hours, left_min) + vehicle.days_ahead * DAY_MIN
    expected_c = trip.temperature_c(hours, plugged_min)
    next_soc = trips_kwh = 0.0
    vehicle.session, vehicle.departure_min = session, left_min
    while local_minute(hours, vehicle.departure_min) < until_min:
        next_min = vehicle.departure_min
        draw_times(vehicle, habits, hours, next_min)
        km = trip.driven_km(trip_km(vehicle, habits, next_min), vehicle.arrival_min - next_min)
        trips_kwh += trip.energy_kwh(km, car, expected_c, expected_c)
        if next_min == left_min:
            next_soc = soc_for_trips(vehicle, car, trips_kwh)
    vehicle.session, vehicle.arrival_min, vehicle.departure_min = now
    within_kwh = held_kwh + car.battery_kw * (left_min - plugged_min) / 60.0
    within_soc = math.floor(within_kwh / car.battery_kwh * SOC_NOTCHES) / SOC_NOTCHES
    return float(max(next_soc, min(within_soc, soc_for_trips(vehicle, car, trips_kwh))))


@compiled
def kept_kwh(vehicle: VehicleState, car: CarParams, left_soc: float) -> float:
    """Energy (kWh) at the return of a car that left with `left_soc` on the trip drawn last."""
    left_kwh = left_soc * car.battery_kwh - vehicle.trip_kwh
    return float(max(left_kwh, car.min_soc * car.battery_kwh))


@compiled
def want_at_departure(
    vehicle: VehicleState,
    car: CarParams,
    habits: Floats,
    hours: Records[HourRecord],
) -> None:
    """Write the SoC wanted at the departure that ends the session drawn last.

    The car left on the last trip with the SoC wanted before, or more.
    """
    session, plugged_min, left_min = vehicle.session, vehicle.arrival_min, vehicle.departure_min
    held_kwh = kept_kwh(vehicle, car, vehicle.wanted_soc)
    vehicle.wanted_soc = wanted_soc(
        vehicle, car, habits, hours, session, plugged_min, left_min, held_kwh
    )


@compiled
def draw_session(
    vehicle: VehicleState,
    car: CarParams,
    habits: Floats,
    hours: Records[HourRecord],
    left_min: int,
) -> None:
    """Draw what follows a departure at `left_min`: the return, the trip and the next departure.

    Writes `arrival_min`, `departure_min`, `trip_kwh` and the `wanted_soc` of that departure, and
    counts `session`. Stays and times away last 30 minutes to 7 days.
    """
    draw_times(vehicle, habits, hours, left_min)
    draw_trip(vehicle, car, habits, hours, left_min)
    want_at_departure(vehicle, car, habits, hours)


@compiled
def begin_vehicle(
    vehicle: VehicleState,
    car: CarParams,
    habits: Floats,
    hours: Records[HourRecord],
    start_min: int,
) -> None:
    """Draw a driver and write where a long run would find the car at `start_min`.

    Sessions are drawn from some moment 2 to 9 days before, a range of a whole week, so that what
    repeats weekly or after the longest time away is met in every phase. The trip begins with the
    SoC wanted then, as after a stay long enough for it: a car charges at once on arrival, and what
    a stay could not charge is bought at departure. It ends at the minimum SoC at least. The energy
    is that at departure or, at home, what the trip left: see `charge_at_once`.

    Args:
        vehicle: The car's state; its `key` is read, its driver, session, place and energy are
            written.
        car: Its parameters.
        habits: The table of the driving model.
        hours: (H,) the hours of the series.
        start_min: Start of the episode, in minutes since the series began.
    """
    vehicle.session = 0
    draw_driver(vehicle, car, habits)
    early_min = int(uniform(vehicle.key, DRIVER_DRAWS - 1) * (WARM_UP_MAX - WARM_UP_MIN))
    left_min = plugged_min = start_min - WARM_UP_MIN - early_min
    vehicle.arrival_min = vehicle.departure_min = left_min
    while vehicle.departure_min <= start_min:
        plugged_min, left_min = vehicle.arrival_min, vehicle.departure_min
        draw_times(vehicle, habits, hours, left_min)
    before, held_kwh = vehicle.session - 1, car.battery_kwh
    left_soc = wanted_soc(vehicle, car, habits, hours, before, plugged_min, left_min, held_kwh)
    draw_trip(vehicle, car, habits, hours, left_min)
    vehicle.wanted_soc = left_soc
    want_at_departure(vehicle, car, habits, hours)
    if vehicle.arrival_min > start_min:
        vehicle.home = 0
        vehicle.energy_kwh = left_soc * car.battery_kwh
    else:
        vehicle.home = 1
        vehicle.energy_kwh = kept_kwh(vehicle, car, left_soc)


@compiled
def charge_at_once(vehicle: VehicleState, car: CarParams, now_min: int) -> None:
    """Charge a car as if it had drawn full power since it came home, up to the wanted SoC.

    Of the car, `battery_kw` and `battery_kwh` are read; of the vehicle, `energy_kwh` is written.
    """
    charged_kwh = car.battery_kw * (now_min - vehicle.arrival_min) / 60.0
    wanted_kwh = vehicle.wanted_soc * car.battery_kwh
    full_kwh = min(wanted_kwh, vehicle.energy_kwh + charged_kwh)
    vehicle.energy_kwh = max(vehicle.energy_kwh, full_kwh)
