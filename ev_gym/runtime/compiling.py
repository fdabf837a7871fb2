"""One helper decides how the scalar code runs: compiled by Numba, or as ordinary Python.

`compiled` turns a function into machine code and caches that on disk. Numba's own cache looks at
the file in which a function stands, not at the files of the functions it calls, so it would run
stale code after an edit to `physics/battery.py`. Here the key of each cache entry holds what
`fingerprint` says of the function, beside the types of its arguments, which hold the layouts of the
records.

With the environment variable `NUMBA_DISABLE_JIT=1` the same lines run interpreted, for debugging
and for coverage; `as_records` then gives arrays whose rows can be read by attribute.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.core.caching import FunctionCache

from ev_gym.runtime.fingerprint import file_text, source_fingerprint

F = TypeVar("F", bound=Callable[..., Any])

INTERPRETED: bool = bool(numba.config.DISABLE_JIT)


class _KeyedCache(FunctionCache):  # type: ignore[misc]  # numba ships no types
    """Numba's file cache with the fingerprint of the function in each entry's key."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._function = function
        file_text(function.__code__.co_filename)  # now, while it is the text that was imported

    @functools.cached_property
    def _fingerprint(self) -> str:
        # This file holds the options with which every function is compiled.
        return source_fingerprint(self._function, type(self))

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return (*super()._index_key(sig, codegen), self._fingerprint)


def _cache_on_disk(dispatcher: Any, function: Callable[..., Any]) -> None:
    """Have the machine code of a dispatcher cached on disk, under keys that see every edit.

    With `cache=True` Numba itself would set the private attribute `_cache`, to a `FunctionCache`.
    It offers no public way to add to that cache's keys, so ours, which does, is put there instead.
    `tests/ev_gym/runtime/test_compiling.py` fails if a version of Numba works in another way.
    """
    with contextlib.suppress(RuntimeError):  # no folder is writable: each process compiles anew
        dispatcher._cache = _KeyedCache(function)


def _compile(function: F, **options: bool) -> F:
    if INTERPRETED:

        @functools.wraps(function)
        def interpreted(*args: Any) -> Any:
            with np.errstate(over="ignore"):
                return function(*args)

        return cast(F, interpreted)
    # Compiled code allocates nothing, so it needs no reference counts, which would cost more than
    # the physics.
    dispatcher = numba.njit(nogil=True, error_model="numpy", _nrt=False, **options)(function)
    _cache_on_disk(dispatcher, function)
    return cast(F, dispatcher)


def compiled(function: F) -> F:
    """Compile scalar code with Numba (GIL released, cached on disk where a folder is writable).

    Its callers take its code in, since a call that hands over a dozen arrays costs more than most
    of these functions do. Interpreted, unsigned 64-bit products wrap without NumPy's overflow
    warning, as they do in machine code.
    """
    return _compile(function, forceinline=True)


def compiled_apart(function: F) -> F:
    """Like `compiled`, for code that seldom runs and is better kept out of its callers' loops."""
    return _compile(function)


def inlined(function: F) -> F:
    """Let a tiny function be called by compiled code, into which Numba copies its lines.

    It costs next to nothing to compile, where a `compiled` function costs a tenth of a second for
    each kind of arguments. Meant for the many functions that are called in a single place.
    """
    if INTERPRETED:
        return function
    return cast(F, numba.njit(inline="always")(function))


def entry_point(function: Callable[..., Any], *args: Any) -> Callable[..., Any]:
    """The machine code of a `compiled` function for arguments of just these types and layouts.

    Calling it spares Numba's look at every argument, about a microsecond for a dozen arrays, and
    must only be done with such arguments.
    """
    if INTERPRETED:
        return function
    types = tuple(numba.typeof(arg) for arg in args)
    code: Callable[..., Any] = function.compile(types)  # type: ignore[attr-defined]  # a dispatcher
    return code


def as_records(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array in the form that `compiled` code reads by attribute.

    Compiled code takes a plain structured array about five times faster than a `recarray`;
    ordinary Python needs the `recarray` to write `row.energy_kwh`.
    """
    return array.view(np.recarray) if INTERPRETED else array
