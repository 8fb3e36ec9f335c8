"""Builds a training recipe from its name and the user's options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from portraiture.adapt.settings import STYLE
from portraiture.checkpoints import (
    fingerprint,
    load_generator,
    load_image_generator,
    w_fingerprint,
)
from portraiture.cli.avatar_recipes import (
    faces_encoder_recipe,
    imitator_recipe,
    mapper_recipe,
    regressor_recipe,
)
from portraiture.cli.choices import Choices, check_choices
from portraiture.cli.restyle_recipes import editor_recipe, planes_recipe, styles_recipe
from portraiture.cli.style_recipes import style_recipe
from portraiture.data.distort import background_pool
from portraiture.data.face_set import load_faces
from portraiture.data.fitted_photos import FittedPhotos, load_fitted
from portraiture.data.folders import open_folder
from portraiture.data.labelled_photos import labelled_faces, load_labelled
from portraiture.data.pair_set import white
from portraiture.data.photo_set import BACKGROUNDS, TAKEN, PhotoSet
from portraiture.data.sampled_photos import SampledPhotos
from portraiture.errors import TrainingError
from portraiture.generate.train.adversarial_faces import AdversarialFaces
from portraiture.generate.train.adversarial_heads import AdversarialHeads, HeadsConfig
from portraiture.generate.train.presets import FACES, HEADS
from portraiture.generate.train.supervised_faces import SupervisedFaces, SupervisedFacesConfig
from portraiture.generate.train.supervised_heads import SupervisedConfig, SupervisedHeads
from portraiture.generate.train.supervised_presets import SUPERVISED, SUPERVISED_FACES
from portraiture.invert.goae.presets import (
    ALIGNMENT,
    ENCODER,
    as_baseline,
    encoder_kind,
    fitted_alignment,
    fitted_encoder,
    with_levels,
)
from portraiture.invert.goae.train_alignment import AlignmentTraining, TrainAlignment
from portraiture.invert.goae.train_encoder import EncoderTraining, TrainEncoder
from portraiture.invert.i2t.presets import I2T
from portraiture.invert.i2t.train import PlanesTraining, TrainImageToPlanes, fitted_planes
from portraiture.invert.weights import check_fit, load_encoder
from portraiture.lift.presets import LIFTED
from portraiture.lift.train import LiftTraining, TrainLifted
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.parametrize.presets import FACES_ENCODER, IMITATOR, MAPPER, REGRESSOR
from portraiture.people.latent import CHOICE_GROUPS, LATENT_SIZE
from portraiture.people.people_set import PeopleSet
from portraiture.perception.features import load_squeeze
from portraiture.perception.weights import load_identity, load_parser
from portraiture.perception_training.attributes import AttributesTraining, TrainAttributes
from portraiture.perception_training.faces_data import open_faces
from portraiture.perception_training.identity import TrainIdentity
from portraiture.perception_training.parser import TrainParser
from portraiture.perception_training.portrait_parser import (
    PortraitParserTraining,
    TrainPortraitParser,
)
from portraiture.perception_training.presets import (
    ATTRIBUTES,
    IDENTITY,
    PARSER,
    PORTRAIT_PARSER,
)
from portraiture.restyle.embedded import EDITOR
from portraiture.restyle.many import STYLES
from portraiture.restyle.pretrain import PLANES
from portraiture.train.loop import Recipe
from portraiture.types import LiftLoss, RecipeName
from portraiture.weights import file_sha256

Config = TypeVar("Config")


def make_recipe(recipe: RecipeName, choices: Choices) -> Recipe:
    """Build a recipe. Raises PortraitureError when an option cannot be used with it."""
    check_choices(recipe, choices)
    match recipe:
        case "supervised-heads":
            return _supervised_heads(_preset(SUPERVISED, recipe, choices), choices)
        case "supervised-faces":
            return _supervised_faces(_preset(SUPERVISED_FACES, recipe, choices), choices)
        case "adversarial-heads":
            return _adversarial_heads(_preset(HEADS, recipe, choices), choices)
        case "adversarial-faces":
            return _adversarial_faces(choices)
        case "lifted":
            return _lifted(_preset(LIFTED, recipe, choices), choices)
        case "imitator":
            return imitator_recipe(_preset(IMITATOR, recipe, choices), choices)
        case "faces-encoder":
            return faces_encoder_recipe(_preset(FACES_ENCODER, recipe, choices), choices)
        case "mapper":
            return mapper_recipe(_preset(MAPPER, recipe, choices), choices)
        case "regressor":
            return regressor_recipe(_preset(REGRESSOR, recipe, choices), choices)
        case "identity":
            return TrainIdentity(_preset(IDENTITY, recipe, choices), open_faces([choices.folder]))
        case "parser":
            return TrainParser(_preset(PARSER, recipe, choices), open_faces([choices.folder]))
        case "portrait-parser":
            return _portrait_parser(_preset(PORTRAIT_PARSER, recipe, choices), choices)
        case "attributes":
            return _attributes(_preset(ATTRIBUTES, recipe, choices), choices)
        case "encoder":
            return _encoder(_preset(ENCODER, recipe, choices), choices)
        case "i2t":
            return _i2t(_preset(I2T, recipe, choices), choices)
        case "planes":
            return planes_recipe(_preset(PLANES, recipe, choices), choices)
        case "styles":
            return styles_recipe(_preset(STYLES, recipe, choices), choices)
        case "editor":
            return editor_recipe(_preset(EDITOR, recipe, choices), choices)
        case "alignment":
            return _alignment(_preset(ALIGNMENT, recipe, choices), choices)
        case "style":
            return style_recipe(_preset(STYLE, recipe, choices), choices)


def _preset(table: Mapping[Any, Config], recipe: RecipeName, choices: Choices) -> Config:
    """The preset's config with the user's seed and number of steps.

    Raises TrainingError when the recipe has no such preset.
    """
    if choices.preset not in table:
        raise TrainingError(
            f"{recipe} has no preset {choices.preset!r}; it has {', '.join(table)}."
        )
    config: Any = table[choices.preset]
    return replace(config, run=choices.lengthen(config.run))


def _supervised_heads(config: SupervisedConfig, choices: Choices) -> SupervisedHeads:
    """Supervised heads, from scratch or from a generator.

    A start skips the coarse steps and sets the network's sizes, except those of the mapping if it
    is pre-trained again.
    """
    start = None if choices.start is None else load_generator(choices.start)
    if config.keep_mapping and start is None:
        raise TrainingError(f"{choices.preset} fine-tunes a generator; give one with --start.")
    if start is not None:
        if not _has_people_latent(start.config):
            raise TrainingError("supervised-heads can start only from a generator of its own.")
        generator = start.config
        if not config.keep_mapping:
            generator = replace(generator, mapping_layers=config.generator.mapping_layers)
        truth = config.truth.fitting(generator.neural_resolution)
        config = replace(config, coarse_steps=0, generator=generator, truth=truth)
    people = _people_of(choices.folder, "latents", 2 * config.generator.neural_resolution)
    return SupervisedHeads(config, people, choices.perceptual, start)


def _encoder(config: EncoderTraining, choices: Choices) -> TrainEncoder:
    """An encoder for the generator `start`; an encoder to start from sets the sizes."""
    network = _frozen_heads(choices)
    start = None if choices.encoder is None else load_encoder(choices.encoder)
    if choices.architecture != "goae":
        config = as_baseline(config, choices.architecture)
    if start is not None:
        check_fit(network, start)
        if encoder_kind(start.config) != choices.architecture:
            raise TrainingError(f"{choices.encoder} has another architecture; see --architecture.")
        config = replace(config, encoder=with_levels(start.config), start=fingerprint(start))
    config = fitted_encoder(config, network.config, network.num_ws)
    if start is not None and config.encoder.rows != start.config.rows:
        raise TrainingError(f"{choices.encoder} assigns other rows of w+ to its three levels.")
    config = replace(config, encoder=replace(config.encoder, generator=w_fingerprint(network)))
    photos = _photos(choices, network, config.encoder.image_size, config.run.seed)
    fitted, digest = _fitted(choices, photos)
    if fitted is None:
        config = replace(config, fitted_share=0.0)
    config = replace(config, fitted=digest)
    return TrainEncoder(
        config, photos, _sampled_photos(photos), network, fitted=fitted, start=start
    )


def _portrait_parser(config: PortraitParserTraining, choices: Choices) -> TrainPortraitParser:
    """A portrait parser from labelled portraits, labelled renders if there are any, and cut-outs
    of synthetic people."""
    if choices.photos is None:
        raise TrainingError(
            "portrait-parser learns from real portraits; give a folder written by"
            " tools/label_portraits.py with --photos."
        )
    data = {
        name: load_labelled(choices.photos / f"{name}.safetensors")
        for name in ("portraits", "pictures")
        if (choices.photos / f"{name}.safetensors").exists()
    }
    if "portraits" not in data:
        raise TrainingError(f"{choices.photos} holds no portraits.safetensors.")
    size = config.network.size
    faces = load_faces([choices.folder], size=size)
    data["cutouts"] = labelled_faces(faces)
    return TrainPortraitParser(config, data, background_pool(BACKGROUNDS, size, config.run.seed))


def _attributes(config: AttributesTraining, choices: Choices) -> TrainAttributes:
    people = PeopleSet(choices.folder)
    if people.latent_size != LATENT_SIZE:
        raise TrainingError(f"{choices.folder} holds other people; make some with synth.")
    how = replace(TAKEN, size=config.network.size, zoom=(0.9, 1.1), shift=0.03, turn=0.05)
    backgrounds = background_pool(BACKGROUNDS, config.network.size, config.run.seed)
    photos = PhotoSet(people, backgrounds, how)
    return TrainAttributes(config, photos, _sampled_photos(photos))


def _sampled_photos(photos: PhotoSet) -> SampledPhotos:
    return SampledPhotos(load_image_generator("faces2d"), photos.backgrounds, photos.how)


def _alignment(config: AlignmentTraining, choices: Choices) -> TrainAlignment:
    """The feature alignment of an encoder, for the generator `start`."""
    if choices.encoder is None:
        raise TrainingError("alignment refines an encoder; give one with --encoder.")
    network, encoder = _frozen_heads(choices), load_encoder(choices.encoder)
    check_fit(network, encoder)
    config = replace(fitted_alignment(config, network.config), encoder=fingerprint(encoder))
    own = replace(config.alignment, generator=fingerprint(network))
    config = replace(config, alignment=own)
    photos = _photos(choices, network, encoder.config.image_size, config.run.seed)
    fitted, digest = _fitted(choices, photos)
    return TrainAlignment(replace(config, fitted=digest), photos, network, encoder, fitted=fitted)


def _i2t(config: PlanesTraining, choices: Choices) -> TrainImageToPlanes:
    """FF3D's network for the generator `start`; its photos are over white."""
    network = _frozen_heads(choices)
    config = fitted_planes(config, network.config)
    own = replace(config.network, generator=fingerprint(network))
    size = own.image_size
    people = _people_of(choices.folder, "latents", 2 * network.config.neural_resolution)
    photos = PhotoSet(people, white(size), replace(TAKEN, size=size))
    fitted, digest = _fitted(choices, photos)
    config = replace(config, network=own, fitted=digest)
    return TrainImageToPlanes(config, photos, network, fitted=fitted)


