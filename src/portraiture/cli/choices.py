"""The options of a training run, and which recipe takes which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from portraiture.errors import TrainingError
from portraiture.invert.goae.presets import Architecture
from portraiture.train.loop import RunConfig
from portraiture.train.run_presets import seeded
from portraiture.types import BridgePart, LiftLoss, Preset, RecipeName, StylePart

WITHOUT_START: tuple[RecipeName, ...] = (
    "supervised-faces", "identity", "parser", "portrait-parser", "attributes", "regressor",
    "editor",
)  # fmt: skip
WITHOUT_DATA: tuple[RecipeName, ...] = ("lifted", "planes")
TAKES_PHOTOS: tuple[RecipeName, ...] = (
    "alignment", "encoder", "i2t", "portrait-parser", "faces-encoder", "mapper",
)  # fmt: skip
OF_PAIRS: tuple[RecipeName, ...] = ("imitator", "faces-encoder", "mapper", "regressor")
"""Recipes whose data are pairs (`people.pairs`)."""
OWN_FILES: dict[RecipeName, str] = {"styles": "style_*.npz", "editor": "edit_*.npz"}
"""Files that one recipe alone learns from."""
IN_IMAGE_SPACE: tuple[RecipeName, ...] = (
    "supervised-heads", "supervised-faces", "lifted", "imitator", "faces-encoder", "mapper",
    "styles",
)  # fmt: skip
"""Recipes with a perceptual loss of SqueezeNet, or of the shipped parser without it."""

WITHOUT: dict[RecipeName, tuple[str, ...]] = {
    "lifted": get_args(LiftLoss), "mapper": get_args(BridgePart), "style": get_args(StylePart),
}  # fmt: skip
"""What a recipe can leave out, for the papers' ablations."""


@dataclass(frozen=True)
class Choices:
    """Options of a training run. `make_recipe` refuses an option that its recipe does not use.

    data: folder with training data; supervised-heads, encoder, alignment, i2t and attributes need
    `synth --kind latents`, supervised-faces `--kind scenes`, identity, parser and portrait-parser
    any output of synth, imitator, faces-encoder, mapper and regressor `--kind pairs`, the
    adversarial recipes any of these or images with dataset.json, style a folder of adapt prepare,
    lifted and planes none, styles a set of `restyle.style_set`, editor pairs of
    `people.edit_pairs`.
    mirror: augment with mirrored images and cameras (adversarial recipes, style).
    start: generator to start from, whose sizes replace the preset's, or that the encoder is for, or
    that is lifted or styled: a shipped name, weights of another run, or a published file. For
    mapper a folder with the trained encoder, stylised generator and imitator
    (`parametrize.cascade.load_bridge`).
    perceptual: SqueezeNet weights (.safetensors) for the perceptual loss.
    encoder: encoder that alignment refines, or that encoder starts from, or the network of i2t
    that styles starts from.
    architecture: architecture of the encoder to train.
    photos: photos of real people: for encoder, alignment or i2t the file of
    tools/fit_portraits.py, for portrait-parser, faces-encoder and mapper the folder of
    tools/label_portraits.py.
    without: losses of lifted, or parts of mapper's or style's training, to leave out (`WITHOUT`).
    seed, steps: override the preset's.
    """

    preset: Preset
    data: Path | None = None
    mirror: bool = True
    start: Path | str | None = None
    perceptual: Path | None = None
    encoder: Path | str | None = None
    architecture: Architecture = "goae"
    photos: Path | None = None
    without: Sequence[LiftLoss | BridgePart | StylePart] = ()
    seed: int | None = None
    steps: int | None = None

    @property
    def folder(self) -> Path:
        """`data` of a recipe that needs some (`check_choices`)."""
        assert self.data is not None
        return self.data

    def lengthen(self, run: RunConfig) -> RunConfig:
        return seeded(run, seed=self.seed, steps=self.steps)


def check_choices(recipe: RecipeName, choices: Choices) -> None:
    """Raise TrainingError when an option cannot be used with a recipe, or its data is missing."""
    if choices.start is not None and recipe in WITHOUT_START:
        raise TrainingError(f"{recipe} starts from random weights; leave out --start.")
    if choices.encoder is not None and recipe not in ("alignment", "encoder", "styles"):
        raise TrainingError(f"--encoder is for alignment, encoder and styles, not for {recipe}.")
    if choices.encoder is None and recipe == "styles":
        raise TrainingError("styles starts from a network of i2t; give it with --encoder.")
    if choices.architecture != "goae" and recipe != "encoder":
        raise TrainingError(f"--architecture is for encoder, not for {recipe}.")
    if choices.photos is not None and recipe not in TAKES_PHOTOS:
        raise TrainingError(f"--photos is for {', '.join(TAKES_PHOTOS)}, not for {recipe}.")
    if choices.perceptual is not None and recipe not in IN_IMAGE_SPACE:
        raise TrainingError(f"--perceptual is for {', '.join(IN_IMAGE_SPACE)}, not for {recipe}.")
    unknown = [part for part in choices.without if part not in WITHOUT.get(recipe, ())]
    if unknown:
        known = ", ".join(WITHOUT.get(recipe, ())) or "nothing"
        raise TrainingError(f"{recipe} cannot leave out {unknown[0]}, but {known}.")
    if choices.data is not None and recipe in WITHOUT_DATA:
        raise TrainingError(f"{recipe} learns from its generator alone; leave out --data.")
    if choices.data is None and recipe not in WITHOUT_DATA:
        raise TrainingError(f"{recipe} needs training data; give its folder with --data.")
    if recipe == "mapper" and (choices.start is None or choices.photos is None):
        raise TrainingError(
            "mapper needs a folder with encoder, stylised and imitator.safetensors (--start), and"
            " the portraits that tools/label_portraits.py wrote (--photos)."
        )
    if choices.data is not None:
        _check_kind(recipe, choices.data)


def _check_kind(recipe: RecipeName, data: Path) -> None:
    """Raise TrainingError when a folder of pairs or of people is for other recipes."""
    pairs, people = any(data.glob("pair_*.npz")), any(data.glob("person_*.npz"))
    for name, files in OWN_FILES.items():
        if (recipe == name) != any(data.glob(files)):
            raise TrainingError(f"{data} is not what {recipe} learns from; see train --help.")
    if pairs and recipe not in (*OF_PAIRS, "adversarial-faces"):
        raise TrainingError(f"{data} holds pairs, which are not for {recipe}; see synth --kind.")
    if people and recipe in OF_PAIRS:
        raise TrainingError(f"{data} holds people; {recipe} needs synth --kind pairs.")
