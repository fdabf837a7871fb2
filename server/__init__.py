"""The household over HTTP: the classic charging station, and the Gymnasium protocol under /v1."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from server.app import create_app
    from server.config import Config

_HOME = {"Config": "server.config", "create_app": "server.app"}

__all__ = ["Config", "create_app"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'server' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
