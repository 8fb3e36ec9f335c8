"""Presets of the recipes of GOAE's two stages; see `generate.train.presets`. Rows of w+, features
and the patch size of the losses are fitted to the generator."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from portraiture.errors import TrainingError
from portraiture.invert.goae.image_losses import ImageLosses
from portraiture.invert.goae.train_alignment import AlignmentTraining
from portraiture.invert.goae.train_encoder import EncoderTraining
from portraiture.networks.eg3d import TriPlaneConfig
from portraiture.networks.goae_alignment import AlignmentConfig
from portraiture.networks.goae_encoder import PAPER, EncoderConfig
from portraiture.networks.pyramid_encoder import PyramidConfig
from portraiture.train import truth_config
from portraiture.train.loop import RunConfig
from portraiture.train.run_presets import TINY_RUN

EncoderPreset = Literal["tiny", "cpu", "gpu", "paper"]

FROM_SCRATCH = (0, 0, 0, 0)
"""Pre-training windows of an encoder without pre-training."""

SMALL = EncoderConfig(
    image_size=128, embed_dim=32, depths=(2, 2, 8, 2), heads=(2, 4, 8, 16), window=8,
    pretrained_windows=FROM_SCRATCH, drop_path=0.0, rows=(1, 1, 3), hidden=512, dropout=0.0,
    attention=128, gated=True,
)  # fmt: skip
"""Sizes of the shipped default: 11 MB in float16."""

Architecture = Literal["goae", "psp", "e4e"]

SMALL_PYRAMID = PyramidConfig(
    image_size=128, widths=(32, 64, 128, 208), units=(2, 2, 4, 2), branch=96
)
"""About as many parameters as `SMALL`."""

ENCODER: dict[EncoderPreset, EncoderTraining] = {
    "tiny": EncoderTraining(
        run=replace(TINY_RUN, batch=2),
        encoder=EncoderConfig(
            image_size=32, embed_dim=8, depths=(1, 1, 1, 1), heads=(1, 1, 1, 1), window=4,
            pretrained_windows=FROM_SCRATCH, w_dim=16, rows=(1, 1, 3), hidden=16, gated=True,
        ),
        truth=truth_config.TINY,
        levels_from=(0, 0, 1),
        image_losses=ImageLosses(rays=16, ray_samples=4, side=16),
        metric_gradients=4,
        grid_people=2,
        w_samples=64,
    ),
    "cpu": EncoderTraining(
        run=RunConfig(steps=3_000, batch=16, log_every=25, grid_every=250, checkpoint_every=250),
        encoder=SMALL,
        truth=replace(
            truth_config.CPU, patch=32, rays=48, ray_samples=12, surface_points=192,
            empty_points=64,
        ),
        levels_from=(2_400, 2_400, 2_500),
        whole_from=2_400,
        image_losses=ImageLosses(),
        discriminator_rate=1e-4,
        optimizer="adamw",
        learning_rate=1e-3,
        warmup=50,
        decay_steps=2_600,
        whole_rate=1e-4,
        whole_decay=600,
    ),
    "gpu": EncoderTraining(
        run=RunConfig(
            steps=20_000, batch=32, precision="fp32", log_every=50, grid_every=500,
            checkpoint_every=500,
        ),
        encoder=replace(
            PAPER, depths=(2, 2, 6, 2), embed_dim=96, heads=(3, 6, 12, 24), window=8,
            pretrained_windows=FROM_SCRATCH, gated=True,
        ),
        truth=truth_config.GPU,
        levels_from=(2_000, 4_000, 6_000),
        image_losses=ImageLosses(),
        discriminator_rate=5e-5,
        optimizer="adamw",
        learning_rate=5e-4,
        warmup=200,
        decay_steps=20_000,
    ),
    "paper": EncoderTraining(
        run=RunConfig(
            steps=1_000_000, batch=3, log_every=100, grid_every=5_000, checkpoint_every=5_000
        ),
        encoder=PAPER,
        truth=truth_config.GPU,
        image_losses=ImageLosses(),
    ),
}  # fmt: skip


ALIGNMENT: dict[EncoderPreset, AlignmentTraining] = {
    "tiny": AlignmentTraining(
        run=replace(TINY_RUN, batch=2),
        alignment=AlignmentConfig(feature_ratio=1, widths=(16, 16, 16), gated=True),
        truth=truth_config.TINY,
        grid_people=2,
    ),
    "cpu": AlignmentTraining(
        run=RunConfig(steps=1_600, batch=4, log_every=25, grid_every=100, checkpoint_every=100),
        alignment=AlignmentConfig(
            feature_ratio=1,
            widths=(48, 96, 128),
            equalised=False,
            mixing="convolution",
            gated=True,
            carried=True,
        ),
        truth=ENCODER["cpu"].truth,
        perturbed=0.5,
        learning_rate=1e-3,
        warmup=50,
        decay_steps=1_600,
    ),
    "gpu": AlignmentTraining(
        run=replace(ENCODER["gpu"].run, steps=20_000, batch=16),
        alignment=AlignmentConfig(gated=True),
        truth=ENCODER["gpu"].truth,
        perturbed=0.5,
        learning_rate=2e-4,
        warmup=50,
        decay_steps=20_000,
    ),
    "paper": AlignmentTraining(
        run=RunConfig(
            steps=800_000, batch=2, log_every=100, grid_every=5_000, checkpoint_every=5_000
        ),
        alignment=AlignmentConfig(),
        truth=truth_config.GPU,
        other_weight=0.0,
    ),
}


def encoder_kind(config: EncoderConfig | PyramidConfig) -> Architecture:
    """The architecture that an encoder's config belongs to."""
    return config.kind if isinstance(config, PyramidConfig) else "goae"


