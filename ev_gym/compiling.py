"""One helper decides how the scalar code runs: compiled by Numba, or as ordinary Python.

`compiled` turns a function into machine code and caches that on disk. Numba's own cache looks at
the file a function stands in, not at the files of the functions it calls, so an edited
`physics/battery.py` would go unnoticed by a cached `simulator` loop. The cache here is keyed on
the text of every module that holds compiled code and on the layout of the records they share.

With the environment variable `NUMBA_DISABLE_JIT=1` the same lines run interpreted, for debugging
and for coverage; `as_records` then gives arrays whose rows can be read by attribute.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import types
from numba.core.caching import FunctionCache
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import NativeLowering

F = TypeVar("F", bound=Callable[..., Any])

INTERPRETED: bool = bool(numba.config.DISABLE_JIT)

_ROOT = Path(__file__).parent


@functools.lru_cache(maxsize=1)
def source_fingerprint() -> str:
    """Hash of every source file that can hold compiled code or a record layout."""
    digest = hashlib.sha256()
    files = sorted([*(_ROOT / "physics").glob("*.py"), *_ROOT.glob("*.py")])
    for path in files:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


class _KeyedCache(FunctionCache):  # type: ignore[misc]  # numba ships no types
    """Numba's file cache with the fingerprint of all our sources in each entry's key."""

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return (*super()._index_key(sig, codegen), source_fingerprint())


class _PartOfCallers(JITCodeLibrary):  # type: ignore[misc]
    """Code that its callers take in: neither optimised nor made machine code by itself."""

    apart = False

    def _optimize_final_module(self) -> None:
        if self.apart:
            super()._optimize_final_module()

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        self._ensure_finalized()
        return 0

    @property
    def codegen(self) -> Any:
        return _NoEnvironment


class _NoEnvironment:
    @staticmethod
    def set_env(name: str, env: Any) -> None:
        pass


@register_pass(mutates_CFG=True, analysis_only=False)
class _PartLowering(NativeLowering):  # type: ignore[misc]
    """Numba's last pass, for code that its callers take in."""

    _name = "part_lowering"

    def run_pass(self, state: Any) -> bool:
        state.library = _PartOfCallers(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.apart = not state.flags.forceinline
        return bool(super().run_pass(state))


class _PartCompiler(CompilerBase):  # type: ignore[misc]
    def define_pipelines(self) -> list[Any]:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [
            (_PartLowering if kind is NativeLowering else kind, name)
            for kind, name in passes.passes
        ]
        return [passes]


OPTIONS = {"nopython": True, "nogil": True, "error_model": "numpy", "_nrt": False}


class _Compiled(CPUDispatcher):  # type: ignore[misc]
    """Compiled as a part of its callers; what Python calls is an entry point of its own."""

    def __init__(self, function: Any, forceinline: bool) -> None:
        wrappers = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
        options = OPTIONS | wrappers | {"forceinline": forceinline}
        super().__init__(function, targetoptions=options, pipeline_class=_PartCompiler)

    @functools.cached_property
    def entry(self) -> Any:
        dispatcher = CPUDispatcher(self.py_func, targetoptions=OPTIONS | {"no_cfunc_wrapper": True})
        with contextlib.suppress(RuntimeError):
            dispatcher._cache = _KeyedCache(self.py_func)
        return dispatcher

    def __call__(self, *args: Any) -> Any:
        return self.entry(*args)

    def get_call_template(self, args: Any, kws: Any) -> Any:
        return super().get_call_template(tuple(types.unliteral(arg) for arg in args), kws)


def _compile(function: F, forceinline: bool) -> F:
    if INTERPRETED:

        @functools.wraps(function)
        def interpreted(*args: Any) -> Any:
            with np.errstate(over="ignore"):
                return function(*args)

        return cast(F, interpreted)
    return cast(F, _Compiled(function, forceinline))


def compiled(function: F) -> F:
    """Compile scalar code with Numba (GIL released, cached on disk where a folder is writable).

    Its callers take its code in, since a call that hands over a dozen arrays costs more than most
    of these functions do. Interpreted, unsigned 64-bit products wrap without NumPy's overflow
    warning, as they do in machine code.
    """
    return _compile(function, True)


def compiled_apart(function: F) -> F:
    """Like `compiled`, for code that seldom runs and is better kept out of its callers' loops."""
    return _compile(function, False)


def entry_point(function: Callable[..., Any], *args: Any) -> Callable[..., Any]:
    """The machine code of a `compiled` function for arguments of just these types and layouts.

    Calling it spares Numba's look at every argument, about a microsecond for a dozen arrays, and
    must only be done with such arguments.
    """
    if INTERPRETED:
        return function
    signature = tuple(numba.typeof(arg) for arg in args)
    code: Callable[..., Any] = function.entry.compile(signature)  # type: ignore[attr-defined]
    return code


def as_records(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array in the form that `compiled` code reads by attribute.

    Compiled code takes a plain structured array about five times faster than a `recarray`;
    ordinary Python needs the `recarray` to write `row.energy_kwh`.
    """
    return array.view(np.recarray) if INTERPRETED else array
