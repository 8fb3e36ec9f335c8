"""Decorators of numba's kernels, and of functions that only kernels call.

`numba.njit` also compiles a wrapper for calls from Python and one for calls from C, which for a
function of many arrays takes longer than the function itself. Kernels have only the first, inner
functions neither.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

Function = Callable[..., Any]
_KERNEL = {"error_model": "numpy", "no_cfunc_wrapper": True}
_INNER = {**_KERNEL, "no_cpython_wrapper": True}

kernel = njit(cache=True, nogil=True, **_KERNEL)
"""Compile a function for Python that gives up the interpreter's lock; division by zero gives inf or
NaN."""


class Inner:
    """A compiled function without wrappers: numba would follow a null pointer if Python called it,
    so this raises TypeError. Numba takes the object for the function by its ``_numba_type_``.

    signature: the only one, to which arguments are cast, compiled with the first kernel that calls
    the function; by default one for each set of types.
    """

    def __init__(self, compiled: Any, signature: str | None = None) -> None:
        self._compiled, self._signature = compiled, signature
        self.__doc__, self.__name__ = compiled.__doc__, compiled.__name__

    @property
    def _numba_type_(self) -> Any:
        if self._signature is not None and not self._compiled.signatures:
            self._compiled.compile(self._signature)
            self._compiled.disable_compile()
        return self._compiled._numba_type_

    def __call__(self, *arguments: object) -> Any:
        raise TypeError(f"Only kernels can call {self.__name__}.")


def inner(function: Function) -> Inner:
    """Compile a function for kernels; division by zero gives inf or NaN."""
    return Inner(njit(cache=True, **_INNER)(function))


def inner_of(signature: str) -> Callable[[Function], Inner]:
    """The same for arguments of one signature, which numbers written in a call don't multiply."""
    return lambda function: Inner(njit(cache=True, **_INNER)(function), signature)


def inlined(function: Function) -> Inner:
    """The same for a function that is inlined wherever it is called."""
    return Inner(njit(forceinline=True, **_INNER)(function))
