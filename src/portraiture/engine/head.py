"""The baked head: a differentiable map from parameters to vertices.

identity (phenotypes, local changes) ──coefficients──▶ (S,) ┐
expression (52 actions) ─────────────────────────────▶ (S,) ┴─▶ template + c·shapes ──▶ vertices
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from portraiture.engine.actions import ACTIONS
from portraiture.engine.head_file import packaged_head, read_head
from portraiture.types import Skeleton

PHENOTYPES = ("sex", "age", "muscle", "weight", "african", "asian", "caucasian")
"""Each in [0, 1]. sex: 0 male, 1 female; age: 0 is about 12 years, 0.5 is 25, 1 is 90."""

GENDERS = ("male", "female")
AGES = ("child", "young", "old")
MUSCLES = ("minmuscle", "averagemuscle", "maxmuscle")
WEIGHTS = ("minweight", "averageweight", "maxweight")
RACES = ("african", "asian", "caucasian")
"""Knots of MakeHuman's macro targets along each phenotype."""


@dataclass(frozen=True, eq=False)
class HeadModel:
    """The baked arrays. V vertices (skin and helpers), S shapes, N local changes, J joints.

    arrays: as in `BakedHead`.
    """

    arrays: Mapping[str, ndarray]
    shape_names: tuple[str, ...]
    local_names: tuple[str, ...]
    joint_names: tuple[str, ...]
    joint_parents: tuple[int, ...]

    @property
    def action_slice(self) -> slice:
        """Rows of `shapes` that hold the 52 actions."""
        first = self.shape_names.index(f"action:{ACTIONS[0]}")
        return slice(first, first + len(ACTIONS))

    def coefficients(
        self,
        phenotypes: Float[Tensor, "B 7"],
        local: Float[Tensor, "B N"],
        actions: Float[Tensor, "B 52"],
    ) -> Float[Tensor, "B S"]:
        """Weights of all shapes. phenotypes in [0, 1], local in [-1, 1], actions in [0, 1].

        Multilinear interpolation between MakeHuman's macro targets, as in anny (Bregier et al.
        2025): a target's weight is the product of its components' weights. Differentiable; the
        gradient of a local change at zero is that of its positive side.
        """
        sex, age, muscle, weight = phenotypes[:, :4].unbind(1)
        race = phenotypes[:, 4:]
        race = race / race.sum(1, keepdim=True).clamp_min(1e-6)
        tables = {
            "sex": _hat(sex, len(GENDERS)),
            "age": _hat(age, len(AGES)),
            "muscle": _hat(muscle, len(MUSCLES)),
            "weight": _hat(weight, len(WEIGHTS)),
        }
        by_race = torch.einsum("br,bg,ba->brga", race, tables["sex"], tables["age"])
        by_body = torch.einsum(
            "bg,ba,bm,bw->bgamw", tables["sex"], tables["age"], tables["muscle"], tables["weight"]
        )
        pair = torch.stack([local.clamp_min(0.0), (-local).clamp_min(0.0)], dim=2)
        pair = torch.where((local == 0).unsqueeze(2), _zero_slope(local), pair)
        return torch.cat([by_race.flatten(1), by_body.flatten(1), actions, pair.flatten(1)], dim=1)

    def vertices(
        self, coefficients: Float[Tensor, "B S"], rows: Sequence[int] | None = None
    ) -> Float[Tensor, "B V 3"]:
        """Positions (metres) of all vertices, or only of `rows` (a reduced model for fitting)."""
        template, shapes = self.tensors("template", "shapes")
        if rows is not None:
            index = torch.as_tensor(rows)
            template, shapes = template[index], shapes[:, index]
        flat = coefficients @ shapes.flatten(1)
        return template + flat.unflatten(1, (-1, 3))

    def joints(self, coefficients: Float[Tensor, "B S"]) -> Float[Tensor, "B J 3"]:
        """Positions of the skeleton's joints (bone heads), metres."""
        template, shapes = self.tensors("joint_template", "joint_shapes")
        return template + (coefficients @ shapes.flatten(1)).unflatten(1, (-1, 3))

    def tensors(self, *names: str) -> tuple[Tensor, ...]:
        """Baked arrays as torch tensors that share memory with them."""
        return tuple(torch.from_numpy(self.arrays[name]) for name in names)

    def skeleton(self, heads: Float[ndarray, "J 3"]) -> Skeleton:
        """Build the skeleton with the given joint positions."""
        return Skeleton(self.joint_names, self.joint_parents, heads.astype(np.float32))


def _hat(value: Tensor, knots: int) -> Tensor:
    """Linear interpolation weights (B, knots) of values in [0, 1] between equally spaced knots."""
    position = value.clamp(0.0, 1.0).unsqueeze(1) * (knots - 1)
    return (1.0 - (position - torch.arange(knots, dtype=value.dtype)).abs()).clamp_min(0.0)


def _zero_slope(local: Tensor) -> Tensor:
    return torch.stack([local, torch.zeros_like(local)], dim=2)


def load_head(path: Path | None = None) -> HeadModel:
    """Load the head in `path`, by default the packaged one: 0.1 s the first time, then cached and
    shared. Raises AssetError when the file is damaged."""
    with _loading:
        return _load(path or packaged_head())


_loading = Lock()


@lru_cache(maxsize=2)
def _load(path: Path) -> HeadModel:
    baked = read_head(path)
    names = baked.shape_names
    return HeadModel(
        arrays=baked.arrays,
        shape_names=names,
        local_names=tuple(n.removeprefix("local+:") for n in names if n.startswith("local+:")),
        joint_names=baked.joint_names,
        joint_parents=baked.joint_parents,
    )
