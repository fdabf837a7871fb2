"""The envs at the other end of a network, for `gymnasium.make`: those of `baselines.remote`.

A script may lie beside a `baselines.py` of its own, which Python would find first. So the package
`baselines` is loaded from where it stands: beside this one.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

__all__ = ["RemoteEnv", "RemoteVectorEnv"]  # noqa: F822  # __getattr__ finds them

_PACKAGES = Path(__file__).resolve().parents[1]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _load_baselines()
    return getattr(importlib.import_module("baselines.remote"), name)


def _load_baselines() -> None:
    """Import the package `baselines` that stands beside this one.

    Raises:
        ImportError: if another module of that name is already imported; names its file.
    """
    module = sys.modules.get("baselines")
    if module is not None:
        file = module.__file__
        if file is None or Path(file).resolve().parent != _PACKAGES / "baselines":
            raise ImportError(
                f"EVChargingRemote-v0 needs the package baselines of ev_gym, but {file} is imported"
                " under that name; allowed: any other name, so rename it"
            )
        return
    spec = PathFinder.find_spec("baselines", [str(_PACKAGES)])
    if spec is None or spec.loader is None:
        raise ImportError(f"there is no package baselines beside ev_gym, in {_PACKAGES}")
    module = module_from_spec(spec)
    sys.modules["baselines"] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules["baselines"]
        raise
