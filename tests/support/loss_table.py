"""Charging losses of the four cars that ADAC measured: published, ours, and the difference.

ADAC measured total AC charging losses in 2022 ("Ladeverluste bei Elektroautos"); the figures are
those of press reports, the test report itself was not opened.
"""

from __future__ import annotations

import pandas as pd

from ev_gym.physics import battery
from ev_gym.scenario import Vehicle
from tests.support.physics_tables import table_of

# AC power in kW, total loss in percent, as published.
MEASURED = {
    "Renault Zoe": ((2.3, 24.2), (11.0, 9.7)),
    "Volkswagen ID.3 58 kWh": ((2.3, 13.6), (5.5, 9.2), (11.0, 9.0)),
    "Tesla Model 3 SR+": ((2.3, 15.2), (11.0, 7.7)),
    "Fiat 500e": ((2.3, 12.7), (11.0, 6.3)),
}


def loss_percent(vehicle: Vehicle, power_kw: float) -> float:
    """Share of the energy drawn at a power, far from full, that is not stored, in percent."""
    drawn_kwh, stored_kwh = battery.charge(0.0, table_of(vehicle), power_kw, 0.5)
    return float(100.0 * (1.0 - stored_kwh / drawn_kwh))


def loss_table() -> pd.DataFrame:
    """Columns vehicle, ac_kw, measured_percent, ours_percent and difference (points)."""
    rows = [
        (name, power_kw, published, loss_percent(Vehicle.model(name), power_kw))
        for name, points in MEASURED.items()
        for power_kw, published in points
    ]
    table = pd.DataFrame(rows, columns=["vehicle", "ac_kw", "measured_percent", "ours_percent"])
    return table.assign(difference=table["ours_percent"] - table["measured_percent"])


if __name__ == "__main__":
    print(loss_table().round(2).to_string(index=False))
