"""Small untrained networks of LiftedGAN and a generator of the engine's people."""

from __future__ import annotations

import torch

from portraiture.lift.networks import LiftConfig, LiftedNetworks
from portraiture.networks.faces2d import FacesConfig, FacesGenerator
from portraiture.people.scene import IMAGE_LATENT_SIZE

SIZE = 32


def networks_of() -> tuple[FacesGenerator, LiftedNetworks]:
    torch.manual_seed(0)
    config = FacesConfig(
        size=SIZE, channel_base=256, z_dim=IMAGE_LATENT_SIZE, w_dim=16, mapping_layers=2
    )
    faces = FacesGenerator(config).eval()
    features = faces.synthesis.block(SIZE).conv1.weight.shape[0]
    lifted = LiftConfig(size=SIZE, w_dim=16, features=features, width=32, hidden=16)
    return faces, LiftedNetworks(lifted).eval()
