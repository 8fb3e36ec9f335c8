"""Builds the recipe of `adapt`: style."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from portraiture.adapt.images import open_style_images, source_cameras
from portraiture.adapt.settings import StyleTraining
from portraiture.adapt.train import TrainStyle
from portraiture.checkpoints import fingerprint, load_generator
from portraiture.cli.choices import Choices
from portraiture.perception.weights import load_identity, load_parser
from portraiture.types import StylePart


def style_recipe(config: StyleTraining, choices: Choices) -> TrainStyle:
    """A style of the generator `start`, by default the shipped heads, from the images of a prepared
    folder. Raises TrainingError, CheckpointError."""
    source = load_generator("heads" if choices.start is None else choices.start)
    parts = frozenset(part for part in get_args(StylePart) if part in choices.without)
    config = replace(config.without(parts).fitting(source.config), source=fingerprint(source))
    images = open_style_images(
        choices.folder, size=source.config.image_size, mirror=choices.mirror, seed=config.run.seed
    )
    if not config.aligned:
        images = replace(images, cameras=source_cameras())
    parser = None if source.config.rendering.white_background else load_parser()
    return TrainStyle(config, images, source, load_identity(), parser)
