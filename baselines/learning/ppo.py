"""PPO on the native vector env, in one file: rollouts, advantages, updates.

Proximal policy optimization (Schulman and others 2017, doi:10.48550/arXiv.1707.06347) with
generalized advantages (Schulman and others 2016, doi:10.48550/arXiv.1506.02438), and what this env
asks for:

- Only steps count in which a car can be charged: in two of three it is away or full. Between two
  of them rewards are added up with their discount, and advantages are taken from one to the next.
- Choices are the charger's currents. Those that can do nothing are masked.
- The env truncates and never terminates, so at a horizon the value of the last state stands for
  what follows.
- Rows begin their months on different days, so that each rollout holds all days of a month.
- The power charge reaches the learner by a potential, and the critic, which only training needs,
  knows more than the actor (`privileged`).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from torch import nn

from baselines.learning.features import Features
from baselines.learning.network import MOST_DEVIATIONS
from baselines.learning.privileged import Privileged
from baselines.policies.base import Policy
from ev_gym.runtime.arrays import Bools, Floats, Ints
from ev_gym.runtime.durations import DAY_MIN
from ev_gym.scenario import Scenario
from ev_gym.simulation.actions import ActionMap
from ev_gym.vector_env import EVChargingVectorEnv

MONTH_DAYS = 30


@dataclass(frozen=True)
class Settings:
    """What was found by trying on training worlds of `stockholm`.

    Attributes:
        rows: Households side by side.
        rollout_steps: Steps of each between two updates.
        discount: Of a step.
        trace: How far advantages look beyond the critic, lambda.
        learning_rate: At the start; it falls to nothing on a cosine.
        epochs: How often an update goes through its samples.
        batch: Samples of a gradient step.
        clip: How far a choice's chance may move in an update, as a ratio.
        entropy: Reward of an undecided policy at the start; it falls to nothing.
        units: Of each of the two layers of the actor; the critic has twice as many.
        money: So many units of money are a reward of 1.
    """

    rows: int = 1024
    rollout_steps: int = 64
    discount: float = 0.998
    trace: float = 0.95
    learning_rate: float = 1e-3
    epochs: int = 5
    batch: int = 4096
    clip: float = 0.2
    entropy: float = 0.003
    units: int = 128
    money: float = 10.0


class Moments:
    """Running mean and variance of F numbers (Chan, Golub and LeVeque 1983)."""

    def __init__(self, size: int) -> None:
        self.count, self.mean, self.variance = 0.0, np.zeros(size), np.ones(size)

    def add(self, samples: NDArray[Any]) -> None:
        """Take in samples (..., F)."""
        samples = samples.reshape(-1, samples.shape[-1]).astype(np.float64)
        count = self.count + len(samples)
        step, share = samples.mean(axis=0) - self.mean, len(samples) / count
        self.variance += share * (samples.var(axis=0) - self.variance)
        self.variance += share * (1.0 - share) * step**2
        self.mean, self.count = self.mean + share * step, count

    def state(self) -> torch.Tensor:
        """Count, means and variances, for `restore`."""
        return torch.from_numpy(np.concatenate([[self.count], self.mean, self.variance]))

    def restore(self, state: torch.Tensor) -> None:
        """Go on where `state` was taken."""
        numbers, size = state.numpy(), self.mean.size
        self.count = float(numbers[0])
        self.mean, self.variance = numbers[1 : 1 + size].copy(), numbers[1 + size :].copy()

    @property
    def deviation(self) -> Floats:
        """(F,) never 0."""
        return np.sqrt(self.variance + 1e-6)

    def normalised(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """Samples (..., F) as deviations from the mean."""
        deviations = (samples - self.mean) / self.deviation
        return np.clip(deviations, -MOST_DEVIATIONS, MOST_DEVIATIONS).astype(np.float32)


class Sight(NamedTuple):
    """What rows see before a step."""

    features: NDArray[np.float32]  # (n, F)
    privileged: NDArray[np.float32]  # (n, P)
    potential: Floats  # (n,)


class Rows:
    """The households that are trained on: their env, what they see, and how they begin anew."""

    def __init__(self, scenario: Scenario, rows: int, seed: int) -> None:
        self.env = EVChargingVectorEnv(
            rows,
            scenario,
            split="train",
            continuous=False,
            autoreset_mode=AutoresetMode.DISABLED,
            copy=False,
            info="none",
        )
        self._choices = ActionMap(scenario, continuous=False).choices
        self._viewer = Policy(scenario, continuous=False)
        self._features = Features(scenario)
        self._privileged = Privileged(self.env.simulator)
        self.levels = [len(levels) for levels in self._viewer.levels]
        self.widths = len(self._features.names), len(self._privileged.names)
        self._stagger(rows, seed)

    def _stagger(self, rows: int, seed: int) -> None:
        """Let rows begin their first month day by day, so that they stand on all days of one."""
        observations, _ = self.env.reset(seed=seed)
        idle = np.zeros((rows, len(self.levels)) if len(self.levels) > 1 else rows, np.int64)
        days = np.arange(rows) * MONTH_DAYS // rows
        for day in range(MONTH_DAYS):
            for _ in range(DAY_MIN // self.env.scenario.time_step_min):
                observations, _, _, over, _ = self.env.step(idle)
                if over.any():
                    observations, _ = self.env.reset(options={"reset_mask": over.copy()})
            if (days == day).any():
                observations, _ = self.env.reset(options={"reset_mask": days == day})
        self._features.reset()
        self.sight = self._see(self._features(self._viewer.view(observations)))

    def _see(self, features: NDArray[np.float32]) -> Sight:
        potential, privileged = self._privileged()
        return Sight(features, privileged, potential)

    def masks(self) -> Bools:
        """(n, C) which choices can do anything."""
        return np.asarray(self.env.simulator.action_masks(*self._choices))

    def step(self, actions: Ints) -> tuple[Floats, Bools, Sight]:
        """Step all rows: rewards (n,), which are over (n,), and what stood at the end of the step.

        Rows that are over then begin anew, and `sight` is theirs.
        """
        observations, rewards, _, over, _ = self.env.step(actions)
        last = self._see(self._features(self._viewer.view(observations)))
        over = over.copy()
        self.sight = last
        if over.any():
            observations, _ = self.env.reset(options={"reset_mask": over})
            rows = np.flatnonzero(over)
            self._features.reset(rows)
            features = last.features.copy()
            view = self._viewer.view(observations[rows])
            features[rows] = self._features.of_rows(view, rows)
            self.sight = self._see(features)
        return rewards.copy(), over, last

    def state(self) -> dict[str, Any]:
        """Households, and what their features remember, for `restore`."""
        saved = np.frombuffer(self.env.get_state(), np.uint8)
        memory = {name: torch.from_numpy(array.copy()) for name, array in self._features.state()}
        sight = {name: torch.from_numpy(array) for name, array in self.sight._asdict().items()}
        return {"env": torch.from_numpy(saved.copy()), "memory": memory, "sight": sight}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.env.set_state(state["env"].numpy().tobytes())
        self._features.restore({name: array.numpy() for name, array in state["memory"].items()})
        self.sight = Sight(**{name: array.numpy() for name, array in state["sight"].items()})


# --- actor and critic ---


def layers(inputs: int, units: int, outputs: int, gain: float) -> nn.Sequential:
    """Two rectified layers and a linear one, whose weights begin orthogonal."""
    linear = [nn.Linear(inputs, units), nn.Linear(units, units), nn.Linear(units, outputs)]
    for layer, scale in zip(linear, (math.sqrt(2.0), math.sqrt(2.0), gain), strict=True):
        nn.init.orthogonal_(layer.weight, scale)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(linear[0], nn.ReLU(), linear[1], nn.ReLU(), linear[2])


def log_chances(scores: torch.Tensor, masks: torch.Tensor, levels: list[int]) -> torch.Tensor:
    """(n, C) the logarithm of each choice's chance among those of its car."""
    masked = scores.masked_fill(~masks, -1e9)
    return torch.cat(
        [of_car.log_softmax(dim=1) for of_car in torch.split(masked, levels, dim=1)], dim=1
    )


