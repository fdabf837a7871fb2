"""A hash of all that the results of a function depend on besides its arguments.

That is the text of the files in which the function and all that it calls stand, however many calls
away, and the values of the module constants that these read. It is found by following the names in
the code of the functions, so nobody has to keep a list of files, and an edit to any other file
leaves the hash as it is. NumPy, Numba and the standard library are not followed.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import linecache
import sys
from collections.abc import Callable, Iterator
from pathlib import PurePath
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

_NOT_FOLLOWED = sys.stdlib_module_names | {"numpy", "numba"}


@functools.cache
def file_text(path: str) -> str:
    """Text of a source file as it was when this was first called.

    Called early, it gives the lines that this process runs, even if the file is edited later.
    """
    return "".join(linecache.getlines(path))  # which also knows the cells of a notebook


def source_fingerprint(*starts: Callable[..., Any]) -> str:
    """Hash of what some functions depend on.

    Args:
        starts: Functions, compiled or not. Of a class only the file counts, not what it calls.

    Returns:
        64 hexadecimal digits.

    Raises:
        TypeError: if a function reads a module constant of a kind that this does not hash.
    """
    paths, constants = dependencies(*starts)
    digest = hashlib.sha256()
    for module, path in sorted(paths.items()):
        digest.update(f"{module}\n{file_text(path)}".encode())
    for name, value in sorted(constants.items()):
        digest.update(f"{name} = {_described(name, value)}\n".encode())
    return digest.hexdigest()


def dependencies(*starts: Callable[..., Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """The files and constants that `source_fingerprint` hashes.

    Returns:
        Paths of the source files by module; and values of the constants by `"module.NAME"`, where
        the module is the one in which the constant is read, or `module` in `module.NAME`.
    """
    paths: dict[str, str] = {}
    constants: dict[str, Any] = {}
    waiting: list[tuple[str, Any]] = [("", start) for start in starts]
    met = set()
    while waiting:
        name, value = waiting.pop()
        # Of a compiled or cached function, the function as it was written.
        value = inspect.unwrap(value) if callable(value) else value
        if inspect.isfunction(value) or inspect.isclass(value):
            module = value.__module__
            if value in met or module.partition(".")[0] in _NOT_FOLLOWED:
                continue
            met.add(value)
            if inspect.isfunction(value):
                paths[module] = value.__code__.co_filename
                waiting += _values_read(value)
            else:
                paths[module] = str(getattr(sys.modules[module], "__file__", ""))
        elif not callable(value):
            constants[name] = value
    return paths, constants


def _names(code: CodeType) -> set[str]:
    """Names of globals and attributes in the code of a function and of functions within it."""
    inner = [_names(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*inner)


def _values_read(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Globals that a function names, by "module.NAME"; of a module, its members so named."""
    names = _names(function.__code__)
    spaces, met = [(function.__module__, function.__globals__)], set()
    while spaces:
        place, space = spaces.pop()
        for name in names & space.keys():
            value = space[name]
            if not isinstance(value, ModuleType):
                yield f"{place}.{name}", value
            elif value.__name__.partition(".")[0] not in _NOT_FOLLOWED and value not in met:
                met.add(value)
                spaces.append((value.__name__, vars(value)))


def _described(name: str, value: Any) -> str:
    """A constant as text: the same in every process, another where the value is another."""
    if isinstance(value, (np.ndarray, np.generic)):
        return f"{value.dtype.descr} {value.shape} {value.tobytes().hex()}"
    if isinstance(value, np.dtype):
        return f"{value.descr} {value.itemsize} {value.alignment}"
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__}({', '.join(_described(name, item) for item in value)})"
    if isinstance(value, dict):
        return f"dict({_described(name, list(value.items()))})"
    if isinstance(value, PurePath):
        return repr(value.name)  # the folders above it differ from machine to machine
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)
    raise TypeError(
        f"{name} is a {type(value).__name__}, of which a change could not be seen; allowed: "
        "numbers, text, arrays, record layouts, paths, and tuples, lists and dicts of these"
    )
