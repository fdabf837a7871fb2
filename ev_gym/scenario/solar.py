"""Solar panels on the house; `ev_gym.series.sun` computes their power."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ev_gym.scenario.parameters import check, check_unread, number


@dataclass(frozen=True)
class Solar:
    """A photovoltaic system on the roof, and where on Earth it stands; off with `peak_kw` 0."""

    peak_kw: float = number(
        0.0, "kW", "DC power of the modules under standard test conditions; 0: no PV", 0, 500
    )
    tilt_deg: float = number(30.0, "deg", "tilt of the modules from horizontal", 0, 90)
    azimuth_deg: float = number(
        180.0, "deg", "where the modules look, clockwise from north: 90 is east, 180 south", 0, 360
    )
    inverter_kw: float | None = number(
        None, "kW", "largest AC power of the inverter; None: as peak_kw", 0.1, 500, optional=True
    )
    latitude_deg: float = number(59.33, "deg", "latitude, north positive", -90, 90)
    longitude_deg: float = number(18.07, "deg", "longitude, east positive", -180, 180)
    albedo: float = number(0.2, "", "share of sunlight that the ground reflects", 0, 1)
    curtail_below_price: float | None = number(
        None,
        "SEK/kWh",
        "while an exported kWh earns less, nothing is exported: the inverter follows the load; "
        "None: never",
        -100,
        100,
        optional=True,
    )
    losses: float = number(
        0.14, "", "share of DC power lost to dirt, shade, mismatch and wires", 0, 0.9
    )

    def __post_init__(self) -> None:
        check(self)
        if self.peak_kw == 0.0:
            others = [field.name for field in fields(self) if field.name != "peak_kw"]
            check_unread(self, others, "peak_kw is 0.0")

    @property
    def limit_kw(self) -> float:
        """Largest AC power that leaves the inverter."""
        return self.peak_kw if self.inverter_kw is None else self.inverter_kw
