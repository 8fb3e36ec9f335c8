"""Functions of kernels are compiled for kernels alone."""

import pytest
from from_python import from_python

from portraiture.ops.inner import inlined, inner


@pytest.mark.parametrize("decorator", (inner, inlined))
def test_kernels_call_what_python_cannot(decorator) -> None:
    @decorator
    def quotient(a, b):
        return a / b

    assert from_python(quotient)(1.0, 4.0) == 0.25
    assert from_python(quotient)(1.0, 0.0) == float("inf")
    with pytest.raises(TypeError, match="Only kernels can call quotient"):
        quotient(1.0, 4.0)
