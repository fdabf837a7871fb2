"""Model predictive control: the receding horizon."""

from __future__ import annotations

from baselines.mpc.policy import Mpc

__all__ = ["Mpc"]
