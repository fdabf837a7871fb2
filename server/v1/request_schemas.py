"""What `/v1` takes: models that read the requests and describe them in the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Literal

from gymnasium.vector import AutoresetMode
from pydantic import Field, WithJsonSchema

from ev_gym.simulation.observation import OBSERVATION_MODES, PHYSICAL
from ev_gym.simulation.reset_options import LARGEST_SEED
from server.http.request_reading import WHOLE, FailFastList, Query, RequestBody
from server.v1.scenario_schema import ScenarioOrOverrides

LARGEST_INDEX = 2**63 - 1
MODES = tuple(mode.value for mode in AutoresetMode)

Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED), WHOLE]
Index = Annotated[int, Field(ge=0, le=LARGEST_INDEX), WHOLE]
Number = Annotated[int | float, WithJsonSchema({"type": "number"})]
_INDEX_SCHEMA = {"type": "integer", "minimum": 0, "maximum": LARGEST_INDEX}
RequestIndex = Annotated[
    Index | None,
    Field(
        description="the session's index; with it a request may be repeated: the stored answer "
        "comes again, and nothing happens twice"
    ),
]


class NewEnv(RequestBody):
    """A session to make: a household, or a vector of them."""

    scenario: ScenarioOrOverrides = "stockholm"
    num_envs: Annotated[int, Field(ge=1), WHOLE] | None = Field(
        None,
        description="rows of a vector session; null: a single env, whose answers have no rows and "
        "whose episodes do not restart by themselves",
    )
    seed: Seed | None = Field(
        None, description="seed of the first reset (row i: seed + i); null: drawn"
    )
    continuous: bool = Field(True, description="false: discrete actions")
    split: Literal["train", "test"] | None = Field(
        None, description="which worlds, or which weeks or months of a series, episodes come from"
    )
    autoreset_mode: Literal[MODES] = Field(  # type: ignore[valid-type]  # gymnasium's, known at run time
        AutoresetMode.NEXT_STEP.value,
        description="when the episodes of a vector session restart; of no effect on a single env",
    )
    observation: Literal[OBSERVATION_MODES] = Field(  # type: ignore[valid-type]  # known at run time
        PHYSICAL,
        description="scaled: each observation field less its offset, by its factor, as the "
        "session's observation_fields tell them",
    )


class ResetOptions(RequestBody):
    """What a reset fixes that the seed would draw."""

    start: str | None = Field(
        None, description="date or time, ISO 8601, local unless it has an offset"
    )
    soc: Number | FailFastList[Number] | None = Field(
        None, description="state of charge, 0 to 1, of every car or of each"
    )
    house: Annotated[int, WHOLE] | None = Field(None, description="house of the world, from 0")
    world: Annotated[int, WHOLE] | None = Field(None, description="one of the split's worlds")
    reset_mask: FailFastList[bool] | None = Field(
        None, description="rows of a vector session to reset, the others go on; null: all"
    )


class Reset(RequestBody):
    """A reset."""

    seed: Seed | FailFastList[Seed | None] | None = Field(
        None,
        description="a number s (row i: s + i), or one (or null) for each row; null: the next "
        "episode of the stream",
    )
    options: ResetOptions | None = None
    index: RequestIndex = None


class Step(RequestBody):
    """A step of all rows."""

    action: Number | FailFastList[Number | FailFastList[Number]] = Field(
        description="an action of the session's action space, one for each row of a vector session"
    )
    index: RequestIndex = None


class StepQuery(Query):
    """The query of a step: the index of a body that has no place for it."""

    index: Annotated[Index | None, WithJsonSchema(_INDEX_SCHEMA)] = Field(
        None, description="the session's index, for a body of application/x-npy"
    )


class StepsQuery(Query):
    """Which operations of a session to show."""

    first: Index = Field(0, description="index of the first operation (reset or step)")
    limit: Annotated[
        Annotated[int, Field(ge=1, le=1000)] | None,
        WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 1000}),
    ] = Field(
        None,
        description="operations at most; times rows at most 100,000; left out: 100, or as many as "
        "that allows",
    )
