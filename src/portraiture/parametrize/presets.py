"""Presets of the recipes imitator, faces-encoder, mapper and regressor."""

from __future__ import annotations

from portraiture.networks.pyramid_encoder import PyramidConfig
from portraiture.parametrize.networks import ImitatorConfig, MapperConfig, RegressorConfig
from portraiture.parametrize.train_encoder import FacesEncoderTraining
from portraiture.parametrize.train_imitator import ImitatorTraining
from portraiture.parametrize.train_mapper import MapperTraining
from portraiture.parametrize.train_regressor import RegressorTraining
from portraiture.train.loop import RunConfig
from portraiture.train.run_presets import TINY_RUN
from portraiture.types import Preset

IMITATOR: dict[Preset, ImitatorTraining] = {
    "tiny": ImitatorTraining(run=TINY_RUN, network=ImitatorConfig(hidden=16), grid_avatars=2),
    "cpu": ImitatorTraining(
        run=RunConfig(steps=8_000, batch=8, log_every=50, grid_every=500, checkpoint_every=250),
        decay_steps=8_000,
    ),
    "gpu": ImitatorTraining(
        run=RunConfig(
            steps=20_000, batch=32, log_every=50, grid_every=1_000, checkpoint_every=500,
            precision="bf16",
        ),
    ),
    "paper": ImitatorTraining(
        run=RunConfig(steps=125_000, batch=16, grid_every=2_000, checkpoint_every=1_000),
        learning_rate=0.01,
        generator_rate=1.0,
        decay_steps=125_000,
    ),
}  # fmt: skip

FACES_ENCODER: dict[Preset, FacesEncoderTraining] = {
    "tiny": FacesEncoderTraining(
        run=TINY_RUN,
        encoder=PyramidConfig("e4e", widths=(16, 16, 16, 16), units=(1, 1, 1, 1), branch=16),
        images_from=1,
        grid_photos=2,
    ),
    "cpu": FacesEncoderTraining(
        run=RunConfig(steps=6_000, batch=10, log_every=50, grid_every=500, checkpoint_every=250),
        decay_steps=6_000,
    ),
    "gpu": FacesEncoderTraining(
        run=RunConfig(
            steps=12_000, batch=32, log_every=50, grid_every=1_000, checkpoint_every=500,
            precision="bf16",
        ),
        decay_steps=12_000,
    ),
}  # fmt: skip

MAPPER: dict[Preset, MapperTraining] = {
    "tiny": MapperTraining(
        run=TINY_RUN, network=MapperConfig(row=8, hidden=16), real_from=1, epoch_steps=1,
        grid_photos=2,
    ),
    "cpu": MapperTraining(
        run=RunConfig(steps=6_000, batch=16, log_every=50, grid_every=500, checkpoint_every=250),
        fade_steps=3_000,
        epoch_steps=300,
        decay_steps=6_000,
    ),
    "gpu": MapperTraining(
        run=RunConfig(steps=10_000, batch=48, log_every=50, grid_every=1_000, checkpoint_every=500),
    ),
}  # fmt: skip

REGRESSOR: dict[Preset, RegressorTraining] = {
    "tiny": RegressorTraining(
        run=TINY_RUN, network=RegressorConfig(width=4, hidden=16), grid_avatars=2
    ),
    "cpu": RegressorTraining(
        run=RunConfig(steps=6_000, batch=24, log_every=50, grid_every=1_000, checkpoint_every=250),
        decay_steps=6_000,
    ),
    "gpu": RegressorTraining(
        run=RunConfig(
            steps=10_000, batch=64, log_every=50, grid_every=1_000, checkpoint_every=500,
            precision="bf16",
        ),
    ),
}  # fmt: skip
