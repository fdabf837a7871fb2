"""Policies for `EVCharging-v0` and the comparison of them."""

from __future__ import annotations

from baselines.policies.base import POLICY_NAMES, Policy, make_policy

__all__ = ["POLICY_NAMES", "Policy", "make_policy"]
