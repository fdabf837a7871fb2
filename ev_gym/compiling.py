"""One helper decides how the scalar code runs: compiled by Numba, or as ordinary Python.

`compiled` functions call each other; what Python calls among them becomes machine code, with all
that it calls taken in and optimised once, and is cached on disk. Numba's own cache looks at
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

F = TypeVar("F", bound=Callable[..., Any])

INTERPRETED: bool = bool(numba.config.DISABLE_JIT)

PATIENCE_S = 1.0

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
    """Code that its callers take in, kept as LLVM's intermediate code.

    Numba would optimise each function and make machine code of it, together with all that it
    calls, and do so again in each caller: in a chain of ten calls ten times. Only the entry points
    need machine code. What is kept apart is optimised, because that gives faster loops.
    """

    apart = False

    def _optimize_final_module(self) -> None:
        if self.apart:
            super()._optimize_final_module()

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """There is no machine code."""
        self._ensure_finalized()
        return 0

    @property
    def codegen(self) -> Any:
        """What is asked to note an environment; only machine code has a place for one."""
        return _NoEnvironment


class _NoEnvironment:
    @staticmethod
    def set_env(name: str, env: Any) -> None:
        pass


@register_pass(mutates_CFG=True, analysis_only=False)
class _PartLowering(NativeLowering):  # type: ignore[misc]
    """Numba's last pass, writing into the library above."""

    _name = "ev_gym_part_lowering"

    def run_pass(self, state: Any) -> bool:
        state.library = _PartOfCallers(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.apart = not state.flags.forceinline
        return bool(super().run_pass(state))


class _PartCompiler(CompilerBase):  # type: ignore[misc]
    def define_pipelines(self) -> list[Any]:
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
        manager.passes = [
            (_PartLowering if kind is NativeLowering else kind, name)
            for kind, name in manager.passes
        ]
        return [manager]


class Announcement(event.Listener):  # type: ignore[misc]
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
        own = Path(_KeyedCache(cache_folder).cache_path)
    except RuntimeError:
        return None
    # Beside the modules of all packages, or in a folder for each of them.
    return _ROOT.parent if own.name == "__pycache__" else own.parent


OPTIONS = {"nopython": True, "nogil": True, "error_model": "numpy", "_nrt": False}


class _EntryPoint(CPUDispatcher):  # type: ignore[misc]
    """What Python calls: machine code, kept on disk where a folder is writable."""

    def __init__(self, function: Any) -> None:
        super().__init__(function, targetoptions=OPTIONS | {"no_cfunc_wrapper": True})
        # Without a writable folder anywhere each process compiles anew.
        with contextlib.suppress(RuntimeError):
            self._cache = _KeyedCache(function)

    def compile(self, sig: Any) -> Any:
        announcement = Announcement()
        try:
            with event.install_listener("numba:compile", announcement):
                return super().compile(sig)
        finally:
            announcement.cancel()


class _Compiled(CPUDispatcher):  # type: ignore[misc]
    """What compiled code calls; a call from Python goes to an entry point.

    Compiled code allocates nothing, so it needs no reference counts, which would cost more than the
    physics.
    """

    def __init__(self, function: Any, forceinline: bool) -> None:
        wrappers = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
        options = OPTIONS | wrappers | {"forceinline": forceinline}
        super().__init__(function, targetoptions=options, pipeline_class=_PartCompiler)

    @functools.cached_property
    def entry(self) -> _EntryPoint:
        return _EntryPoint(self.py_func)

    def __call__(self, *args: Any) -> Any:
        return self.entry(*args)

    def get_call_template(self, args: Any, kws: Any) -> Any:
        # Numba would compile once more for each number that a caller writes as an argument.
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
    """Compile scalar code with Numba (GIL released; what Python calls is kept on disk).

    Its callers take its code in, since a call that hands over a dozen arrays costs more than most
    of these functions do. Interpreted, unsigned 64-bit products wrap without NumPy's overflow
    warning, as they do in machine code.
    """
    return _compile(function, True)


def compiled_apart(function: F) -> F:
    """Like `compiled`, for code that is better kept out of its callers' loops."""
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
