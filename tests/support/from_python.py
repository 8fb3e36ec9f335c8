"""Calls from Python of functions that only kernels can call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def from_python(function: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel that calls one of `ops.inner`'s functions."""

    @njit
    def call(*arguments):
        return function(*arguments)

    return call
