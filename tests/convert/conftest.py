"""Pickles written opcode by opcode, as a hostile or a foreign program would."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping

import pytest
from torch import Tensor, nn


class Craft:
    """Pieces of a pickle; `file` puts them together. Nothing here is ever loaded by pickle."""

    none, true, false = b"N", b"\x88", b"\x89"

    @staticmethod
    def file(*body: bytes) -> bytes:
        return b"\x80\x04" + b"".join(body) + b"."

    @staticmethod
    def value(value: object) -> bytes:
        """Anything that Python itself can pickle, tensors included."""
        return pickle.dumps(value, protocol=3)[2:-1]

    @staticmethod
    def text(text: str) -> bytes:
        data = text.encode()
        return b"X" + struct.pack("<I", len(data)) + data

    @classmethod
    def name(cls, module: str, name: str) -> bytes:
        return cls.text(module) + cls.text(name) + b"\x93"

    @staticmethod
    def tuple(*items: bytes) -> bytes:
        return b"(" + b"".join(items) + b"t"

    @classmethod
    def dict(cls, items: Mapping[str, bytes]) -> bytes:
        return b"}(" + b"".join(cls.text(k) + v for k, v in items.items()) + b"u"

    @classmethod
    def call(cls, function: bytes, *arguments: bytes) -> bytes:
        return function + cls.tuple(*arguments) + b"R"

    @classmethod
    def persistent(cls, class_name: str, state: Mapping[str, bytes]) -> bytes:
        """A persistent class, whose source would end the program if it were run."""
        meta = {
            "type": cls.text("class"),
            "version": cls.value(6),
            "module_src": cls.text("raise SystemExit('the source was executed')"),
            "class_name": cls.text(class_name),
            "state": cls.dict(state),
        }
        function = cls.name("torch_utils.persistence", "_reconstruct_persistent_obj")
        return cls.call(function, cls.dict(meta))

    @classmethod
    def network(
        cls,
        module: nn.Module,
        class_name: str = "Anything",
        *,
        settings: Mapping[str, bytes] | None = None,
        below: Mapping[str, Mapping[str, bytes]] | None = None,
        extra: Mapping[str, Tensor] | None = None,
    ) -> bytes:
        """A torch module as a persistent class. below: settings of the modules at these names.
        extra: further buffers."""
        below = below or {}
        children: dict[str, bytes] = {}
        for name, child in module.named_children():
            inner = {
                key.removeprefix(f"{name}."): value
                for key, value in below.items()
                if key.startswith(f"{name}.")
            }
            children[name] = cls.network(child, settings=below.get(name), below=inner)
        parameters = {n: cls.value(p.detach()) for n, p in module.named_parameters(recurse=False)}
        buffers = {n: cls.value(b) for n, b in module.named_buffers(recurse=False)}
        buffers |= {n: cls.value(b) for n, b in (extra or {}).items()}
        state = {
            "_parameters": cls.dict(parameters),
            "_buffers": cls.dict(buffers),
            "_modules": cls.dict(children),
            **(settings or {}),
        }
        return cls.persistent(class_name, state)


@pytest.fixture
def craft() -> type[Craft]:
    return Craft
