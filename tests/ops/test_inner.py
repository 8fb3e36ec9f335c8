"""Functions of kernels are compiled for kernels alone."""

import numpy as np
import pytest
from from_python import from_python
from numba import njit

from portraiture.ops.inner import inlined, inner, inner_of


@pytest.mark.parametrize("decorator", (inner, inlined))
def test_kernels_call_what_python_cannot(decorator) -> None:
    @decorator
    def quotient(a, b):
        return a / b

    assert from_python(quotient)(1.0, 4.0) == 0.25
    assert from_python(quotient)(1.0, 0.0) == float("inf")
    with pytest.raises(TypeError, match="Only kernels can call quotient"):
        quotient(1.0, 4.0)


def test_numbers_written_in_a_call_compile_no_copies() -> None:
    @inner_of("f8(f8, i8)")
    def times(a, b):
        return a * b

    assert times._compiled.signatures == []

    @njit
    def call(a):
        return times(a, 3) + times(a, 4) + times(2, 5)

    assert call(np.float32(1.5)) == 20.5
    assert len(times._compiled.signatures) == 1
    with pytest.raises(TypeError, match="Only kernels can call times"):
        times(1.0, 4)
