"""One helper decides how the scalar code runs: compiled by Numba, or as ordinary Python.

`compiled` functions call each other; what Python calls among them becomes machine code, with all
that it calls taken in, and is cached on disk. Numba's own cache looks at
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
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import types
from numba.core import event
from numba.core.caching import FunctionCache
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import NativeLowering

from ev_gym.runtime.fingerprint import file_text, source_fingerprint

F = TypeVar("F", bound=Callable[..., Any])

INTERPRETED: bool = bool(numba.config.DISABLE_JIT)
PATIENCE_S = 1.0  # a compile that takes longer is announced


class _KeyedCache(FunctionCache):  # type: ignore[misc]  # numba ships no types
    """Numba's file cache with the fingerprint of the function in each entry's key."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._function = function

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


# --- compiling a function once, in its callers ---
#
# Numba optimises each function that it compiles and makes machine code of it, even if only other
# compiled functions call it. Of our 160 functions a handful is called from Python, and the others
# are optimised again inside these. So they are handed to their callers as they are, which halves
# the time of a first start. Numba offers no public way: the classes below replace parts of its
# compiler, and `tests/ev_gym/runtime/test_compiling.py` fails if a version works in another way.

_OPTIONS = {
    "nopython": True,
    "nogil": True,
    "error_model": "numpy",
    # Compiled code allocates nothing, so it needs no reference counts, which would cost more than
    # the physics.
    "_nrt": False,
    "no_cfunc_wrapper": True,  # nobody calls it from C
}


class _PartOfCallers(JITCodeLibrary):  # type: ignore[misc]  # numba ships no types
    """Code for callers to take in; it is never run by itself.

    Attributes:
        apart: Whether callers keep it as a function of its own, which is then optimised once here.
    """

    apart = False

    def _optimize_final_module(self) -> None:
        if self.apart:
            super()._optimize_final_module()

    def _finalize_final_module(self) -> None:
        # Numba's method goes on to make machine code.
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """No address, because there is no machine code."""
        self._ensure_finalized()
        return 0

    @property
    def codegen(self) -> Any:
        """What Numba asks for to hand the machine code its globals; there is none."""
        return _WithoutMachineCode


class _WithoutMachineCode:
    @staticmethod
    def set_env(name: str, env: Any) -> None:
        """Nothing to set."""


@register_pass(mutates_CFG=True, analysis_only=False)
class _PartLowering(NativeLowering):  # type: ignore[misc]  # numba ships no types
    """Numba's last pass, which writes LLVM's code, into a library for callers."""

    _name = "ev_gym_part_lowering"

    def run_pass(self, state: Any) -> bool:
        """Write the code of the function that Numba is compiling."""
        state.library = _PartOfCallers(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.apart = not state.flags.forceinline
        return bool(super().run_pass(state))


class _PartCompiler(CompilerBase):  # type: ignore[misc]  # numba ships no types
    """Numba's passes, with the last one replaced."""

    def define_pipelines(self) -> list[Any]:
        """The one list of passes."""
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [
            (_PartLowering if kind is NativeLowering else kind, name)
            for kind, name in passes.passes
        ]
        return [passes]


class Announcement(event.Listener):  # type: ignore[misc]  # numba ships no types
    """Says on standard error, once a process, that a compile takes long."""

    done = False

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None

    def on_start(self, happened: Any) -> None:
        """A function is compiled, not found on disk: others that it calls follow within it."""
        if self._timer is None and not Announcement.done:
            self._timer = threading.Timer(PATIENCE_S, self._say)
            self._timer.daemon = True
            self._timer.start()

    def on_end(self, happened: Any) -> None:
        """Nothing: `cancel` comes when all is compiled."""

    def cancel(self) -> None:
        """It did not take long, or is said already."""
        if self._timer is not None:
            self._timer.cancel()

    @staticmethod
    def _say() -> None:
        if Announcement.done or sys.stderr is None:
            return
        Announcement.done = True
        kept = cache_folder()
        until = (
            f"once: the machine code is kept below {kept}"
            if kept
            else "in every process, because no folder is writable: set NUMBA_CACHE_DIR to one"
        )
        clear = "\r\033[K" if sys.stderr.isatty() else ""  # a progress bar may stand there
        print(
            f"{clear}ev_gym: compiling the simulation for this machine. It takes 10 to 30 seconds, "
            + until,
            file=sys.stderr,
            flush=True,
        )


def cache_folder() -> Path | None:
    """The folder below which machine code is kept; None where none is writable."""
    try:
        folder = Path(_KeyedCache(cache_folder).cache_path)
    except RuntimeError:
        return None
    # Beside the modules of all packages, or in a folder for each of them.
    packages = Path(__file__).parents[2]
    return packages if folder.name == "__pycache__" else folder.parent


class _EntryPoint(CPUDispatcher):  # type: ignore[misc]  # numba ships no types
    """A function as Python calls it: machine code, which is cached on disk."""

    def __init__(self, function: Any) -> None:
        super().__init__(function, targetoptions=_OPTIONS)
        _cache_on_disk(self, function)

    def compile(self, sig: Any) -> Any:
        """Compile for arguments of these types, or take it from the disk."""
        announcement = Announcement()
        try:
            with event.install_listener("numba:compile", announcement):
                return super().compile(sig)
        finally:
            announcement.cancel()


class _Compiled(CPUDispatcher):  # type: ignore[misc]  # numba ships no types
    """A function as compiled code calls it: a part of its callers.

    Args:
        function: The function.
        forceinline: Whether callers take its lines in, instead of calling it.
    """

    def __init__(self, function: Any, forceinline: bool) -> None:
        options = {**_OPTIONS, "no_cpython_wrapper": True, "forceinline": forceinline}
        super().__init__(function, targetoptions=options, pipeline_class=_PartCompiler)
        file_text(function.__code__.co_filename)  # now, while it is the text that was imported

    @functools.cached_property
    def entry(self) -> _EntryPoint:
        """The same function as Python calls it."""
        return _EntryPoint(self.py_func)

    def __call__(self, *args: Any) -> Any:
        return self.entry(*args)

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Compile for types alone: a literal argument would make one more variant of each value."""
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


def inlined(function: F) -> F:
    """Let a tiny function be called by compiled code, into which Numba copies its lines.

    It costs next to nothing to compile, where a `compiled` function costs a tenth of a second for
    each kind of arguments. Meant for the many functions that are called in a single place.
    """
    if INTERPRETED:
        return function
    file_text(function.__code__.co_filename)  # as of what is compiled: the text that was imported
    return cast(F, numba.njit(inline="always")(function))


def entry_point(function: Callable[..., Any], *args: Any) -> Callable[..., Any]:
    """The machine code of a `compiled` function for arguments of just these types and layouts.

    Calling it spares Numba's look at every argument, about a microsecond for a dozen arrays, and
    must only be done with such arguments.
    """
    if INTERPRETED:
        return function
    signature = tuple(numba.typeof(arg) for arg in args)
    code: Callable[..., Any] = function.entry.compile(signature)  # type: ignore[attr-defined]  # _Compiled
    return code


def as_records(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array in the form that `compiled` code reads by attribute.

    Compiled code takes a plain structured array about five times faster than a `recarray`;
    ordinary Python needs the `recarray` to write `row.energy_kwh`.
    """
    return array.view(np.recarray) if INTERPRETED else array
