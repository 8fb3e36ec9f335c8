"""Weights and inputs of `../shared/fixtures`, which are made by a formula under published names."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping
from types import ModuleType

import numpy as np
import torch
from shared_data import SHARED
from torch import Tensor

FIXTURES = SHARED / "fixtures"


def formula() -> ModuleType:
    """The fixtures' own program."""
    spec = importlib.util.spec_from_file_location("formula", FIXTURES / "formula.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def normal(name: str, *shape: int) -> Tensor:
    """Normal numbers of a name."""
    return torch.from_numpy(formula().normal(name, shape))


def filled(
    fixture: str, shapes: Mapping[str, tuple[int, ...]], *, key: str = "names"
) -> dict[str, Tensor]:
    """The fixture's weights under the published names; what the program keeps is left out."""
    groups = json.loads((FIXTURES / f"{fixture}.json").read_text())[key]
    kept = set(groups.pop("kept", {"names": []})["names"])
    rules = [
        (rule, f"^({'|'.join(map(re.escape, group['names']))})$") for rule, group in groups.items()
    ]
    known = kept | {name for group in groups.values() for name in group["names"]}
    assert set(shapes) <= known, sorted(set(shapes) - known)[:3]
    empty = {name: torch.empty(shape) for name, shape in shapes.items() if name not in kept}
    return formula().fill("", empty, rules)[0]


def outputs(fixture: str) -> dict[str, Tensor]:
    """The original program's outputs."""
    with np.load(FIXTURES / f"{fixture}.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file}
