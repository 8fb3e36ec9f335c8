from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from drawn_pairs import draw_pairs

from portraiture.data.labelled_photos import LabelledPhotos
from portraiture.data.pair_set import PHOTOGRAPHED, PairSet, Portraits
from portraiture.networks.faces2d import FacesConfig, FacesGenerator
from portraiture.perception.identity import IdentityConfig, IdentityNetwork
from portraiture.types import Segment

SIZE = 32


@pytest.fixture(scope="session")
def pair_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_pairs(tmp_path_factory.mktemp("pairs"), 12, SIZE)


@pytest.fixture(scope="session")
def pairs(pair_folder: Path) -> PairSet:
    return PairSet(pair_folder)


@pytest.fixture
def faces() -> FacesGenerator:
    torch.manual_seed(0)
    config = FacesConfig(size=SIZE, channel_base=256, channel_max=32, z_dim=16, w_dim=16)
    return FacesGenerator(config).eval()


@pytest.fixture
def identity() -> IdentityNetwork:
    torch.manual_seed(1)
    return IdentityNetwork(IdentityConfig(width=4, neck=8, embedding=8, size=32)).eval()


@pytest.fixture
def portraits() -> Portraits:
    """Grey squares with a white frame, as labelled photos."""
    numbers = torch.Generator().manual_seed(0)
    images = torch.randint(60, 200, (3, 3, 48, 48), generator=numbers, dtype=torch.uint8)
    labels = torch.zeros(3, 48, 48, dtype=torch.uint8)
    labels[:, 12:36, 12:36] = int(Segment.SKIN)
    photos = LabelledPhotos(
        images, torch.full((3, 1, 48, 48), 255, dtype=torch.uint8), labels,
        torch.tensor([[0.5, 0.5, 1.0]]).repeat(3, 1), torch.zeros(3, 9, dtype=torch.int8),
        torch.ones(3),
    )  # fmt: skip
    return Portraits(photos, replace(PHOTOGRAPHED, size=SIZE))
