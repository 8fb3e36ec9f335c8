"""Builds the recipes of `restyle`: planes, styles, editor."""

from __future__ import annotations

from dataclasses import replace

from portraiture.checkpoints import (
    check_planes,
    fingerprint,
    load_generator,
    load_image_to_planes,
)
from portraiture.cli.choices import Choices
from portraiture.data.edit_set import EditSet
from portraiture.errors import TrainingError
from portraiture.perception.features import load_squeeze
from portraiture.perception.weights import load_parser
from portraiture.restyle.embedded import EditorTraining, TrainEditor, fitted_editor
from portraiture.restyle.many import StyleImages, StylesTraining, TrainStyles
from portraiture.restyle.pretrain import PlanesPretraining, TrainPlanes, fitted_network


def planes_recipe(config: PlanesPretraining, choices: Choices) -> TrainPlanes:
    """The image-to-plane network of a generator, by default the shipped one."""
    generator = load_generator("heads" if choices.start is None else choices.start)
    config = fitted_network(config, generator)
    own = replace(config.network, generator=fingerprint(generator))
    return TrainPlanes(replace(config, network=own), generator)


def styles_recipe(config: StylesTraining, choices: Choices) -> TrainStyles:
    """One image-to-plane network for the styles of a set, from a pre-trained one."""
    assert choices.encoder is not None
    generator = load_generator("heads" if choices.start is None else choices.start)
    network = load_image_to_planes(choices.encoder)
    check_planes(network, generator)
    data = StyleImages(choices.folder)
    if data.side != generator.config.image_size:
        raise TrainingError(
            f"{choices.folder} has images of {data.side} pixels, the generator makes"
            f" {generator.config.image_size}; make the styles with it."
        )
    perceptual = choices.perceptual
    features = load_parser() if perceptual is None else load_squeeze(perceptual)
    config = replace(config, start=fingerprint(network))
    return TrainStyles(config, data, generator, network, features)


def editor_recipe(config: EditorTraining, choices: Choices) -> TrainEditor:
    """Our own editor, for the sentences of the data."""
    data = EditSet(choices.folder)
    return TrainEditor(fitted_editor(config, data), data)
