"""The codecs of EXT_meshopt_compression: vertex attributes, triangles, index sequences, filters.

Bitstreams: the Khronos extension's specification, appendix A (attributes, version 0), appendix B
(triangles, version 1), appendix C (indices, version 1), appendix D (filters).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

_GROUP = 16
_MAX_BLOCK_BYTES, _MAX_BLOCK_ELEMENTS = 8192, 256
_LEAST_TAIL = 32
_AUXILIARY = bytes(
    (0x00, 0x76, 0x87, 0x56, 0x67, 0x78, 0xA9, 0x86, 0x65, 0x89, 0x68, 0x98, 0x01, 0x69, 0, 0)
)
_FIFO = 16
_FREE = 15
"""Code of a vertex that is neither new nor in the queue."""
_QUEUED = 13
"""Codes of queued vertices end before this one where an edge is known."""


def encode_attributes(elements: UInt8[ndarray, "N stride"]) -> bytes:
    """Mode ATTRIBUTES. stride: a multiple of 4, at most 256; N at least 1."""
    count, stride = elements.shape
    if stride % 4 or not 0 < stride <= 256:
        raise ValueError(f"a stride of {stride} bytes cannot be encoded")
    step = min(_MAX_BLOCK_BYTES // stride // _GROUP * _GROUP, _MAX_BLOCK_ELEMENTS)
    delta = np.diff(elements, axis=0, prepend=elements[:1]).view(np.int8)
    zigzag = ((delta << 1) ^ (delta >> 7)).view(np.uint8)
    full = count // step * step
    blocks = zigzag[:full].reshape(-1, step, stride).swapaxes(1, 2)
    rest = zigzag[full:].T[None]
    return b"".join(
        (
            b"\xa0",
            _encode_columns(blocks) if full else b"",
            _encode_columns(rest) if count > full else b"",
            bytes(max(_LEAST_TAIL - stride, 0)),
            elements[0].tobytes(),
        )
    )


def _encode_columns(columns: UInt8[ndarray, "blocks stride n"]) -> bytes:
    """Every byte of the elements of every block: two bits a group of 16 that say how wide it is
    (nothing, 2, 4 or 8 bits), then the groups; what is too wide for a group follows it."""
    columns = np.pad(columns, ((0, 0), (0, 0), (0, -columns.shape[2] % _GROUP)))
    groups = columns.reshape(*columns.shape[:2], -1, _GROUP)
    wide, wider = groups >= 3, groups >= 15
    unlike = np.where(groups.any(3), 99, 0)
    size = [unlike, 4 + wide.sum(3), 8 + wider.sum(3), np.full(unlike.shape, _GROUP)]
    width = np.argmin(np.stack(size), axis=0)
    coded = np.zeros((*groups.shape[:3], 8 + _GROUP), np.uint8)
    used = np.zeros(coded.shape, bool)
    for kind, packed, escaped in (
        (1, _packed(groups, 2), wide),
        (2, _packed(groups, 4), wider),
        (3, groups, np.zeros_like(wide)),
    ):
        chosen, length = width == kind, packed.shape[3]
        coded[chosen, :length] = packed[chosen]
        used[chosen, :length] = True
        if kind < 3:
            coded[chosen, length : length + _GROUP] = groups[chosen]
            used[chosen, length : length + _GROUP] = escaped[chosen]
    widths = np.pad(width.astype(np.uint8), ((0, 0), (0, 0), (0, -width.shape[2] % 4)))
    shifted = widths.reshape(*widths.shape[:2], -1, 4) << np.array([0, 2, 4, 6], np.uint8)
    header = np.bitwise_or.reduce(shifted, axis=3)
    lines = np.concatenate([header, coded.reshape(*coded.shape[:2], -1)], axis=2)
    kept = np.concatenate([np.ones(header.shape, bool), used.reshape(*used.shape[:2], -1)], axis=2)
    return lines[kept].tobytes()


def _packed(groups: UInt8[ndarray, "*n 16"], bits: int) -> UInt8[ndarray, "*n k"]:
    """The values in `bits` bits each, the first in the highest; larger ones are all ones."""
    many = 8 // bits
    small = np.minimum(groups, (1 << bits) - 1).reshape(*groups.shape[:-1], -1, many)
    shift = np.arange(many - 1, -1, -1, dtype=np.uint8) * np.uint8(bits)
    return np.bitwise_or.reduce(small << shift, axis=-1)


def encode_triangles(triangles: Int[ndarray, "F 3"]) -> bytes:
    """Mode TRIANGLES: the triangles in their order, of which each may begin at another corner.

    An edge of the last 16 leads to the next triangle, whose third vertex is new, one of the last
    13, or written out as a difference.
    """
    encoder = _TriangleEncoder()
    for a, b, c in triangles.tolist():
        encoder.add(a, b, c)
    return b"\xe1" + bytes(encoder.codes) + bytes(encoder.data) + _AUXILIARY


class _TriangleEncoder:
    """State of the triangle codec: the latest edges and vertices, and what is written so far.

    next: the first vertex that was not yet seen. last: the vertex that was last written out.
    """

    def __init__(self) -> None:
        self.codes, self.data = bytearray(), bytearray()
        self.next, self.last = 0, 0
        self._edges: list[tuple[int, int]] = []
        self._vertices: list[int] = []

    def add(self, a: int, b: int, c: int) -> None:
        """Write one triangle."""
        for age, edge in enumerate(reversed(self._edges)):
            if age == _FREE:
                break
            for first, second, third in ((a, b, c), (b, c, a), (c, a, b)):
                if edge == (first, second):
                    self._add_at_edge(age, first, second, third)
                    return
        if b == self.next:
            a, b, c = b, c, a
        elif c == self.next:
            a, b, c = c, a, b
        self._add_alone(a, b, c)

    def _add_at_edge(self, age: int, a: int, b: int, c: int) -> None:
        code = self._age(c)
        if not 1 <= code < _QUEUED:
            if c == self.next:
                code = 0
                self.next += 1
            else:
                code = {self.last - 1: 13, self.last + 1: 14}.get(c, _FREE)
        self.codes.append(age << 4 | code)
        if code == _FREE:
            self._write(c)
        if code >= _QUEUED:
            self.last = c
        if code == 0 or code >= _QUEUED:
            self._push_vertex(c)
        self._push_edges((c, b), (a, c))

    def _add_alone(self, a: int, b: int, c: int) -> None:
        reset = (a, b, c) == (0, 1, 2) and self.next > 0
        if reset:
            self.next = 0
            self._vertices.clear()
        ages = self._age(b), self._age(c)
        first = self._new_or_free(a)
        second = ages[0] + 1 if 0 <= ages[0] < 14 else self._new_or_free(b)
        third = ages[1] + 1 if 0 <= ages[1] < 14 else self._new_or_free(c)
        pair = second << 4 | third
        known = _AUXILIARY.find(pair, 0, 14)
        if first == 0 and known >= 0 and not reset:
            self.codes.append(0xF0 | known)
        else:
            self.codes.append(0xFE if first == 0 else 0xFF)
            self.data.append(pair)
        for vertex, code in ((a, first), (b, second), (c, third)):
            if code == _FREE:
                self._write(vertex)
                self.last = vertex
        for vertex, code in ((a, first), (b, second), (c, third)):
            if code in (0, _FREE):
                self._push_vertex(vertex)
        self._push_edges((b, a), (c, b), (a, c))

    def _age(self, vertex: int) -> int:
        """Steps back to the vertex in the queue, or -1."""
        for age, queued in enumerate(reversed(self._vertices)):
            if queued == vertex:
                return age
        return -1

    def _new_or_free(self, vertex: int) -> int:
        if vertex != self.next:
            return _FREE
        self.next += 1
        return 0

    def _write(self, vertex: int) -> None:
        difference = vertex - self.last
        self.data += _variable(difference << 1 if difference >= 0 else (-difference << 1) - 1)

    def _push_vertex(self, vertex: int) -> None:
        self._vertices.append(vertex)
        del self._vertices[:-_FIFO]

    def _push_edges(self, *edges: tuple[int, int]) -> None:
        self._edges += edges
        del self._edges[:-_FIFO]


def _variable(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the highest bit says that more follow."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def octahedral(vectors: Float[ndarray, "N 4"], *, bits: int, kind: type) -> Int[ndarray, "N 4"]:
    """Filter OCTAHEDRAL: unit vectors, folded on an octahedron, in `bits` bits a coordinate.

    vectors: x, y, z and a fourth number in [-1, 1] that stays. kind: np.int8 or np.int16.
    """
    xyz = vectors[:, :3].astype(np.float64)
    xyz = xyz / np.maximum(np.abs(xyz).sum(1, keepdims=True), 1e-12)
    sign = np.where(xyz[:, :2] >= 0.0, 1.0, -1.0)
    folded = (1.0 - np.abs(xyz[:, 1::-1])) * sign
    plane = np.where(xyz[:, 2:] >= 0.0, xyz[:, :2], folded)
    one, most = (1 << (bits - 1)) - 1, np.iinfo(kind).max
    return np.concatenate(
        [
            np.rint(plane * one),
            np.full((len(xyz), 1), one),
            np.rint(vectors[:, 3:4] * most),
        ],
        axis=1,
    ).astype(kind)


def exponential(values: Float[ndarray, "N K"], *, bits: int) -> Int[ndarray, "N K"]:
    """Filter EXPONENTIAL: floats as mantissas of `bits` bits with sign and one exponent for each
    column, eight bits wide. Returns int32."""
    largest = np.maximum(np.abs(values).max(0, initial=0.0), 1e-30)
    exponent = np.ceil(np.log2(largest)).astype(np.int64) - (bits - 1)
    exponent = np.maximum(exponent, -100)
    mantissa = np.rint(values / 2.0**exponent).astype(np.int64)
    packed = (mantissa & 0xFFFFFF) | ((exponent & 0xFF) << 24)
    return packed.astype(np.uint32).view(np.int32)
