"""Builds the recipes of `parametrize`: imitator, faces-encoder, mapper, regressor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from portraiture.checkpoints import fingerprint, load_card, load_image_generator
from portraiture.cli.choices import Choices
from portraiture.data.labelled_photos import load_labelled
from portraiture.data.pair_set import PHOTOGRAPHED, PairSet, Portraits
from portraiture.errors import TrainingError
from portraiture.networks.faces2d import FacesGenerator
from portraiture.parametrize.cascade import load_bridge, load_imitator
from portraiture.parametrize.networks import Imitator
from portraiture.parametrize.train_encoder import FacesEncoderTraining, TrainFacesEncoder
from portraiture.parametrize.train_imitator import ImitatorTraining, TrainImitator
from portraiture.parametrize.train_mapper import MapperTraining, TrainMapper
from portraiture.parametrize.train_regressor import RegressorTraining, TrainRegressor
from portraiture.perception.features import FeatureNetwork, load_squeeze
from portraiture.perception.weights import load_identity, load_parser


def imitator_recipe(config: ImitatorTraining, choices: Choices) -> TrainImitator:
    """The imitator, from an imitator or a generator of images, by default the shipped one."""
    begun = _begun_imitator(choices) or _faces(choices)
    config = replace(config, start=fingerprint(begun))
    size = begun.config.faces.size if isinstance(begun, Imitator) else begun.config.size
    data = _pairs(choices.folder, size)
    return TrainImitator(config, data, begun, _features(choices), load_identity())


def _begun_imitator(choices: Choices) -> Imitator | None:
    """The imitator of --start, if it is one."""
    if choices.start is None or load_card(choices.start).model != Imitator.model_name:
        return None
    return load_imitator(choices.start)


def faces_encoder_recipe(config: FacesEncoderTraining, choices: Choices) -> TrainFacesEncoder:
    """The encoder into w+ of a generator of images, by default the shipped one."""
    faces = _faces(choices)
    data = _pairs(choices.folder, faces.config.size)
    portraits = None
    if choices.photos is not None:
        portraits = _portraits(choices.photos, faces.config.size)
    return TrainFacesEncoder(
        config, data, faces, _features(choices), load_identity(), portraits=portraits
    )


def mapper_recipe(config: MapperTraining, choices: Choices) -> TrainMapper:
    """The mapper between trained networks, which `check_choices` asks for with the photos."""
    assert choices.start is not None and choices.photos is not None
    bridge = load_bridge(Path(choices.start))
    size = bridge.faces.config.size
    config = replace(
        config, stylised="stylization" not in choices.without,
        relaxed="relaxation" not in choices.without,
    )  # fmt: skip
    return TrainMapper(
        config, _pairs(choices.folder, size), _portraits(choices.photos, size), bridge,
        _features(choices), load_identity(), load_parser(),
    )  # fmt: skip


def regressor_recipe(config: RegressorTraining, choices: Choices) -> TrainRegressor:
    """The supervised regressor, for images of the data's size."""
    return TrainRegressor(config, PairSet(choices.folder))


def _faces(choices: Choices) -> FacesGenerator:
    faces = load_image_generator("faces2d" if choices.start is None else choices.start)
    if faces.config.c_dim:
        raise TrainingError(f"{choices.start} is a conditional generator, which is of no use here.")
    return faces


def _features(choices: Choices) -> FeatureNetwork:
    return load_parser() if choices.perceptual is None else load_squeeze(choices.perceptual)


def _pairs(folder: Path, side: int) -> PairSet:
    """Raises TrainingError when the images are of another size than the generator's."""
    pairs = PairSet(folder)
    if pairs.side != side:
        raise TrainingError(
            f"{folder} has images of {pairs.side} pixels, the generator makes {side}; make some"
            f" with synth --kind pairs --size {side}."
        )
    return pairs


def _portraits(folder: Path, side: int) -> Portraits:
    path = folder / "portraits.safetensors"
    if not path.exists():
        raise TrainingError(f"{folder} holds no portraits.safetensors of tools/label_portraits.py.")
    return Portraits(load_labelled(path), replace(PHOTOGRAPHED, size=side))
