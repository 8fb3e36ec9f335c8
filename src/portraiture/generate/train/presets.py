"""Presets of the adversarial recipes. `paper` has the published settings; `cpu` takes hours on two
cores, `gpu` half an hour on one large GPU; `tiny` is for tests."""

from __future__ import annotations

from portraiture.generate.train.adversarial_faces import Faces2dConfig
from portraiture.generate.train.adversarial_heads import HeadsConfig
from portraiture.networks.discriminator import DiscriminatorConfig
from portraiture.networks.eg3d import TriPlaneConfig
from portraiture.networks.faces2d import FacesConfig
from portraiture.train.adversary import AdversaryConfig
from portraiture.train.loop import RunConfig
from portraiture.train.run_presets import TINY_RUN
from portraiture.triplane.rendering import RenderingConfig
from portraiture.types import Preset

HEADS: dict[Preset, HeadsConfig] = {
    "tiny": HeadsConfig(
        run=TINY_RUN,
        generator=TriPlaneConfig(
            z_dim=8,
            w_dim=16,
            plane_size=16,
            plane_features=8,
            channel_base=64,
            channel_max=8,
            decoder_hidden=8,
            neural_resolution=8,
            superresolution="2X",
            superres_widths=(8, 8),
            rendering=RenderingConfig(depth_resolution=4, importance_resolution=4),
        ),
        discriminator=DiscriminatorConfig(
            size=128, channels=6, c_dim=25, channel_base=256, channel_max=8, mapping_layers=2
        ),
        adversary=AdversaryConfig(
            r1_every=2, generator_every=2, augment_target=0.6, augment_kimg=0.02, head_start=1
        ),
        neural_first=8,
        neural_last=12,
        neural_fade_kimg=0.02,
        swap_fade_kimg=0.02,
        density_points=16,
        blur_sigma=2.0,
        blur_fade_kimg=0.01,
        grid_people=2,
    ),
    "cpu": HeadsConfig(
        run=RunConfig(steps=10_000, batch=8, log_every=20, grid_every=500, checkpoint_every=250),
        generator=TriPlaneConfig(
            z_dim=128,
            w_dim=128,
            plane_size=64,
            plane_features=16,
            channel_base=2048,
            channel_max=64,
            decoder_hidden=32,
            neural_resolution=32,
            superresolution="2X",
            superres_widths=(32, 16),
            rendering=RenderingConfig(depth_resolution=16, importance_resolution=16),
        ),
        discriminator=DiscriminatorConfig(
            size=128, channels=6, c_dim=25, channel_base=2048, channel_max=128, mapping_layers=2
        ),
        neural_first=32,
        neural_last=32,
        neural_fade_kimg=0.0,
        swap_fade_kimg=50.0,
        blur_fade_kimg=20.0,
        adversary=AdversaryConfig(augment_target=0.6, augment_kimg=100.0),
    ),
    "gpu": HeadsConfig(
        run=RunConfig(
            steps=12_000,
            batch=32,
            precision="bf16",
            log_every=50,
            grid_every=500,
            checkpoint_every=500,
        ),
        generator=TriPlaneConfig(
            z_dim=256,
            w_dim=256,
            plane_size=128,
            plane_features=32,
            channel_base=16384,
            channel_max=256,
            neural_resolution=64,
            superresolution="4X",
            rendering=RenderingConfig(depth_resolution=24, importance_resolution=24),
        ),
        discriminator=DiscriminatorConfig(
            size=256, channels=6, c_dim=25, channel_base=16384, channel_max=256
        ),
        neural_first=64,
        neural_last=64,
        neural_fade_kimg=0.0,
        swap_fade_kimg=100.0,
        blur_fade_kimg=50.0,
        adversary=AdversaryConfig(augment_target=0.6, augment_kimg=200.0),
    ),
    "paper": HeadsConfig(
        run=RunConfig(
            steps=781_250,
            batch=32,
            micro_batch=4,
            precision="bf16",
            log_every=100,
            grid_every=2_000,
            checkpoint_every=2_000,
        ),
        generator=TriPlaneConfig(),
        discriminator=DiscriminatorConfig(size=512, channels=6, c_dim=25),
    ),
}
"""EG3D: `paper` is FFHQ at 512² with 64², later 128² rays; 25 million images."""

FACES: dict[Preset, Faces2dConfig] = {
    "tiny": Faces2dConfig(
        run=TINY_RUN,
        generator=FacesConfig(
            size=16, z_dim=8, w_dim=16, mapping_layers=2, channel_base=64, channel_max=8
        ),
        discriminator=DiscriminatorConfig(size=16, channel_base=64, channel_max=8),
        adversary=AdversaryConfig(
            r1_every=2, generator_every=2, augment_target=0.6, augment_kimg=0.02, head_start=1
        ),
        grid_people=4,
        grid_columns=2,
    ),
    "cpu": Faces2dConfig(
        run=RunConfig(steps=12_000, batch=16, log_every=20, grid_every=500, checkpoint_every=250),
        generator=FacesConfig(
            size=128, z_dim=256, w_dim=256, mapping_layers=4, channel_base=2048, channel_max=128
        ),
        discriminator=DiscriminatorConfig(size=128, channel_base=2048, channel_max=128),
        adversary=AdversaryConfig(
            discriminator_lr=0.0025, r1_gamma=0.2, augment_target=0.6, augment_kimg=100.0
        ),
    ),
    "gpu": Faces2dConfig(
        run=RunConfig(
            steps=25_000,
            batch=32,
            precision="bf16",
            log_every=50,
            grid_every=500,
            checkpoint_every=500,
        ),
        generator=FacesConfig(size=256, mapping_layers=4, channel_base=8192, channel_max=256),
        discriminator=DiscriminatorConfig(size=256, channel_base=16384, channel_max=256),
        adversary=AdversaryConfig(
            discriminator_lr=0.0025, r1_gamma=0.5, augment_target=0.6, augment_kimg=200.0
        ),
    ),
    "paper": Faces2dConfig(
        run=RunConfig(
            steps=390_625,
            batch=64,
            micro_batch=8,
            precision="bf16",
            log_every=100,
            grid_every=2_000,
            checkpoint_every=2_000,
        ),
        generator=FacesConfig(),
        discriminator=DiscriminatorConfig(size=256, channel_base=16384, group=8),
        adversary=AdversaryConfig(
            generator_lr=0.0025,
            discriminator_lr=0.0025,
            ema_kimg=20.0,
            ema_ramp=None,
            augment_target=0.6,
        ),
    ),
}
"""StyleGAN2: `paper` is StyleGAN2-ADA's `paper256`; 25 million images."""
