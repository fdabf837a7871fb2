"""What the estimates of the pack's heat are worth: a year with each of them halved and doubled.

    python -m tests.validation.sensitivity

`heat_table()` gives the rows, for a page that shows them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ev_gym.physics import thermal
from ev_gym.runtime.arrays import Floats
from tests.support.ageing_profiles import ORDER, STEP_H, health_after, life

BATTERY_KWH, ETA, AUX_KW = 58.0, 0.94, 0.2  # the default car
ESTIMATES = {
    "heat capacity (mass x specific heat)": "capacity_per_kwh",
    "time constant": "tau_h",
    "share of the losses that heats the pack": "heat_share",
}


class Row(NamedTuple):
    """A year of one car with one estimate changed.

    Attributes:
        life: Of `ageing_profiles`.
        estimate: What is changed.
        factor: By how much.
        mean_c: The pack's mean temperature.
        hottest_k: The most that the pack is warmer than the air.
        lost: Share of the capacity lost in the year, by chemistry, and
        more: how much of that is due to the change.
    """

    life: str
    estimate: str
    factor: float
    mean_c: float
    hottest_k: float
    lost: dict[str, float]
    more: dict[str, float]


def pack_temperatures(
    soc: Floats, air_c: Floats, capacity_per_kwh: float, tau_h: float, heat_share: float
) -> Floats:
    """(n + 1,) pack temperature of a series: losses in charging heat it, P_ac = (P + aux) / eta."""
    constants = thermal.constants(BATTERY_KWH, STEP_H, capacity_per_kwh, tau_h)
    stored_kwh = BATTERY_KWH * np.clip(np.diff(soc), 0.0, None)
    aux_kwh = AUX_KW * STEP_H * (stored_kwh > 0.0)
    heat_kwh = heat_share * ((stored_kwh + aux_kwh) / ETA - stored_kwh)
    pack_c = [float(air_c[0])]
    for outdoor_c, heat in zip(air_c[:-1].tolist(), heat_kwh.tolist(), strict=True):
        pack_c.append(thermal.warm(pack_c[-1], outdoor_c, heat, *constants)[0])
    return np.array(pack_c)


def heat_table(lives: tuple[str, ...] = ("commuter", "seldom")) -> list[Row]:
    """Each life with the estimates as they are (factor 1), and each halved and doubled."""
    estimates = {
        "capacity_per_kwh": thermal.CAPACITY_PER_KWH,
        "tau_h": thermal.TAU_H,
        "heat_share": thermal.HEAT_SHARE,
    }
    rows = []
    for name in lives:
        soc, air_c = life(name)
        base: dict[str, float] = {}
        for label, key, factor in [("none", "tau_h", 1.0)] + [
            (label, key, factor) for label, key in ESTIMATES.items() for factor in (0.5, 2.0)
        ]:
            changed = estimates | {key: factor * estimates[key]}
            pack_c = pack_temperatures(soc, air_c, **changed)
            lost = {cell: 1.0 - health_after(cell, STEP_H, soc, pack_c) for cell in ORDER}
            base = base or lost
            more = {cell: lost[cell] - base[cell] for cell in ORDER}
            hottest_k = float((pack_c - air_c).max())
            rows.append(Row(name, label, factor, float(pack_c.mean()), hottest_k, lost, more))
    return rows


def main() -> None:
    """Print the table."""
    print(f"{'life':10}{'changed':40}{'factor':>6}{'mean C':>8}{'max K':>7}", end="")
    print(*(f"{cell:>18}" for cell in ORDER), sep="")
    for row in heat_table():
        print(f"{row.life:10}{row.estimate:40}{row.factor:6}", end="")
        print(f"{row.mean_c:8.2f}{row.hottest_k:7.1f}", end="")
        print(*(f"{row.lost[cell]:9.4f} {row.more[cell]:+8.5f}" for cell in ORDER), sep="")


if __name__ == "__main__":
    main()
