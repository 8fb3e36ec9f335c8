"""Presets of the supervised recipes. `cpu` has the sizes of the shipped weights and takes an hour
or two on two cores, `gpu` half an hour on one large GPU; `tiny` is for tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from portraiture.generate.train.supervised_faces import SupervisedFacesConfig
from portraiture.generate.train.supervised_heads import SupervisedConfig
from portraiture.networks.eg3d import TriPlaneConfig
from portraiture.networks.faces2d import FacesConfig
from portraiture.people.latent import CHOICE_GROUPS, LATENT_SIZE
from portraiture.people.scene import IMAGE_LATENT_SIZE
from portraiture.train import truth_config
from portraiture.train.loop import RunConfig
from portraiture.train.run_presets import TINY_RUN
from portraiture.triplane.rendering import RenderingConfig

SupervisedPreset = Literal["tiny", "cpu", "polish", "gpu", "gpu-polish"]

_PEOPLE = TriPlaneConfig(
    z_dim=LATENT_SIZE,
    c_dim=0,
    choice_groups=CHOICE_GROUPS,
    mapping_layers=3,
    flow_rank=64,
    superresolution="4X",
    rendering=RenderingConfig(box_warp=0.9, white_background=True, plane_axes="fixed"),
)

_GPU_RUN = RunConfig(
    steps=0, batch=32, precision="bf16", log_every=50, grid_every=500, checkpoint_every=500
)

_CPU = SupervisedConfig(
    run=RunConfig(steps=4_400, batch=8, log_every=50, grid_every=500, checkpoint_every=250),
    generator=replace(
        _PEOPLE,
        plane_size=128,
        first_size=32,
        channel_base=6144,
        channel_max=192,
        superres_widths=(48, 32),
    ),
    coarse_steps=2_200,
    decay_steps=4_000,
    finish_from=4_000,
    final_rate=0.05,
)

SUPERVISED: dict[SupervisedPreset, SupervisedConfig] = {
    "tiny": SupervisedConfig(
        run=replace(TINY_RUN, batch=2),
        generator=replace(
            _PEOPLE,
            w_dim=16,
            plane_size=32,
            plane_features=8,
            first_size=8,
            flow_rank=4,
            flow_size=8,
            channel_base=256,
            channel_max=16,
            decoder_hidden=16,
            neural_resolution=16,
            superresolution="2X",
            superres_widths=(8, 8),
            rendering=replace(_PEOPLE.rendering, depth_resolution=8, importance_resolution=8),
        ),
        pretrain_people=32,
        pretrain_steps=2,
        flow_meshes=6,
        coarse_steps=1,
        finish_from=2,
        finish_steps=2,
        truth=truth_config.TINY,
        grid_people=2,
    ),
    "cpu": _CPU,
    "polish": replace(
        _CPU,
        run=replace(_CPU.run, steps=1_000, grid_every=200, checkpoint_every=100),
        keep_mapping=True,
        coarse_steps=0,
        learning_rate=0.0015,
        decay_steps=800,
        finish_from=800,
        finish_steps=200,
        truth=replace(
            truth_config.CPU, rays=160, ray_floor=1.0, empty_tries=12, density_weight=0.5
        ),
    ),
    "gpu-polish": replace(
        _CPU,
        run=replace(_GPU_RUN, steps=9_000, log_every=20, precision="fp32"),
        keep_mapping=True,
        coarse_steps=0,
        learning_rate=0.0015,
        decay_steps=8_000,
        finish_from=8_000,
        finish_steps=1_000,
        truth=replace(
            truth_config.GPU,
            coarse_points=truth_config.CPU.coarse_points,
            patch=128,
            ray_floor=1.0,
            empty_points=1024,
            empty_tries=8,
            density_weight=0.5,
        ),
        half_life=12_000.0,
    ),
    "gpu": SupervisedConfig(
        run=replace(_GPU_RUN, steps=13_000),
        generator=replace(
            _PEOPLE,
            plane_size=256,
            first_size=32,
            channel_base=16384,
            channel_max=512,
            superres_widths=(128, 64),
        ),
        coarse_steps=4_000,
        decay_steps=12_000,
        finish_from=12_000,
        finish_steps=1_000,
        truth=truth_config.GPU,
        pretrain_steps=6_000,
    ),
}

_IMAGE_GENERATOR = FacesConfig(
    z_dim=IMAGE_LATENT_SIZE, mapping_layers=3, choice_groups=CHOICE_GROUPS, w_dim=512
)

SUPERVISED_FACES: dict[SupervisedPreset, SupervisedFacesConfig] = {
    "tiny": SupervisedFacesConfig(
        run=replace(TINY_RUN, batch=2),
        generator=replace(_IMAGE_GENERATOR, size=32, w_dim=16, channel_base=256, channel_max=16),
        pretrain_people=32,
        pretrain_steps=2,
        grid_people=2,
    ),
    "cpu": SupervisedFacesConfig(
        run=RunConfig(steps=4_000, batch=16, log_every=50, grid_every=500, checkpoint_every=250),
        generator=replace(_IMAGE_GENERATOR, size=128, channel_base=4096, channel_max=192),
        decay_steps=4_000,
    ),
    "gpu": SupervisedFacesConfig(
        run=replace(_GPU_RUN, steps=20_000),
        generator=replace(_IMAGE_GENERATOR, size=256, channel_base=16384, channel_max=512),
        decay_steps=20_000,
        pretrain_steps=6_000,
    ),
}
