"""Households at the other end of a network: remote envs, and a client of the classic station."""

from __future__ import annotations

from baselines.remote.envs import RemoteEnv, RemoteVectorEnv

__all__ = ["RemoteEnv", "RemoteVectorEnv"]