def draw(log_chance: Floats, levels: list[int], rng: np.random.Generator) -> Ints:
    """(n, K) a choice for each car, as its place among all choices."""
    drawn = log_chance + rng.gumbel(size=log_chance.shape)
    firsts = np.cumsum([0, *levels[:-1]])
    return np.stack(
        [
            first + drawn[:, first : first + count].argmax(axis=1)
            for first, count in zip(firsts, levels, strict=True)
        ],
        axis=1,
    )


# --- a rollout ---


class Rollout(NamedTuple):
    """T steps of n rows, and what followed."""

    features: NDArray[np.float32]  # (T, n, F)
    privileged: NDArray[np.float32]  # (T, n, P)
    masks: Bools  # (T, n, C)
    choices: Ints  # (T, n, K) places among all choices
    log_chances: NDArray[np.float32]  # (T, n) of what was chosen, all cars together
    values: NDArray[np.float32]  # (T, n) what the critic expects
    rewards: Floats  # (T, n) with the rise of the potential
    over: Bools  # (T, n)
    values_at_end: NDArray[np.float32]  # (T, n) where an episode is over, of its last state
    next_values: NDArray[np.float32]  # (n,) after the last step

    @property
    def decides(self) -> Bools:
        """(T, n) whether there is anything to choose."""
        return np.asarray(self.masks.sum(axis=2) > self.choices.shape[2])