def _fitted(choices: Choices, photos: PhotoSet) -> tuple[FittedPhotos | None, str]:
    """The photos of real people, augmented like the synthetic ones, and their file's SHA-256."""
    if choices.photos is None:
        return None, ""
    fitted = load_fitted(choices.photos, photos.backgrounds, photos.how)
    return fitted, file_sha256(choices.photos)


def _frozen_heads(choices: Choices) -> TriPlaneGenerator:
    network = load_generator("heads" if choices.start is None else choices.start)
    if not _has_people_latent(network.config):
        raise TrainingError("This recipe needs a generator trained by supervised-heads.")
    return network


def _photos(choices: Choices, network: TriPlaneGenerator, size: int, seed: int) -> PhotoSet:
    """Photos of `size` pixels of synthetic people rendered at the generator's resolution."""
    people = _people_of(choices.folder, "latents", 2 * network.config.neural_resolution)
    backgrounds = background_pool(BACKGROUNDS, size, seed)
    return PhotoSet(people, backgrounds, replace(TAKEN, size=size))


def _has_people_latent(config: TriPlaneConfig) -> bool:
    """Whether the generator's z is that of `people.latent`."""
    z = config.z_dim == LATENT_SIZE and config.choice_groups == CHOICE_GROUPS
    axes = not config.flow_rank or config.rendering.plane_axes == "fixed"
    return z and axes and not config.c_dim