def with_levels(config: EncoderConfig | PyramidConfig) -> EncoderConfig | PyramidConfig:
    """The config of a single-w encoder extended by levels whose gates start at 0; others
    unchanged."""
    if isinstance(config, EncoderConfig) and config.single_w:
        return replace(config, single_w=False, gated=True)
    return config


def fitted_alignment(config: AlignmentTraining, generator: TriPlaneConfig) -> AlignmentTraining:
    """Fit a preset to a generator's features: at 32² as published, or at the backbone's first size
    if that is larger, or at half the planes' size if that is smaller.

    Raises TrainingError if no block takes features as input.
    """
    size = min(max(32, generator.first_size), generator.plane_size // 2)
    if size < generator.first_size:
        raise TrainingError("The generator's backbone has one block; there is nothing to refine.")
    channels = min(generator.channel_base // size, generator.channel_max)
    return replace(
        config,
        alignment=replace(config.alignment, features=channels, size=size),
        truth=config.truth.fitting(generator.neural_resolution),
    )


def fitted_encoder(
    config: EncoderTraining, generator: TriPlaneConfig, rows: int
) -> EncoderTraining:
    """Fit a preset to a generator with `rows` rows of w+: a first row, then coarse, middle and fine
    ones in the published ratio 3 : 3 : 7, at least one of each.

    Raises TrainingError for fewer than four rows.
    """
    if rows < 4:
        raise TrainingError(f"GOAE refines rows of w+ on three levels; {rows} rows are too few.")
    each = max(1, round((rows - 1) * 3 / 13))
    encoder = replace(config.encoder, w_dim=generator.w_dim, rows=(each, each, rows - 1 - 2 * each))
    truth = config.truth.fitting(generator.neural_resolution)
    return replace(config, encoder=encoder, truth=truth)


def as_baseline(config: EncoderTraining, kind: Literal["psp", "e4e"]) -> EncoderTraining:
    """The same training for a baseline encoder of the same size: pSp has neither D_Wc nor a penalty
    on row offsets; e4e uses our discriminator of the canonical w."""
    size, tiny = config.encoder.image_size, config.encoder.image_size < SMALL_PYRAMID.image_size
    if tiny:
        encoder = PyramidConfig(widths=(16, 16, 16, 16), units=(1, 1, 1, 1), branch=16)
    else:
        encoder = SMALL_PYRAMID if size == SMALL_PYRAMID.image_size else PyramidConfig()
    encoder = replace(encoder, kind=kind, image_size=size)
    if kind == "psp":
        config = replace(config, adversarial_weight=0.0, offset_weight=0.0)
    return replace(config, encoder=encoder)
