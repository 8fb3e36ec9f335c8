"""LANES floats at a time inside numba kernels.

LLVM turns the vector into what the processor has (two AVX-512 registers, four of AVX2, eight of
NEON), so a kernel says where its parallelism lies and does not hope for the loop vectoriser.
Vectors live in local variables only; `load` and `store` move them from and to flat arrays, whose
bounds are not checked.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic as numba_intrinsic
from numba.extending import models, register_model

LANES = 32
"""Two AVX-512 registers: of two chains of operations one waits while the other runs."""
_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, LANES)
_INT = ir.VectorType(ir.IntType(32), LANES)
_SHORT = ir.VectorType(ir.IntType(16), LANES)
_HALF = ir.VectorType(ir.HalfType(), LANES)
_I32 = ir.IntType(32)
intrinsic = cast(Callable[[Any], Any], numba_intrinsic)


class _Floats(types.Type):
    def __init__(self) -> None:
        super().__init__(name="floats")


floats = _Floats()


@register_model(_Floats)
class _Model(models.PrimitiveModel):
    def __init__(self, dmm, fe_type) -> None:
        super().__init__(dmm, fe_type, _VECTOR)


def _operator(function, method: str) -> None:
    """Lane-wise arithmetic between two vectors."""

    @infer_global(function)  # type: ignore[misc]
    class _Template(ConcreteTemplate):
        cases = [signature(floats, floats, floats)]  # noqa: RUF012

    @lower_builtin(function, floats, floats)
    def _lower(context, builder, sig, args):
        return getattr(builder, method)(*args, flags=("contract",))


_operator(operator.add, "fadd")
_operator(operator.sub, "fsub")
_operator(operator.mul, "fmul")
_operator(operator.truediv, "fdiv")


def _is_flat(array, dtype) -> bool:
    return isinstance(array, types.Array) and array.dtype == dtype and array.ndim == 1


def _address(context, builder, array_type, array, index, pointee):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), pointee.as_pointer())


def _full(builder, scalar, vector):
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(_I32, 0))
    mask = ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), mask)


def _constant(vector, value):
    return ir.Constant(vector, [value] * LANES)


@intrinsic
def splat(typingctx, value):
    """The same number in every lane."""

    def lower(context, builder, sig, args):
        return _full(builder, args[0], _VECTOR)

    return floats(types.float32), lower


@intrinsic
def pick(typingctx, array, index):
    """One number of a flat float32 array, in every lane."""
    if not _is_flat(array, types.float32):
        return None

    def lower(context, builder, sig, args):
        where = _address(context, builder, array, args[0], args[1], _FLOAT)
        return _full(builder, builder.load(where, align=4), _VECTOR)

    return floats(array, types.intp), lower


@intrinsic
def load(typingctx, array, index):
    """Neighbours of a flat array: float32, float16 bits (uint16) or bfloat16 bits (int16)."""
    if not any(_is_flat(array, kind) for kind in (types.float32, types.uint16, types.int16)):
        return None

    def lower(context, builder, sig, args):
        if array.dtype == types.float32:
            where = _address(context, builder, array, args[0], args[1], _VECTOR)
            return builder.load(where, align=4)
        if array.dtype == types.uint16:
            where = _address(context, builder, array, args[0], args[1], _HALF)
            return builder.fpext(builder.load(where, align=2), _VECTOR)
        where = _address(context, builder, array, args[0], args[1], _SHORT)
        wide = builder.zext(builder.load(where, align=2), _INT)
        return builder.bitcast(builder.shl(wide, _constant(_INT, 16)), _VECTOR)

    return floats(array, types.intp), lower


@intrinsic
def store(typingctx, array, index, value):
    """Neighbours of a flat array: float32, or bfloat16 bits (int16), rounded to nearest."""
    if not (_is_flat(array, types.float32) or _is_flat(array, types.int16)):
        return None

    def lower(context, builder, sig, args):
        value = args[2]
        if array.dtype == types.float32:
            where = _address(context, builder, array, args[0], args[1], _VECTOR)
            builder.store(value, where, align=4)
        else:
            bits = builder.bitcast(value, _INT)
            odd = builder.and_(builder.lshr(bits, _constant(_INT, 16)), _constant(_INT, 1))
            bits = builder.add(builder.add(bits, _constant(_INT, 0x7FFF)), odd)
            short = builder.trunc(builder.lshr(bits, _constant(_INT, 16)), _SHORT)
            where = _address(context, builder, array, args[0], args[1], _SHORT)
            builder.store(short, where, align=2)
        return context.get_dummy_value()

    return types.void(array, types.intp, floats), lower


@intrinsic
def fma(typingctx, a, b, c):
    """a·b + c, rounded once."""

    def lower(context, builder, sig, args):
        return _llvm(builder, f"llvm.fma.v{LANES}f32", _VECTOR, args)

    return floats(floats, floats, floats), lower


def _llvm(builder, name: str, result, args):
    kinds = [a.type for a in args]
    function = builder.module.declare_intrinsic(name, fnty=ir.FunctionType(result, kinds))
    return builder.call(function, args)


@intrinsic
def maximum(typingctx, a, b):
    """The larger one, lane by lane; b where a is not a number."""

    def lower(context, builder, sig, args):
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return floats(floats, floats), lower


@intrinsic
def minimum(typingctx, a, b):
    """The smaller one, lane by lane; b where a is not a number."""

    def lower(context, builder, sig, args):
        return builder.select(builder.fcmp_ordered("<", *args), *args)

    return floats(floats, floats), lower


@intrinsic
def floor(typingctx, a):
    """Rounded down."""

    def lower(context, builder, sig, args):
        return _llvm(builder, f"llvm.floor.v{LANES}f32", _VECTOR, args)

    return floats(floats), lower


@intrinsic
def floor_index(typingctx, x):
    """A number that is not negative, rounded down to an index."""

    def lower(context, builder, sig, args):
        return builder.zext(builder.fptosi(args[0], _I32), ir.IntType(64))

    return types.intp(types.float32), lower


@intrinsic
def total(typingctx, a):
    """The sum of the lanes."""

    def lower(context, builder, sig, args):
        parts = args[0]
        width = LANES
        while width > 1:
            width //= 2
            low = ir.Constant(ir.VectorType(_I32, width), list(range(width)))
            high = ir.Constant(ir.VectorType(_I32, width), list(range(width, 2 * width)))
            empty = ir.Constant(parts.type, ir.Undefined)
            parts = builder.fadd(
                builder.shuffle_vector(parts, empty, low),
                builder.shuffle_vector(parts, empty, high),
            )
        return builder.extract_element(parts, ir.Constant(_I32, 0))

    return types.float32(floats), lower


@intrinsic
def power_of_two(typingctx, n):
    """2ⁿ for whole n in [-126, 127]."""

    def lower(context, builder, sig, args):
        biased = builder.add(builder.fptosi(args[0], _INT), _constant(_INT, 127))
        return builder.bitcast(builder.shl(biased, _constant(_INT, 23)), _VECTOR)

    return floats(floats), lower


f32 = np.float32
LOG2E = f32(1.4426950408889634)


@njit(forceinline=True)
def exp(x):
    """eˣ, relative error below 3e-7; x is held in [-87, 87]."""
    x = minimum(maximum(x, splat(f32(-87.0))), splat(f32(87.0)))
    y = x * splat(LOG2E)
    n = floor(y + splat(f32(0.5)))
    # y - n would lose the rounding of x·log2(e): take it from x in two steps instead
    r = fma(n, splat(f32(-0.693145751953125)), x)
    r = fma(n, splat(f32(-1.428606765330187e-06)), r)
    p = splat(f32(1.0 / 720.0))
    p = fma(p, r, splat(f32(1.0 / 120.0)))
    p = fma(p, r, splat(f32(1.0 / 24.0)))
    p = fma(p, r, splat(f32(1.0 / 6.0)))
    p = fma(p, r, splat(f32(0.5)))
    p = fma(p, r, splat(f32(1.0)))
    p = fma(p, r, splat(f32(1.0)))
    return p * power_of_two(n)
