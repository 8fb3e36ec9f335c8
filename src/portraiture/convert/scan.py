"""Look through a pickle before anything is built from it.

bytes ─pickletools.genops─▶ opcodes ─▶ known? few enough? memo dense? flat keys? shallow? ─▶ nothing

Only the opcodes that `pickle` protocols 2 to 4 write for plain data, tensors and modules are let
through: no extension registry, no `INST`, `OBJ`, `NEWOBJ_EX`, no text opcodes of protocol 0. The
scan follows the stack of the pickle machine and keeps how deeply each value is nested instead of
the value, so that hostile structures are found without being made.
"""

from __future__ import annotations

import io
import pickletools
import warnings
from dataclasses import dataclass, field

from portraiture.convert.refusal import RefusalError, quoted

MAX_OPCODES = 4_000_000
"""A published EG3D pickle has about 20,000; a full training state a tenth of the limit."""
MAX_DEPTH = 128
"""A published EG3D pickle nests about 40 deep."""
MAX_TEXT = 4_000_000
"""Characters of one string; the longest in published files is a module's source."""

_PUTS = frozenset({"BINPUT", "LONG_BINPUT"})
_GETS = frozenset({"BINGET", "LONG_BINGET"})
_FILLS = frozenset({"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"})
"""Opcodes that change the object below their arguments instead of making one around them."""
ALLOWED = frozenset(
    {
        *("PROTO", "FRAME", "STOP", "MARK", "MEMOIZE", "GLOBAL", "STACK_GLOBAL", "BINPERSID"),
        *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
        *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
        *("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "EMPTY_SET", "FROZENSET"),
        *("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "REDUCE", "NEWOBJ"),
        *(_PUTS | _GETS | _FILLS),
    }
)

_Cell = list[int]
"""How deeply a value on the stack is nested; a list, so that aliases see later changes."""


def scan(data: bytes, start: int = 0) -> int:
    """Check the pickle in `data` from `start` on; where it ends.

    Raises RefusalError for a truncated or malformed pickle, an opcode outside `ALLOWED`, more than
    `MAX_OPCODES` of them, nesting beyond `MAX_DEPTH`, strings beyond `MAX_TEXT`, memo numbers
    that leave gaps, and keys of dictionaries or members of sets that are not plain values
    (hashing shared nested tuples takes exponential time).
    """
    stream, machine = io.BytesIO(data), _Machine()  # bytes are shared, not copied
    stream.seek(start)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # genops warns of malformed escapes
            for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
                if count >= MAX_OPCODES:
                    raise RefusalError(f"its pickle has more than {MAX_OPCODES:,} instructions")
                if opcode.name not in ALLOWED:
                    raise RefusalError(f"its pickle uses {opcode.name}, which no checkpoint needs")
                if isinstance(argument, str) and len(argument) > MAX_TEXT:
                    raise RefusalError(f"its pickle has a text of {len(argument):,} letters")
                machine.step(opcode, argument)
    except (ValueError, IndexError, KeyError, OverflowError, Warning) as error:
        reason = quoted(str(error))
        raise RefusalError(f"its pickle is truncated or malformed ({reason})") from error
    return stream.tell()


@dataclass
class _Machine:
    """The pickle machine with depths for values. A mark is None."""

    stack: list[_Cell | None] = field(default_factory=list)
    memo: dict[int, _Cell] = field(default_factory=dict)

    def step(self, opcode: pickletools.OpcodeInfo, argument: object) -> None:
        name = opcode.name
        if name in _PUTS or name == "MEMOIZE":
            self._put(argument if name in _PUTS else len(self.memo))
        elif name in _GETS:
            assert isinstance(argument, int)
            self.stack.append(self.memo[argument])
        elif name == "MARK":
            self.stack.append(None)
        else:
            self._combine(opcode)

    def _put(self, index: object) -> None:
        assert isinstance(index, int)
        if index > len(self.memo) + 1:
            raise RefusalError(f"its pickle numbers its objects with gaps (up to {index:,})")
        self.memo[index] = self._top()

    def _top(self) -> _Cell:
        cell = self.stack[-1]
        if cell is None:
            raise ValueError("a mark where a value should be")
        return cell

    def _combine(self, opcode: pickletools.OpcodeInfo) -> None:
        """Pop what the opcode takes, push what it makes, one level deeper than its parts."""
        before = list(opcode.stack_before)
        parts: list[_Cell] = []
        if pickletools.markobject in before:
            parts = self._pop_to_mark()
            before = before[: before.index(pickletools.markobject)]
        fixed = [self._pop() for _ in before][::-1]
        deepest = 0
        if opcode.name in _FILLS:
            items = parts if pickletools.markobject in opcode.stack_before else fixed[1:]
            self._check_keys(opcode.name, items)
            target = fixed[0]
            deepest = target[0] = max(target[0], *(1 + item[0] for item in items), 1)
            self.stack.append(target)
        elif opcode.stack_after:
            if opcode.name == "FROZENSET":
                self._check_keys(opcode.name, parts)
            deepest = max((1 + part[0] for part in fixed + parts), default=0)
            if opcode.name == "STACK_GLOBAL":
                deepest = 0
            self.stack.append([deepest])
        if deepest > MAX_DEPTH:
            raise RefusalError(f"its pickle nests more than {MAX_DEPTH} levels deep")

    def _check_keys(self, name: str, items: list[_Cell]) -> None:
        if name in {"SETITEM", "SETITEMS"}:
            items = items[::2]
        elif name not in {"ADDITEMS", "FROZENSET"}:
            return
        if any(key[0] for key in items):
            raise RefusalError(
                "its pickle uses nested values as keys, which no known checkpoint does"
            )

    def _pop(self) -> _Cell:
        cell = self._top()
        self.stack.pop()
        return cell

    def _pop_to_mark(self) -> list[_Cell]:
        parts: list[_Cell] = []
        while (cell := self.stack.pop()) is not None:
            parts.append(cell)
        return parts[::-1]
