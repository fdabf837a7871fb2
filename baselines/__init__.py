"""Policies for `EVCharging-v0` and the comparison of them."""

from __future__ import annotations

from baselines.policies.base import Policy
from baselines.policies.specs import POLICY_NAMES, make_policy

__all__ = ["POLICY_NAMES", "Policy", "make_policy"]
