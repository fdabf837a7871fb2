"""What a session is made of, and the env that does its operations one after the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from ev_gym.scenario import Scenario
from ev_gym.simulation.observation import PHYSICAL
from ev_gym.simulation.reset_options import checked_seed, given_options, row_seeds
from ev_gym.simulation.results import record_infos
from ev_gym.simulation.simulator import Outputs
from ev_gym.vector_env import EVChargingVectorEnv
from server.storage.store import Operation
from server.v1.step_answer import Answer, LastStep

RESET, STEP = "reset", "step"


@dataclass(frozen=True)
class Spec:
    """What a session is made of, but for its operations.

    Attributes:
        scenario: The household.
        num_envs: How many of it; None: a single env, whose episodes never restart by themselves.
        seed: Seed of the first reset, where that brings none; row i: seed + i.
        continuous: False for discrete actions.
        split: None, `"train"` or `"test"`.
        autoreset_mode: The value of an `AutoresetMode`; a single env ignores it.
        observation: `"physical"` or `"scaled"`.
    """

    scenario: Scenario
    num_envs: int | None = None
    seed: int = 0
    continuous: bool = True
    split: str | None = None
    autoreset_mode: str = "NextStep"
    observation: str = PHYSICAL

    @property
    def rows(self) -> int:
        """Number of households n."""
        return 1 if self.num_envs is None else self.num_envs

    def to_dict(self) -> dict[str, Any]:
        """The spec as plain JSON values; `Spec.from_dict` reads them."""
        return {**asdict(self), "scenario": self.scenario.to_dict()}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Spec:
        """The spec of `to_dict`."""
        return cls(**{**plain, "scenario": Scenario.from_dict(plain["scenario"])})


class ReplayedEnv:
    """An env that does a session's operations; the same operations give the same answers.

    Attributes:
        spec: The session.
        env: The vector env; that of a single session has one row and never resets by itself.
        index: How many operations it has done.
        last: Its answer to the last one; None if that is not known.

    Args:
        spec: The session.

    Raises:
        ScenarioError: for an impossible scenario or split.
        ResetError: for an impossible seed.
        ValueError: for an impossible autoreset mode.
    """

    def __init__(self, spec: Spec) -> None:
        checked_seed(spec.seed, spec.rows)
        self.spec = spec
        self.index = 0
        self.last: Answer | None = None
        self._previous: Answer | None = None
        self._begin()

    def _begin(self) -> None:
        spec = self.spec
        mode = "Disabled" if spec.num_envs is None else spec.autoreset_mode
        self.env = EVChargingVectorEnv(
            spec.rows,
            spec.scenario,
            spec.split,
            spec.continuous,
            autoreset_mode=mode,
            observation=spec.observation,
        )
        simulator = self.env.simulator
        # As bytes, since NumPy would copy records field by field.
        self._state = (_bytes_of(simulator.households), _bytes_of(simulator.vehicles))
        self._before = tuple(table.copy() for table in self._state)

    @property
    def nbytes(self) -> int:
        """Roughly the memory it takes, without the world, which it shares with others."""
        outputs = sum(array.nbytes for array in self.env.outputs)
        return 100_000 + 3 * outputs + 2 * sum(table.nbytes for table in self._state)

    def do(self, operation: Operation, actions: NDArray[Any] | None = None) -> Answer:
        """Do the next operation.

        Args:
            operation: The operation.
            actions: The actions of a step as the client shaped them; None: as the operation, from
                the log, has them.

        Raises:
            ActionError, ResetError, ScenarioError: for what the env refuses; nothing has changed.
        """
        for before, table in zip(self._before, self._state, strict=True):
            np.copyto(before, table)
        try:
            if operation.kind == RESET:
                answer = self._reset(json.loads(operation.body))
            else:
                answer = self._step(self._read(operation.body) if actions is None else actions)
        except BaseException:
            self._restore()
            raise
        self._previous, self.last = self.last, answer
        self.index += 1
        return answer

    def undo(self) -> None:
        """Undo the last `do`; once only, since the state before that is not kept."""
        self.index -= 1
        self.last = self._previous
        self._restore()

    def _restore(self) -> None:
        if self.index == 0:  # only a new env has never been reset
            self._begin()
            return
        for before, table in zip(self._before, self._state, strict=True):
            np.copyto(table, before)

    def jump(self, index: int, state: bytes) -> None:
        """Take the state that another env of this session had after so many operations.

        The answer to the last of them is not known then.
        """
        self.env.set_state(state)
        self.index, self.last = index, None

    def beginning_rows(self) -> NDArray[np.bool_]:
        """(n,) the rows in which the coming step begins a new episode instead of stepping."""
        over: NDArray[np.bool_] = self.env.simulator.households["over"] != 0
        return over & (self.env.autoreset_mode is AutoresetMode.NEXT_STEP)

    def _read(self, body: bytes) -> NDArray[Any]:
        """The actions of a `step_body`, (n, K), or (n,) for one car with discrete actions."""
        actions = np.frombuffer(body, body[:2].decode(), offset=2)
        cars = len(self.spec.scenario.vehicles)
        flat = cars == 1 and not self.spec.continuous
        return actions if flat else actions.reshape(self.spec.rows, cars)

    def _reset(self, body: dict[str, Any]) -> Answer:
        options = dict(body["options"])
        if "reset_mask" in options:
            options["reset_mask"] = _array(options["reset_mask"])
        observations, infos = self.env.reset(seed=body["seed"], options=options)
        rows, out = self.spec.rows, self.env.outputs
        return Answer(
            index=self.index + 1,
            is_step=False,
            observations=observations,
            rewards=np.zeros(rows),
            truncated=np.zeros(rows, np.bool_),
            settlement=np.zeros(rows),
            results=out.results,
            vehicle_results=out.vehicle_results,
            action_masks=_action_masks(infos, rows),
            last_step=None,
        )

    def _step(self, actions: NDArray[Any]) -> Answer:
        observations, rewards, _, truncated, infos = self.env.step(actions)
        out, last_infos = self.env.outputs, infos.get("final_info", infos)
        return Answer(
            index=self.index + 1,
            is_step=True,
            observations=observations,
            rewards=rewards,
            truncated=truncated,
            settlement=last_infos["settlement"],
            results=out.results,
            vehicle_results=out.vehicle_results,
            action_masks=_action_masks(infos, self.spec.rows),
            last_step=_last_step(infos, out) if "final_obs" in infos else None,
        )


def _last_step(infos: dict[str, Any], out: Outputs) -> LastStep:
    results, vehicle_results = np.zeros_like(out.results), np.zeros_like(out.vehicle_results)
    record_infos(infos["final_info"], results, vehicle_results)
    masks = _action_masks(infos["final_info"], len(results))
    return LastStep(infos["final_obs"], results, vehicle_results, masks)


def _action_masks(infos: dict[str, Any], rows: int) -> NDArray[np.bool_]:
    masks: NDArray[np.bool_] = infos.get("action_mask", np.empty((rows, 0), np.bool_))
    return masks


def _bytes_of(table: NDArray[Any]) -> NDArray[np.uint8]:
    """The same memory as plain bytes."""
    return table.view(np.ndarray).reshape(-1).view(np.uint8)


def _array(value: Any) -> NDArray[Any]:
    try:
        return np.array(value)
    except ValueError:  # a ragged list; the env refuses what stands for it
        return np.array(None)


def step_body(actions: NDArray[Any]) -> bytes:
    """A step as it stands in the log: the name of the numbers' type, then they, row by row."""
    return actions.dtype.str[1:].encode() + actions.tobytes()


def reset_body(spec: Spec, index: int, seed: Any, options: Any) -> bytes:
    """A reset as it stands in the log: its seed and options as JSON, equal for equal requests.

    Args:
        spec: The session.
        index: Number of the operation. The first one needs a seed for every row: where the request
            has none, the session's.
        seed: None, a number, or for several rows a list of numbers and None.
        options: None, or a dict of plain JSON values.

    Raises:
        ResetError, ScenarioError: for seeds or options of another shape than the env takes.
    """
    rows = spec.rows
    if spec.num_envs is None and seed is not None:
        checked_seed(seed)
    if index == 0 and seed is None:
        seed = spec.seed
    elif index == 0 and isinstance(seed, list):
        seeds = enumerate(row_seeds(seed, rows), spec.seed)
        seed = [default if of_row is None else of_row for default, of_row in seeds]
    if spec.num_envs is None or not isinstance(options, Mapping):
        options = given_options(options)
    options = {name: value for name, value in options.items() if value is not None}
    return json.dumps({"options": options, "seed": seed}, sort_keys=True).encode()
