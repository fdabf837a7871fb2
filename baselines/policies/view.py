"""What policies see: the observations of many rows, field by field."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.durations import DAY_MIN

# Observations are float32; less than this is nothing.
NOTHING_KWH = 1e-3


class View:
    """Observations of n rows by name, in float64: of the house (n,), of its K cars (n, K).

    A field is read when it is asked for. Units and meanings are those of
    `ev_gym.observation_fields`; a field that a scenario does not have is 0.

    Args:
        observation: (n, D) float32.
        slices: Where each field stands, `ev_gym.observation_slices`.
        window_h: Hours of the price window.
    """

    def __init__(
        self, observation: NDArray[np.float32], slices: Mapping[str, slice], window_h: int
    ) -> None:
        self._observation = observation
        self._slices = slices
        self._window_h = window_h

    def of_house(self, name: str) -> Floats:
        """A field of the house, (n,)."""
        place = self._slices.get(name)
        if place is None:
            return np.zeros(len(self._observation))
        return self._observation[:, place.start].astype(np.float64)

    def of_cars(self, name: str) -> Floats:
        """A field of the cars, (n, K)."""
        place = self._slices.get(name)
        if place is None:
            return np.zeros(self.plugged.shape)
        return self._observation[:, place].astype(np.float64, order="C")

    @property
    def hour_of_day(self) -> Floats:
        """Local clock (h), from 0 to below 24."""
        angle = np.arctan2(self.of_house("hour_sin"), self.of_house("hour_cos"))
        hours: Floats = np.round(angle / (2 * np.pi) * DAY_MIN) % DAY_MIN / 60.0
        return hours

    @property
    def load_kw(self) -> Floats:
        """Base load of the coming step."""
        return self.of_house("load_kw")

    @property
    def pv_kw(self) -> Floats:
        """What the sun gives in the coming step."""
        return self.of_house("pv_kw")

    @property
    def headroom_kw(self) -> Floats:
        """What base load and sun leave of the connection, all lines together."""
        return self.of_house("headroom_kw")

    @property
    def price_per_kwh(self) -> Floats:
        """All-in price of the coming step."""
        return self.of_house("price_per_kwh")

    @property
    def hours_known(self) -> Floats:
        """Hours of the price window that are published, the running one included."""
        return self.of_house("hours_known")

    @property
    def price_window(self) -> Floats:
        """Mean all-in prices (n, window_h) of the running clock hour and the next ones."""
        first = self._slices["price_h00"].start
        window = self._observation[:, first : first + self._window_h]
        return window.astype(np.float64, order="C")

    @property
    def plugged(self) -> NDArray[np.bool_]:
        """Whether each car is at the charger."""
        there: NDArray[np.bool_] = self._observation[:, self._slices["plugged"]] > 0.5
        return there

    @property
    def soc(self) -> Floats:
        """State of charge; while away, as at departure."""
        return self.of_cars("soc")

    @property
    def hours_to_departure(self) -> Floats:
        """Time to the planned departure (h); 0 while away."""
        return self.of_cars("hours_to_departure")

    @property
    def energy_to_wanted_kwh(self) -> Floats:
        """What is missing in the battery to the wanted SoC; 0 while away."""
        return self.of_cars("energy_to_wanted_kwh")

    @property
    def available_kw(self) -> Floats:
        """AC power that the car could take now; 0 while away, and at its owner's limit."""
        return self.of_cars("available_kw")

    @property
    def wanting(self) -> NDArray[np.bool_]:
        """Whether each car is at the charger and below its wanted SoC, (n, K)."""
        return self.plugged & (self.energy_to_wanted_kwh > NOTHING_KWH)