def _supervised_faces(config: SupervisedFacesConfig, choices: Choices) -> SupervisedFaces:
    people = _people_of(choices.folder, "scenes", config.generator.size)
    return SupervisedFaces(config, people, choices.perceptual)


def _lifted(config: LiftTraining, choices: Choices) -> TrainLifted:
    """LiftedGAN of a generator, by default the shipped one."""
    faces = load_image_generator("faces2d" if choices.start is None else choices.start)
    if faces.config.c_dim:
        raise TrainingError(f"{choices.start} is a conditional generator, which cannot be lifted.")
    perceptual = choices.perceptual
    features = load_parser() if perceptual is None else load_squeeze(perceptual)
    networks = replace(config.networks, generator=fingerprint(faces))
    losses = [loss for loss in get_args(LiftLoss) if loss in choices.without]
    config = replace(config, networks=networks).without(losses)
    identity = load_identity() if config.idt else None
    return TrainLifted(config, faces, features, identity)


def _people_of(folder: Path, kind: Literal["latents", "scenes"], side: int) -> PeopleSet:
    """Open a folder of `synth`. Raises TrainingError if its kind or image size does not fit."""
    people = PeopleSet(folder)
    first = people.person(0)
    if len(first.z) != LATENT_SIZE or (first.scenes is None) != (kind == "latents"):
        raise TrainingError(f"{folder} holds other people; make some with synth --kind {kind}.")
    if people.side != side:
        raise TrainingError(
            f"{folder} has images of {people.side} pixels, this preset needs {side}; make some"
            f" with synth --kind {kind} --size {side}, or choose another preset."
        )
    return people


