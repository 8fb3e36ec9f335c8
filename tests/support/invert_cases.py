"""A generator, an encoder and an alignment of random weights, for the tests of inversion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.checkpoints import save_generator
from portraiture.invert.encode import EncoderMethod
from portraiture.invert.method import encoder_method
from portraiture.invert.weights import save
from portraiture.models import Models
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.networks.goae_alignment import AlignmentConfig, FeatureAlignment
from portraiture.networks.goae_encoder import EncoderConfig, GoaeEncoder
from portraiture.networks.goae_program import ProgramWay
from portraiture.perception.portrait_parser import PortraitParser, PortraitParserConfig
from portraiture.perception.target import Target, make_target
from portraiture.triplane.rendering import RenderingConfig
from portraiture.weights import Card

CONFIG = TriPlaneConfig(
    z_dim=8, c_dim=0, w_dim=16, plane_size=32, plane_features=8, first_size=16, channel_base=256,
    channel_max=16, decoder_hidden=16, neural_resolution=16, superresolution="2X",
    superres_widths=(8, 8),
    rendering=RenderingConfig(
        depth_resolution=12, importance_resolution=0, white_background=True
    ),
)  # fmt: skip
ENCODER = EncoderConfig(
    image_size=32, embed_dim=8, depths=(1, 1, 1, 1), heads=(1, 1, 1, 1), window=4, w_dim=16,
    rows=(1, 1, 1), hidden=16, gated=True,
)  # fmt: skip
ALIGN = AlignmentConfig(features=16, size=16, feature_ratio=1, widths=(16, 16, 16), gated=True)


def folder_of_networks(folder: Path) -> Path:
    """Weights of a generator with something solid, of an encoder and an alignment for it."""
    torch.manual_seed(0)
    generator = TriPlaneGenerator(CONFIG).eval().requires_grad_(False)
    generator.decoder.net[2].weight[0] *= 60.0
    generator.decoder.net[2].bias[0] = 30.0
    save_generator(generator, folder / "small.safetensors")
    save(GoaeEncoder(ENCODER), folder / "encoder", Card("goae-encoder", {}))
    save(FeatureAlignment(ALIGN), folder / "alignment", Card("goae-afa", {}))
    return folder


def generator_of(folder: Path) -> TriPlaneGenerator:
    return Models().generator(folder / "small.safetensors")


def encoder_of(
    folder: Path, models: Models, *, alignment: bool = False, program: ProgramWay | None = None
) -> EncoderMethod:
    return encoder_method(
        models, "aligned", network=folder / "small.safetensors", weights=folder / "encoder",
        alignment=folder / "alignment" if alignment else None, program=program,
    )  # fmt: skip


def target_of(generator: TriPlaneGenerator, *, seed: int = 0) -> Target:
    torch.manual_seed(1)
    parser = PortraitParser(PortraitParserConfig(widths=(4, 4, 8, 8), size=32)).eval()
    crop = np.random.default_rng(seed).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(0.2 - 0.5 * seed, 0.0))).float()[None]
    return make_target(crop, camera, generator, parser)
