from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from portraiture.data.labelled_photos import LabelledPhotos
from portraiture.data.pair_set import PHOTOGRAPHED, PairSet, Portraits
from portraiture.networks.faces2d import FacesConfig, FacesGenerator
from portraiture.people.pairs import Pair, pair_path, sample_avatar, save_pair
from portraiture.perception.identity import IdentityConfig, IdentityNetwork
from portraiture.types import Segment

SIZE = 32


@pytest.fixture(scope="session")
def pair_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Avatars whose images are drawn by hand: a disc of the skin's tone under a cap of the hair's,
    instead of renders, which take seconds each."""
    folder = tmp_path_factory.mktemp("pairs")
    y, x = np.mgrid[0:SIZE, 0:SIZE] / (SIZE - 1) * 2 - 1
    for index in range(12):
        parameters = sample_avatar(index, seed=1)
        labels = np.zeros((2, SIZE, SIZE), np.uint8)
        labels[:, x**2 + y**2 < 0.5] = Segment.SKIN
        if parameters.hair_style != "bald":
            labels[:, (x**2 + y**2 < 0.7) & (y < -0.3)] = Segment.HAIR
        tones = {
            Segment.SKIN: 230 - 180 * parameters.skin_melanin,
            Segment.HAIR: 220 - 200 * parameters.hair_melanin,
        }
        rgb = np.full((2, SIZE, SIZE, 3), 255, np.uint8)
        for segment, tone in tones.items():
            rgb[labels == segment] = tone
        alpha = np.where(labels > 0, 255, 0).astype(np.uint8)
        vector = parameters.to_vector().astype(np.float32)
        save_pair(Pair(vector, rgb, alpha, labels), pair_path(folder, index))
    return folder


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