def _adversarial_heads(heads: HeadsConfig, choices: Choices) -> AdversarialHeads:
    network = None if choices.start is None else load_generator(choices.start)
    if network is not None:
        heads = _starting_from(heads, network.config)
    images = open_folder(
        choices.folder,
        size=heads.discriminator.size,
        mirror=choices.mirror,
        seed=heads.run.seed,
    )
    return AdversarialHeads(heads, images, network)


def _adversarial_faces(choices: Choices) -> AdversarialFaces:
    faces = _preset(FACES, "adversarial-faces", choices)
    start = None if choices.start is None else load_image_generator(choices.start)
    if start is not None:
        discriminator = replace(faces.discriminator, size=start.config.size)
        faces = replace(faces, generator=start.config, discriminator=discriminator)
    images = open_folder(
        choices.folder,
        size=faces.generator.size,
        mirror=choices.mirror,
        cameras=False,
        seed=faces.run.seed,
    )
    return AdversarialFaces(faces, images, start)


def _starting_from(config: HeadsConfig, generator: TriPlaneConfig) -> HeadsConfig:
    """The preset with the sizes of a given generator; raw images keep their resolution."""
    side = generator.neural_resolution
    return replace(
        config,
        generator=generator,
        discriminator=replace(config.discriminator, size=generator.image_size),
        neural_first=side,
        neural_last=side,
    )
