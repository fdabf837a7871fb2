"""The rules of houses with PV: what the house leaves of the sun goes into the cars.

Both follow the charging modes of evcc, as its documentation describes them ("PV Überschussladen",
docs/features/solar-charging in github.com/evcc-io/docs, read in this project). openWB, another
energy manager, has the same two (its wiki, "PV Überschussladen"). Products measure the surplus and
react to it after a delay; here the sun and the load of the coming step are known.
"""

from __future__ import annotations

import numpy as np

from baselines.policies.base import Policy
from baselines.policies.headroom import ROUNDING_KW
from baselines.policies.view import View
from ev_gym.runtime.arrays import Floats
from ev_gym.scenario import Scenario


class PvSurplus(Policy):
    """Charge only with what the base load leaves of the sun, never from the grid.

    Knows sun and load of the coming step; no prices, no departure. The surplus goes to the cars in
    vehicle order, in whole amperes and not below 6 A: 4.1 kW on three phases, 2.8 kW on two, 1.4 kW
    on one; a charger that switches phases chooses between all and one by itself. A car takes it up
    to its owner's limit, also beyond the wanted SoC: sun costs no more than it would earn.

    Source: evcc's PV mode.

    It fails in winter and at night, and for cars that are away by day: what is missing at departure
    is bought at a public charger. A tariff whose `netting` is "none" bills what the cars charge as
    if it came from the grid.

    Raises:
        ValueError: for a scenario without PV.
    """

    name = "pv_surplus"
    needs_sun = True

    def decide(self, view: View) -> Floats:
        """As much as fits into the surplus."""
        taking = view.plugged & (view.available_kw > 0.0)
        surplus_kw = np.minimum(view.pv_kw - view.load_kw, view.headroom_kw)
        return self.within_headroom(view, taking, headroom_kw=surplus_kw)


class MinPv(PvSurplus):
    """At least the charger's least power until the wanted SoC, more where the sun leaves more.

    As `pv_surplus`, but a car below its wanted SoC gets 6 A (on one phase where phases are
    switched; the lowest level where there are levels), from the grid as far as the sun leaves less.
    So it charges at the least power from the arrival on, and through the night.

    Source: evcc's mode "Min+PV", where the least power goes on up to the limit of the car.

    It fails where the stay is too short for so little power, and it wastes energy: at 6 A the car's
    own consumption weighs most. It heeds no prices. While a switch of phases must be kept, a car
    that is on all its phases and may have only one pauses.

    Raises:
        ValueError: for a scenario without PV.
    """

    name = "min_pv"

    def __init__(self, scenario: Scenario, continuous: bool = True, seed: int = 0) -> None:
        super().__init__(scenario, continuous, seed)
        self._least_kw = [powers[powers > ROUNDING_KW][0] for powers in self.level_kw]

    def decide(self, view: View) -> Floats:
        """The surplus, or the least power where that is more."""
        wanting = view.wanting
        # Beside the surplus, so that both together stay inside the headroom.
        headroom_kw = view.headroom_kw - np.maximum(view.pv_kw - view.load_kw, 0.0)
        least = self.within_headroom(
            view, wanting, np.full(wanting.shape, self._least_kw), headroom_kw
        )
        best: Floats = np.maximum(super().decide(view), least)
        return best
