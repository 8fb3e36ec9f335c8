"""The generator against the outputs of the original program (../shared/fixtures)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import torch
from check_parity import tiny_generator
from shared_data import SHARED
from torch import Tensor

from portraiture.networks.eg3d import TriPlaneGenerator

FIXTURES = SHARED / "fixtures"
pytestmark = pytest.mark.skipif(
    not FIXTURES.exists(), reason="../shared/fixtures with the original program's outputs is absent"
)


@lru_cache(maxsize=1)
def _tiny() -> tuple[TriPlaneGenerator, dict[str, Tensor]]:
    with np.load(FIXTURES / "eg3d_tiny_outputs.npz") as file:
        outputs = {key: torch.from_numpy(file[key]).float() for key in file}
    return tiny_generator(FIXTURES).requires_grad_(False), outputs


def _error(a: Tensor, b: Tensor) -> float:
    assert a.shape == b.shape
    return float((a - b).abs().max())


def test_mapping() -> None:
    generator, expected = _tiny()
    ws = generator.mapping(
        expected["z"], expected["conditioning"], truncation_psi=0.7, truncation_cutoff=14
    )
    assert _error(ws, expected["ws"]) < 1e-4


def test_planes_and_points() -> None:
    generator, expected = _tiny()
    planes = generator.planes(expected["ws"])
    assert _error(planes.flatten(1, 2)[:, :, ::8, ::8], expected["planes"]) < 1e-3
    color, density = generator.query(planes, expected["points"])
    assert _error(color, expected["rgb"]) < 1e-4
    assert _error(density, expected["sigma"][..., 0]) < 1e-4


def test_image_and_depth() -> None:
    generator, expected = _tiny()
    render = generator.synthesize(expected["ws"], expected["camera"], deterministic=True)
    assert _error(render.image_raw, expected["image_raw"]) < 1e-3
    assert _error(render.depth, expected["image_depth"]) < 1e-4
    assert _error(render.image, expected["image"]) < 5e-3
