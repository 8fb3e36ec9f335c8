"""Every tensor of a foreign file is accounted for: renamed, dropped by name, or refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from portraiture.convert.refusal import RefusalError, quoted
from portraiture.convert.tensors import Strided
from portraiture.convert.unpickle import Module, Record, view_of
from portraiture.weights import ModelName

MAX_MODULES = 5000
_NAME = re.compile(r"\w{1,100}", re.ASCII)


@dataclass(frozen=True)
class Converted:
    """What a foreign file holds, in our terms. config: JSON. renamed: how many tensors changed
    their names. dropped: tensors and networks left out. unused: settings that only training or
    other programs need, JSON."""

    model: ModelName
    config: dict[str, Any]
    tensors: dict[str, Tensor]
    renamed: int = 0
    dropped: tuple[str, ...] = ()
    unused: dict[str, Any] = field(default_factory=dict)


def account(
    source: Mapping[str, Strided],
    rename: Mapping[str, str],
    expected: Mapping[str, tuple[int, ...]],
    *,
    constants: Mapping[str, Tensor] | None = None,
) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors under our names, and the names of those that were dropped.

    rename: foreign name → ours, all that are known. expected: our names and shapes; axes of length
    one may be missing or too many. constants: foreign tensors that our models compute; they are
    dropped if they have the value given here. Floating-point tensors become float32.

    Raises RefusalError naming the first tensor that is unknown, missing, or of another shape.
    """
    constants = constants or {}
    tensors: dict[str, Tensor] = {}
    dropped: list[str] = []
    for name, view in source.items():
        if name in constants:
            if not _equal(view, constants[name]):
                raise RefusalError(f"its constant {quoted(name)} has an unknown value")
            dropped.append(name)
        elif rename.get(name) in expected:
            tensors[rename[name]] = _fitted(name, view, expected[rename[name]])
        else:
            raise RefusalError(f"it has an unknown tensor {quoted(name)}")
    for name in expected:
        if name not in tensors:
            raise RefusalError(f"it lacks the tensor {quoted(name)}")
    return {name: tensors[name] for name in expected}, dropped


def _equal(view: Strided, value: Tensor) -> bool:
    return view.shape == tuple(value.shape) and torch.allclose(
        view.tensor().float(), value, rtol=1e-5, atol=1e-7
    )


def _fitted(name: str, view: Strided, shape: tuple[int, ...]) -> Tensor:
    if [n for n in view.shape if n != 1] != [n for n in shape if n != 1]:
        raise RefusalError(f"its tensor {quoted(name)} has the shape {view.shape}, not {shape}")
    tensor = view.tensor().reshape(shape)
    return tensor.float() if tensor.is_floating_point() else tensor


def shapes(module: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def state_of(module: Module | Record) -> dict[str, Strided]:
    """A network's tensors by their full names, in order: what torch's state_dict would give.

    Raises RefusalError if it is not made of modules and tensors, or of more than `MAX_MODULES`.
    """
    found: dict[str, Strided] = {}
    for prefix, state in _walk(module):
        hidden = _hidden(state)
        for group in ("_parameters", "_buffers"):
            for name, value in _entries(state, group):
                if value is None or (group == "_buffers" and name in hidden):
                    continue
                if not isinstance(value, Strided):
                    raise RefusalError(f"its {quoted(prefix + name)} is not a tensor")
                found[prefix + name] = value
    return found


def loose_tensors(module: Module | Record) -> list[str]:
    """Names of tensors that modules carry outside their state: plain attributes, and buffers that
    torch would not save."""
    found: list[str] = []
    for prefix, state in _walk(module):
        hidden = _hidden(state)
        found += [prefix + name for name, _ in _entries(state, "_buffers") if name in hidden]
        for name, value in state.items():
            parts = value if isinstance(value, list | tuple) else [value]
            if isinstance(name, str) and any(view_of(part) is not None for part in parts):
                found.append(prefix + quoted(name))
    return found


def _hidden(state: dict[str, Any]) -> set[object]:
    hidden = state.get("_non_persistent_buffers_set", set())
    if not isinstance(hidden, set):
        raise RefusalError("one of its modules is malformed")
    return hidden


def _walk(module: Module | Record) -> Iterator[tuple[str, dict[str, Any]]]:
    """A module and all below it: prefix of its tensors' names, and its attributes."""
    waiting: list[tuple[str, object]] = [("", module)]
    for _ in range(MAX_MODULES):
        if not waiting:
            return
        prefix, current = waiting.pop()
        state = settings_of(current)
        yield prefix, state
        below = [(f"{prefix}{name}.", child) for name, child in _entries(state, "_modules")]
        waiting.extend(reversed([(name, child) for name, child in below if child is not None]))
    raise RefusalError(f"it has more than {MAX_MODULES:,} modules")


def settings_of(module: object) -> dict[str, Any]:
    """A module's attributes."""
    if not isinstance(module, Module | Record) or not isinstance(module.state, dict):
        raise RefusalError("one of its modules is malformed")
    return module.state


def child(module: object, path: str) -> Module | Record:
    """The module at a dotted path below another."""
    for name in path.split("."):
        module = dict(_entries(settings_of(module), "_modules")).get(name)
        if not isinstance(module, Module | Record):
            raise RefusalError(f"it lacks the module {quoted(path)}")
    assert isinstance(module, Module | Record)
    return module


def children(module: object) -> set[str]:
    return {name for name, _ in _entries(settings_of(module), "_modules")}


def _entries(state: dict[str, Any], group: str) -> Iterable[tuple[str, Any]]:
    entries = state.get(group, {})
    if not isinstance(entries, dict):
        raise RefusalError("one of its modules is malformed")
    for name in entries:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise RefusalError(f"one of its modules has the name {quoted(name)}")
    return entries.items()


def tensors_in(value: object) -> dict[str, Strided]:
    """A plain dictionary of tensors, as torch's state_dict makes it."""
    if not isinstance(value, dict) or not all(isinstance(v, Strided) for v in value.values()):
        raise RefusalError("it is not a plain table of tensors")
    if not all(isinstance(k, str) for k in value):
        raise RefusalError("it has tensors without names")
    return dict(value)


def left_out(root: Mapping[Any, Any], kept: set[str]) -> tuple[str, ...]:
    """What else lies beside the networks that are kept, such as ``"D (83 tensors)"``."""
    names: list[str] = []
    for name, value in root.items():
        if name in kept or value is None:
            continue
        if isinstance(value, Module | Record):
            names.append(f"{quoted(name)} ({len(state_of(value))} tensors)")
        else:
            names.append(quoted(name))
    return tuple(names)
