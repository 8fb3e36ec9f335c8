"""What the commands adapt prepare, train, apply, reference and video take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import OmitArgPrefixes, OmitSubcommandPrefixes, Positional, arg, subcommand

from portraiture.types import DeviceName, StylePreset


@dataclass(frozen=True)
class AdaptPrepare:
    """Prepare a folder of portraits in some style for training, and recover their cameras.

    Each image is cropped to its face, cut out over white, and compared with the generator's mean
    head from many cameras. Writes 00000.webp … and cameras.json, all of them or none.

    Example: portraiture adapt prepare --images paintings --out prepared
    """

    images: Path
    """Folder with portraits; images in folders below count."""
    out: Path
    """Folder for the results."""
    crops: bool = False
    """The images are square crops over white already, or people of synth."""
    network: str = "heads"
    """The generator to adapt."""
    device: DeviceName = "auto"
    """Where to compute; auto takes CUDA where there is one."""
    overwrite: bool = False
    """Replace files of an earlier run."""


@dataclass(frozen=True)
class AdaptTrain:
    """Train a style from a folder of portraits: a 3D generator linked to heads, after 3DAvatarGAN.

    Writes images/ (as adapt prepare does), run/ (the training, with grids/), and style/ (the
    result, 8-bit residual weights). Rerun the same command to resume. With --bundle the training is
    not run but written as a folder that trains on a bare GPU machine; put its style.safetensors
    wherever --style is asked for.

    Example: portraiture adapt train --images paintings --out painted
    """

    images: Path
    """Folder with portraits, from about a hundred on; images in folders below count."""
    out: Path
    """Folder of the run and the style."""
    crops: bool = False
    """The images are square crops over white already, or people of synth."""
    preset: StylePreset = "cpu"
    """tiny: a trial. cpu: hours on two cores. gpu: minutes on one large GPU. paper: the published
    length."""
    alignment: Literal["images", "samples"] = "images"
    """Cameras are recovered from the images (ours), or, as published, from samples of a 2D
    generator (faces2d) that is first fine-tuned on them, which takes as long again."""
    network: str = "heads"
    """The generator to adapt."""
    bundle: Path | None = None
    """Folder for a self-contained training instead."""
    seed: int | None = None
    """Random seed; the preset's by default."""
    steps: int | None = None
    """Number of training steps; the preset's by default."""
    minutes: float | None = None
    """Save a checkpoint and stop after this many minutes of training."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto takes a GPU if there is one."""


@dataclass(frozen=True)
class AdaptApply:
    """Put a neural head, or the person of a photo, into a trained style, or take it out again.

    Writes head.safetensors (which edit takes), front.png and sheet.png (before and after from five
    views), all of them or none. A photo is first inverted in W (200 steps) and its code optimised
    in the style (400 steps), minutes altogether; a head takes seconds.

    Example: portraiture adapt apply me/head.safetensors --style painted --out me-painted
    """

    source: Annotated[Positional[Path], arg(metavar="HEAD|PHOTO")]
    """A head.safetensors of invert or edit, or a photo."""
    style: str
    """Folder of adapt train, or a style's .safetensors file."""
    out: Path
    """Folder for the results."""
    exaggerate: float = 1.0
    """Amount of the learned warp, from 0 to 2."""
    shape: float = 1.0
    """Amount of the style's shape, from 0 (the person's own) to 1."""
    back: bool = False
    """Take a head out of this style."""
    steps: int | None = None
    """Steps of the optimisation in the style: 400 for a photo, 0 for a head by default."""
    network: str | None = None
    """The generator's weights, if they are not shipped ones."""
    device: DeviceName = "auto"
    """Where to compute; auto takes CUDA where there is one."""
    overwrite: bool = False
    """Replace files of an earlier run."""


@dataclass(frozen=True)
class AdaptReference:
    """Give a neural head the style of one image, such as a painting.

    The image's textures are matched from a camera that turns about the head. Writes
    head.safetensors (a head with weights of its own, which edit takes), front.png and sheet.png,
    all of them or none. Ctrl-C ends the optimisation early, with what it has.

    Example: portraiture adapt reference me/head.safetensors --image painting.jpg --out me-painted
    """

    source: Annotated[Positional[Path], arg(metavar="HEAD|PHOTO")]
    """A head.safetensors of invert or edit, or a photo."""
    image: Path
    """The reference; its middle square is used."""
    out: Path
    """Folder for the results."""
    change: Literal["color", "color+shape"] = "color"
    """Layers that may change: those of colour, or also those of shape."""
    steps: int = 120
    """Steps of the optimisation."""
    perceptual: Path | None = None
    """SqueezeNet weights whose features are matched; our face parser's by default."""
    network: str | None = None
    """The generator's weights, if they are not shipped ones."""
    device: DeviceName = "auto"
    """Where to compute; auto takes CUDA where there is one."""
    overwrite: bool = False
    """Replace files of an earlier run."""


@dataclass(frozen=True)
class AdaptVideo:
    """Move a head in a style by a clip of somebody: expressions of the clip, frame by frame.

    Each frame's face is encoded; the differences from the first frame's code act on the head's.
    Writes video.mp4. Frames without a face take the one before; where they are more than half, it
    says how many in an error.

    Example: portraiture adapt video clip.mp4 --head me-painted/head.safetensors --style painted
    --out v
    """

    clip: Annotated[Positional[Path], arg(metavar="CLIP")]
    """A video, or a folder of frames."""
    head: Path
    """A head.safetensors of adapt apply; it is who moves."""
    style: str
    """The style that the head is in."""
    out: Path
    """Folder for the results."""
    rows: Literal["published", "all"] = "all"
    """Rows of w+ that move: all, which heads needs for expressions, or those of the paper."""
    swing: float = 0.0
    """Degrees by which the camera swings from side to side."""
    most: int = 240
    """Largest number of frames."""
    encoder: str | None = None
    """Encoder of the frames, such as an e4e of train encoder; the shipped one by default."""
    network: str | None = None
    """The generator's weights, if they are not shipped ones."""
    device: DeviceName = "auto"
    """Where to compute; auto takes CUDA where there is one."""
    overwrite: bool = False
    """Replace files of an earlier run."""


@dataclass(frozen=True)
class Adapt:
    """Neural heads in artistic styles, trained from images alone (3DAvatarGAN).

    No styles ship yet: train one from a folder of portraits.

    Example: portraiture adapt train --images paintings --out painted
    """

    what: OmitSubcommandPrefixes[
        OmitArgPrefixes[
            Annotated[AdaptPrepare, subcommand("prepare")]
            | Annotated[AdaptTrain, subcommand("train")]
            | Annotated[AdaptApply, subcommand("apply")]
            | Annotated[AdaptReference, subcommand("reference")]
            | Annotated[AdaptVideo, subcommand("video")]
        ]
    ]
