"""A recipe by its name: preset, data and what else it asks for → the object that the loop runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from portraiture.checkpoints import (
    fingerprint,
    load_generator,
    load_image_generator,
    w_fingerprint,
)
from portraiture.data.distort import background_pool
from portraiture.data.drawn_photos import DrawnPhotos
from portraiture.data.fitted_photos import FittedPhotos, load_fitted
from portraiture.data.folders import open_folder
from portraiture.data.photo_set import BACKGROUNDS, TAKEN, PhotoSet
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
    Architecture,
    as_baseline,
    encoder_kind,
    fitted_alignment,
    fitted_encoder,
    with_levels,
)
from portraiture.invert.goae.train_alignment import AlignmentTraining, TrainAlignment
from portraiture.invert.goae.train_encoder import EncoderTraining, TrainEncoder
from portraiture.invert.weights import check_fit, load_encoder
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.people.latent import CHOICE_GROUPS, LATENT_SIZE
from portraiture.people.people_set import PeopleSet
from portraiture.perception_training.attributes import AttributesTraining, TrainAttributes
from portraiture.perception_training.faces_data import open_faces
from portraiture.perception_training.identity import TrainIdentity
from portraiture.perception_training.parser import TrainParser
from portraiture.perception_training.presets import ATTRIBUTES, IDENTITY, PARSER
from portraiture.train.loop import Recipe, RunConfig
from portraiture.train.run_presets import Preset, seeded
from portraiture.weights import file_sha256

RecipeName = Literal[
    "supervised-heads",
    "supervised-faces",
    "adversarial-heads",
    "adversarial-faces",
    "identity",
    "parser",
    "attributes",
    "encoder",
    "alignment",
]
WITHOUT_START: tuple[RecipeName, ...] = ("supervised-faces", "identity", "parser", "attributes")
Config = TypeVar("Config")


@dataclass(frozen=True)
class Choices:
    """What a user chooses about a run; a recipe refuses what it has no use for.

    data: folder to train on: of `synth --kind latents` for supervised-heads, of `--kind scenes` for
    supervised-faces, images and dataset.json or people of either kind for the adversarial ones, all
    that synth writes for identity and parser, --kind latents for encoder. mirror: flip images, with
    cameras. start: a generator to begin with, whose sizes replace the preset's, or that the encoder
    is for: a shipped name, what another run left in networks/, or a published file. perceptual:
    SqueezeNet's weights in safetensors. encoder: that alignment refines, or that encoder begins
    with. architecture: of the encoder that is trained. photos: of real people for encoder or
    alignment, as tools/fit_portraits.py writes them. seed, steps: instead of the preset's.
    """

    preset: Preset
    data: Path
    mirror: bool = True
    start: Path | str | None = None
    perceptual: Path | None = None
    encoder: Path | str | None = None
    architecture: Architecture = "goae"
    photos: Path | None = None
    seed: int | None = None
    steps: int | None = None

    def lengthen(self, run: RunConfig) -> RunConfig:
        return seeded(run, seed=self.seed, steps=self.steps)


def make_recipe(recipe: RecipeName, choices: Choices) -> Recipe:
    """The recipe's object. Raises PortraitureError when a choice cannot be used."""
    if choices.start is not None and recipe in WITHOUT_START:
        raise TrainingError(f"{recipe} begins with random weights; --start is for others.")
    if choices.encoder is not None and recipe not in ("alignment", "encoder"):
        raise TrainingError(f"--encoder is for alignment and encoder, not for {recipe}.")
    if choices.architecture != "goae" and recipe != "encoder":
        raise TrainingError(f"--architecture is for encoder, not for {recipe}.")
    if choices.photos is not None and recipe not in ("alignment", "encoder"):
        raise TrainingError(f"--photos is for alignment and encoder, not for {recipe}.")
    if choices.perceptual is not None and not recipe.startswith("supervised"):
        raise TrainingError(f"--perceptual is for the supervised recipes, not for {recipe}.")
    match recipe:
        case "supervised-heads":
            return _supervised_heads(_preset(SUPERVISED, recipe, choices), choices)
        case "supervised-faces":
            return _supervised_faces(_preset(SUPERVISED_FACES, recipe, choices), choices)
        case "adversarial-heads":
            return _adversarial_heads(_preset(HEADS, recipe, choices), choices)
        case "adversarial-faces":
            return _adversarial_faces(choices)
        case "identity":
            return TrainIdentity(_preset(IDENTITY, recipe, choices), open_faces([choices.data]))
        case "parser":
            return TrainParser(_preset(PARSER, recipe, choices), open_faces([choices.data]))
        case "attributes":
            return _attributes(_preset(ATTRIBUTES, recipe, choices), choices)
        case "encoder":
            return _encoder(_preset(ENCODER, recipe, choices), choices)
        case "alignment":
            return _alignment(_preset(ALIGNMENT, recipe, choices), choices)


