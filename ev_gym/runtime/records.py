"""Names for the records that compiled code reads and writes, so that signatures say which is meant.

A record is one row of a structured array; its fields are read and written as attributes. They are
declared once, in the table that each class below names, and not again here: to a type checker every
field is `Any`, but a car's parameters cannot be taken for its state, nor one record for an array of
them. At run time these classes are never used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

R = TypeVar("R", covariant=True)


class Record:
    """A row of a structured array."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

        def __setattr__(self, name: str, value: Any) -> None: ...


class Settings(Record):
    """What a scenario fixes for the whole household: `SETTINGS_DTYPE` of `world`."""


class CarParams(Record):
    """What a scenario fixes for one car at this charger, and its driver: `CAR_DTYPE` of `world`."""


class HourRecord(Record):
    """Calendar and weather of one hour of the series: `HOUR_DTYPE` of `world`."""


class PeakRuleRecord(Record):
    """One rule of the power charge: `PEAK_RULE_DTYPE` of `physics.power_charge`."""


class EpisodeStart(Record):
    """Where an episode may begin: `START_DTYPE` of `world`."""


class HouseholdState(Record):
    """What a step changes of the household: `household_state` of `simulation.state_fields`."""


class AgeingState(Record):
    """What a step changes of a battery's age: `AGEING_STATE` of `physics.ageing`."""


class VehicleState(AgeingState):
    """What a step changes of one car: `VEHICLE_STATE` of `simulation.state_fields`."""


class StepResult(Record):
    """What a step reports of the household: `STEP_FIELDS` of `simulation.state_fields`."""


class VehicleResult(Record):
    """What a step reports of one car: `VEHICLE_STEP_FIELDS` of `simulation.state_fields`."""


class Records(Protocol[R]):
    """An array of records: `Records[CarParams]` has the shape (K,), a car in each row.

    `Records[Records[VehicleState]]` has the shape (n, K), the vehicles of a household in each row.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Its length in each dimension."""
        ...

    @overload
    def __getitem__(self, index: int, /) -> R: ...
    @overload
    def __getitem__(self, index: slice, /) -> Records[R]: ...

    def __setitem__(self, index: int, record: Any, /) -> None:
        """Copy all fields of another record of the same kind."""