def advantages(rollout: Rollout, discount: float, trace: float) -> Floats:
    """(T, n) generalized advantages of the steps with a choice; 0 elsewhere.

    Rewards of steps without a choice belong to the choice before them.
    """
    steps, rows = rollout.rewards.shape
    decides, found = rollout.decides, np.zeros((steps, rows))
    next_value = rollout.next_values.astype(np.float64)
    next_advantage, reward, share = np.zeros(rows), np.zeros(rows), np.ones(rows)
    for t in range(steps - 1, -1, -1):
        over, here = rollout.over[t], decides[t]
        next_value = np.where(over, rollout.values_at_end[t], next_value)
        next_advantage = np.where(over, 0.0, next_advantage)
        reward = rollout.rewards[t] + discount * np.where(over, 0.0, reward)
        share = discount * np.where(over, 1.0, share)
        advantage = reward + share * (next_value + trace * next_advantage) - rollout.values[t]
        found[t] = np.where(here, advantage, 0.0)
        next_value = np.where(here, rollout.values[t], next_value)
        next_advantage = np.where(here, advantage, next_advantage)
        reward, share = np.where(here, 0.0, reward), np.where(here, 1.0, share)
    return found


class Learner:
    """Actor, critic, and what they need to go on from where they stopped.

    Args:
        scenario: The scenario.
        settings: See `Settings`.
        seed: Of households, first weights and choices.
    """

    def __init__(self, scenario: Scenario, settings: Settings, seed: int) -> None:
        self.settings = settings
        self.rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        self.rows = Rows(scenario, settings.rows, int(self.rng.integers(2**62)))
        features, privileged = self.rows.widths
        choices = sum(self.rows.levels)
        self.actor = layers(features, settings.units, choices, 0.01)
        self.critic = layers(features + privileged, 2 * settings.units, 1, 1.0)
        parameters = [*self.actor.parameters(), *self.critic.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=settings.learning_rate, eps=1e-5)
        self.features, self.privileged = Moments(features), Moments(privileged)
        self._note(self.rows.sight.features, self.rows.sight.privileged)
        self.steps = 0

    def _note(self, features: NDArray[np.float32], privileged: NDArray[np.float32]) -> None:
        self.features.add(features)
        self.privileged.add(privileged)

    def learn(self, progress: float) -> dict[str, float]:
        """One rollout and one update; `progress` is from 0 at the start to 1 at the end."""
        rollout, raw = self._roll_out()
        found = advantages(rollout, self.settings.discount, self.settings.trace)
        told = self._update(rollout, found, progress)
        self._note(*raw)
        self.steps += rollout.rewards.size
        return told

    def _value(self, sight: Sight, rows: Any = slice(None)) -> NDArray[np.float32]:
        seen = [self.features.normalised(sight.features[rows]),
                self.privileged.normalised(sight.privileged[rows])]  # fmt: skip
        with torch.no_grad():
            values: NDArray[np.float32] = self.critic(torch.from_numpy(np.hstack(seen)))[
                :, 0
            ].numpy()
        return values

    def _roll_out(self) -> tuple[Rollout, tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """A rollout, and the features and privileged vectors in it before they are normalised."""
        settings, rows = self.settings, self.rows
        steps, n, cars = settings.rollout_steps, settings.rows, len(rows.levels)
        (features, privileged), choices = rows.widths, sum(rows.levels)
        raw = (
            np.empty((steps, n, features), np.float32),
            np.empty((steps, n, privileged), np.float32),
        )
        masks, chosen = (
            np.empty((steps, n, choices), np.bool_),
            np.zeros((steps, n, cars), np.int64),
        )
        log_chance, at_end = np.zeros((steps, n), np.float32), np.zeros((steps, n), np.float32)
        rewards, over = np.empty((steps, n)), np.empty((steps, n), np.bool_)
        firsts = np.cumsum([0, *rows.levels[:-1]])
        for t in range(steps):
            sight = rows.sight
            raw[0][t], raw[1][t], masks[t] = sight.features, sight.privileged, rows.masks()
            chosen[t] = firsts
            deciding = np.flatnonzero(masks[t].sum(axis=1) > cars)
            seen = torch.from_numpy(self.features.normalised(sight.features[deciding]))
            with torch.no_grad():
                of_masks = torch.from_numpy(masks[t][deciding])
                logs = log_chances(self.actor(seen), of_masks, rows.levels).numpy()
            chosen[t, deciding] = draw(logs, rows.levels, self.rng)
            log_chance[t, deciding] = np.take_along_axis(logs, chosen[t, deciding], 1).sum(axis=1)
            levels = chosen[t] - firsts
            money, over[t], last = rows.step(levels[:, 0] if cars == 1 else levels)
            rise = settings.discount * last.potential - sight.potential
            rewards[t] = (money + rise) / settings.money
            if over[t].any():
                at_end[t, over[t]] = self._value(last, over[t])
        seen_all = self.features.normalised(raw[0]), self.privileged.normalised(raw[1])
        with torch.no_grad():
            both = torch.from_numpy(np.concatenate(seen_all, axis=2))
            values = self.critic(both)[:, :, 0].numpy()
        after = self._value(rows.sight)
        return Rollout(
            *seen_all, masks, chosen, log_chance, values, rewards, over, at_end, after
        ), raw

    def _update(self, rollout: Rollout, found: Floats, progress: float) -> dict[str, float]:
        settings, places = self.settings, np.nonzero(rollout.decides)
        rate = settings.learning_rate * 0.5 * (1.0 + math.cos(math.pi * progress))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        seen = torch.from_numpy(rollout.features[places])
        both = torch.cat([seen, torch.from_numpy(rollout.privileged[places])], dim=1)
        masks = torch.from_numpy(rollout.masks[places])
        choices = torch.from_numpy(rollout.choices[places])
        before = torch.from_numpy(rollout.log_chances[places])
        better = torch.from_numpy(found[places].astype(np.float32))
        returns = better + torch.from_numpy(rollout.values[places])
        losses = []
        for _ in range(settings.epochs):
            order = torch.from_numpy(self.rng.permutation(len(seen)))
            for part in torch.split(order, settings.batch):
                if len(part) < settings.batch // 2:
                    continue
                logs = log_chances(self.actor(seen[part]), masks[part], self.rows.levels)
                ratio = (logs.gather(1, choices[part]).sum(dim=1) - before[part]).exp()
                gain = (better[part] - better[part].mean()) / (better[part].std() + 1e-8)
                near = ratio.clamp(1.0 - settings.clip, 1.0 + settings.clip)
                policy_loss = -torch.min(ratio * gain, near * gain).mean()
                undecided = -(logs.exp() * logs.clamp(min=-50.0)).sum(dim=1).mean()
                miss = ((self.critic(both[part])[:, 0] - returns[part]) ** 2).mean()
                entropy = settings.entropy * (1.0 - progress)
                loss = policy_loss - entropy * undecided + 0.5 * miss
                self.optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.actor.parameters(), 0.5)
                nn.utils.clip_grad_norm_(self.critic.parameters(), 1.0)
                self.optimizer.step()
                losses.append((float(miss.detach()), float(undecided.detach())))
        missed, undecided_mean = np.mean(losses, axis=0) if losses else (0.0, 0.0)
        return {"value_loss": float(missed), "entropy": float(undecided_mean)}

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The actor as the arrays of `network.Network`."""
        found = {"mean": self.features.mean, "deviation": self.features.deviation}
        linear = [layer for layer in self.actor if isinstance(layer, nn.Linear)]
        for number, layer in enumerate(linear, start=1):
            found[f"weights_{number}"] = layer.weight.detach().numpy().T
            found[f"biases_{number}"] = layer.bias.detach().numpy()
        return {name: np.array(array, np.float32) for name, array in found.items()}

    def state(self) -> dict[str, Any]:
        """Everything that the next update depends on, for `restore`."""
        return {
            "actor": self.actor.state_dict(),
            "critic": self.critic.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": json.dumps(self.rng.bit_generator.state),
            "features": self.features.state(),
            "privileged": self.privileged.state(),
            "rows": self.rows.state(),
            "steps": self.steps,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.actor.load_state_dict(state["actor"])
        self.critic.load_state_dict(state["critic"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rng.bit_generator.state = json.loads(state["random"])
        self.features.restore(state["features"])
        self.privileged.restore(state["privileged"])
        self.rows.restore(state["rows"])
        self.steps = state["steps"]
