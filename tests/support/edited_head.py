"""A head of a random generator, as a fixture."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.checkpoints import fingerprint, save_generator
from portraiture.head import Head
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.networks.features import planes_and_features, planes_of
from portraiture.people.latent import CHOICE_GROUPS, LATENT_SIZE, sample_latents
from portraiture.triplane.rendering import RenderingConfig
from portraiture.triplane.visibility import mix_planes

CONFIG = TriPlaneConfig(
    z_dim=LATENT_SIZE, c_dim=0, w_dim=32, choice_groups=CHOICE_GROUPS, plane_size=32,
    plane_features=8, channel_base=256, channel_max=16, decoder_hidden=8, neural_resolution=16,
    superresolution="2X", superres_widths=(8, 8),
    rendering=RenderingConfig(depth_resolution=6, importance_resolution=0),
)  # fmt: skip


@pytest.fixture
def head(tmp_path: Path) -> Head:
    """A head of a random generator whose features were refined everywhere but at the left."""
    torch.manual_seed(0)
    generator = TriPlaneGenerator(CONFIG).eval().requires_grad_(False)
    save_generator(generator, tmp_path / "small.safetensors")
    ws = generator.mapping(torch.from_numpy(sample_latents(1, 3)), None)
    plain, features = planes_and_features(generator, ws, 16)
    visible = torch.ones(1, 3, 1, 32, 32)
    visible[..., :8] = 0.0
    refined = features + 0.25 * torch.randn(features.shape)
    return Head(
        mix_planes(planes_of(generator, ws, refined), plain, visible),
        torch.from_numpy(to_eg3d(eg3d_orbit(0.0, 0.0))).float()[None],
        str(tmp_path / "small.safetensors"), fingerprint(generator), "goae+refine",
        ws=ws, features=refined, visible=visible,
    )  # fmt: skip