def _preset(table: Mapping[Any, Config], recipe: RecipeName, choices: Choices) -> Config:
    """The preset's config with the run's seed and length. Raises TrainingError when the recipe has
    no such preset."""
    if choices.preset not in table:
        raise TrainingError(
            f"{recipe} has no preset {choices.preset!r}; it has {', '.join(table)}."
        )
    config: Any = table[choices.preset]
    return replace(config, run=choices.lengthen(config.run))


def _supervised_heads(config: SupervisedConfig, choices: Choices) -> SupervisedHeads:
    """With a start there are no coarse steps, and sizes are the start's, but for those of a mapping
    that is taught anew."""
    start = None if choices.start is None else load_generator(choices.start)
    if config.keep_mapping and start is None:
        raise TrainingError("polish goes on from a generator; give it with --start.")
    if start is not None:
        if not _stands_for_people(start.config):
            raise TrainingError("supervised-heads goes on from generators of its own only.")
        generator = start.config
        if not config.keep_mapping:
            generator = replace(generator, mapping_layers=config.generator.mapping_layers)
        truth = config.truth.fitting(generator.neural_resolution)
        config = replace(config, coarse_steps=0, generator=generator, truth=truth)
    people = _people_of(choices.data, "latents", 2 * config.generator.neural_resolution)
    return SupervisedHeads(config, people, choices.perceptual, start)


def _encoder(config: EncoderTraining, choices: Choices) -> TrainEncoder:
    """The start is the generator that the encoder is for; an encoder to begin with has sizes of its
    own."""
    network = _frozen_heads(choices)
    start = None if choices.encoder is None else load_encoder(choices.encoder)
    if choices.architecture != "goae":
        config = as_baseline(config, choices.architecture)
    if start is not None:
        check_fit(network, start)
        if encoder_kind(start.config) != choices.architecture:
            raise TrainingError(f"{choices.encoder} is not an encoder of this architecture.")
        config = replace(config, encoder=with_levels(start.config), start=fingerprint(start))
    config = fitted_encoder(config, network.config, network.num_ws)
    if start is not None and config.encoder.rows != start.config.rows:
        raise TrainingError(f"{choices.encoder} has other rows of w+ on its three levels.")
    config = replace(config, encoder=replace(config.encoder, generator=w_fingerprint(network)))
    photos = _photos(choices, network, config.encoder.image_size, config.run.seed)
    fitted, digest = _fitted(choices, photos)
    if fitted is None:
        config = replace(config, fitted_share=0.0)
    config = replace(config, fitted=digest)
    return TrainEncoder(config, photos, _drawn(photos), network, fitted=fitted, start=start)


def _attributes(config: AttributesTraining, choices: Choices) -> TrainAttributes:
    people = PeopleSet(choices.data)
    if people.latent_size != LATENT_SIZE:
        raise TrainingError(f"{choices.data} holds other people; make some with synth.")
    how = replace(TAKEN, size=config.network.size, zoom=(0.9, 1.1), shift=0.03, turn=0.05)
    backgrounds = background_pool(BACKGROUNDS, config.network.size, config.run.seed)
    photos = PhotoSet(people, backgrounds, how)
    return TrainAttributes(config, photos, _drawn(photos))


def _drawn(photos: PhotoSet) -> DrawnPhotos:
    return DrawnPhotos(load_image_generator("faces2d"), photos.backgrounds, photos.how)


def _alignment(config: AlignmentTraining, choices: Choices) -> TrainAlignment:
    """The start is the generator that the encoder is for."""
    if choices.encoder is None:
        raise TrainingError("alignment needs the encoder that it refines; give it with --encoder.")
    network, encoder = _frozen_heads(choices), load_encoder(choices.encoder)
    check_fit(network, encoder)
    config = replace(fitted_alignment(config, network.config), encoder=fingerprint(encoder))
    own = replace(config.alignment, generator=fingerprint(network))
    config = replace(config, alignment=own)
    photos = _photos(choices, network, encoder.config.image_size, config.run.seed)
    fitted, digest = _fitted(choices, photos)
    return TrainAlignment(replace(config, fitted=digest), photos, network, encoder, fitted=fitted)


def _fitted(choices: Choices, photos: PhotoSet) -> tuple[FittedPhotos | None, str]:
    """Photos of real people, taken as the others are, and their file's digest."""
    if choices.photos is None:
        return None, ""
    fitted = load_fitted(choices.photos, photos.backgrounds, photos.how)
    return fitted, file_sha256(choices.photos)


def _frozen_heads(choices: Choices) -> TriPlaneGenerator:
    network = load_generator("heads" if choices.start is None else choices.start)
    if not _stands_for_people(network.config):
        raise TrainingError("This recipe is for generators of supervised-heads only.")
    return network


def _photos(choices: Choices, network: TriPlaneGenerator, size: int, seed: int) -> PhotoSet:
    """Photos of `size` pixels of people whose pictures are as large as the generator's."""
    people = _people_of(choices.data, "latents", 2 * network.config.neural_resolution)
    backgrounds = background_pool(BACKGROUNDS, size, seed)
    return PhotoSet(people, backgrounds, replace(TAKEN, size=size))


def _stands_for_people(config: TriPlaneConfig) -> bool:
    """Whether the generator's z is `people.latent`'s."""
    z = config.z_dim == LATENT_SIZE and config.choice_groups == CHOICE_GROUPS
    axes = not config.flow_rank or config.rendering.plane_axes == "fixed"
    return z and axes and not config.c_dim


def _supervised_faces(config: SupervisedFacesConfig, choices: Choices) -> SupervisedFaces:
    people = _people_of(choices.data, "scenes", config.generator.size)
    return SupervisedFaces(config, people, choices.perceptual)


def _people_of(folder: Path, kind: Literal["latents", "scenes"], side: int) -> PeopleSet:
    """Raises TrainingError on people of the other kind or of pictures of another side."""
    people = PeopleSet(folder)
    first = people.person(0)
    if len(first.z) != LATENT_SIZE or (first.scenes is None) != (kind == "latents"):
        raise TrainingError(f"{folder} holds other people; make some with synth --kind {kind}.")
    if people.side != side:
        raise TrainingError(
            f"{folder} has pictures of {people.side} pixels where this preset learns {side}; make"
            f" some with synth --kind {kind} --size {side}, or take another preset."
        )
    return people


def _adversarial_heads(heads: HeadsConfig, choices: Choices) -> AdversarialHeads:
    network = None if choices.start is None else load_generator(choices.start)
    if network is not None:
        heads = _beginning_with(heads, network.config)
    images = open_folder(
        choices.data,
        size=heads.discriminator.size,
        mirror=choices.mirror,
        seed=heads.run.seed,
    )
    return AdversarialHeads(heads, images, network)


def _adversarial_faces(choices: Choices) -> AdversarialFaces:
    faces = _preset(FACES, "adversarial-faces", choices)
    painter = None if choices.start is None else load_image_generator(choices.start)
    if painter is not None:
        judge = replace(faces.discriminator, size=painter.config.size)
        faces = replace(faces, generator=painter.config, discriminator=judge)
    images = open_folder(
        choices.data,
        size=faces.generator.size,
        mirror=choices.mirror,
        cameras=False,
        seed=faces.run.seed,
    )
    return AdversarialFaces(faces, images, painter)


def _beginning_with(config: HeadsConfig, generator: TriPlaneConfig) -> HeadsConfig:
    """The preset with a given generator, whose raw images keep their size."""
    side = generator.neural_resolution
    return replace(
        config,
        generator=generator,
        discriminator=replace(config.discriminator, size=generator.image_size),
        neural_first=side,
        neural_last=side,
    )
