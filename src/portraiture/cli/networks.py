"""The commands sample, synth, train and convert."""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import radians
from pathlib import Path
from typing import Annotated, Literal

from rich.console import Console
from tyro.conf import Positional, UseAppendAction, arg

from portraiture.cli.progress import TerminalProgress
from portraiture.errors import DataError, SampleError, TrainingError
from portraiture.progress import Progress
from portraiture.types import (
    BridgePart,
    DeviceName,
    LiftLoss,
    Preset,
    RecipeName,
    Style,
    StylePart,
)

console = Console()


@dataclass(frozen=True)
class SampleHeads:
    """Sample random neural heads: views, a turntable, a textured mesh.

    Writes one folder per seed (front.png, view_*.png, latent.safetensors) and sheet.png, a contact
    sheet of all. The same seed gives the same head. With an image generator (--network faces2d):
    one image per seed and sheet.png; person, camera and light follow from the seed.

    Example: portraiture sample --seeds 0-7 --out heads --video --mesh
    """

    seeds: str
    """Seeds and ranges of seeds, such as 0-7,12."""
    out: Path
    """Output folder; created if it does not exist."""
    network: str = "heads"
    """A shipped generator, a folder or .safetensors file, or a published .pkl (never executed)."""
    truncation: float = 0.7
    """Truncation psi: 0 gives the average head, 1 the full variety of the training data."""
    yaw: tuple[float, ...] = (-40.0, -20.0, 0.0, 20.0, 40.0)
    """Yaw of each view in degrees; positive shows the person's left side."""
    pitch: float = 0.0
    """Pitch of all views in degrees; positive looks from above."""
    size: int | None = None
    """Width and height of the images in pixels; the generator's resolution by default."""
    video: bool = False
    """Also write turntable.mp4."""
    mesh: bool = False
    """Also write a textured mesh, head.glb and head.ply."""
    device: DeviceName = "auto"
    """Device to compute on; auto takes CUDA where there is one."""
    overwrite: bool = False
    """Replace the files of an earlier run."""


@dataclass(frozen=True)
class Synth:
    """Render synthetic people as training data, with exact cameras, depth and labels.

    Kinds of data (--kind):
    - pictures: images, EG3D's dataset.json, depth, segmentation, landmarks and parameters, in
    varied light and clothes; for the adversarial recipes, identity and parser.
    - latents: one .npz per person, in studio light; a latent vector determines the person. For
    supervised-heads, encoder, alignment and attributes.
    - scenes: the same, with camera and light in the latent too; for supervised-faces.
    - pairs: one .npz per avatar: its vector of parameters, its normalised render, and --views
    photos of it (--size 128 for faces2d); for imitator, faces-encoder, mapper, regressor, and
    adversarial-faces.
    - concepts: a person before and after a concept of restyle, with sentences that ask for it
    (--size 128); for editor. Needs the extra text.

    Rerun the command to resume; raise --people to add more.

    Example: portraiture synth --people 100 --views 4 --size 256 --out people
    """

    people: int
    """Number of people."""
    out: Path
    """Output folder; created if it does not exist."""
    views: int = 4
    """Views per person."""
    size: int = 256
    """Width and height of the images in pixels."""
    kind: Literal["pictures", "latents", "scenes", "pairs", "concepts"] = "pictures"
    """Kind of data, see above."""
    seed: int = 0
    """Random seed, a whole number from 0; the same seed gives the same people."""
    workers: int = os.cpu_count() or 1
    """Number of worker processes; by default, one per CPU core."""
    assets: Path | None = None
    """Folder of MakeHuman assets (.mhclo) for half of the people, or "installed"; pictures only."""
    style: Style = "natural"
    """Style of the normalised renders of pairs, or of latents, which then are portraits to train a
    style on (adapt train --crops)."""


@dataclass(frozen=True)
class Train:
    """Train a network, or resume a run.

    Recipes, and the data each needs:
    - supervised-heads: tri-plane generator supervised by the engine; synth --kind latents.
    - supervised-faces: image generator supervised by the engine; synth --kind scenes.
    - adversarial-heads: EG3D; any people of synth, or a folder with EG3D's dataset.json.
    - adversarial-faces: StyleGAN2; the same, pairs, or any folder of images.
    - lifted: LiftedGAN's networks, for the image generator --start (default faces2d); no data.
    - imitator, faces-encoder, mapper: AgileAvatar's networks, for the image generator --start
    (default faces2d; for mapper the folder with the others); synth --kind pairs.
    - regressor: its baseline, photo to parameters; synth --kind pairs.
    - identity, parser: supporting networks; any people of synth.
    - portrait-parser: network that segments portraits and classifies hair, beard, glasses and
    clothes; any people of synth, and labelled portraits of real people (--photos).
    - attributes: network that reads attributes off images; synth --kind latents.
    - encoder, alignment: GOAE's two stages, for the generator --start; synth --kind latents.
    - i2t: FF3D's network from a photo to planes, for the generator --start; likewise.
    - style: 3DAvatarGAN's, for the generator --start; a folder of adapt prepare. See adapt train.
    - planes: the same as published, for any EG3D generator --start; no data.
    - styles: FF3D's network for many styles, from that of i2t (--encoder); a set of styles.
    - editor: our own editor of images by a sentence; pairs of images with sentences.

    Rerunning the same command resumes exactly; Ctrl-C saves a checkpoint first. The output folder
    gets networks/ (the trained weights), grids/, checkpoints/ and log.jsonl.

    Example: portraiture train supervised-heads --preset cpu --data people --out heads
    """

    recipe: Positional[RecipeName]
    """What to train."""
    data: Path | None = None
    """Folder with the training data; only lifted and planes need none."""
    out: Path | None = None
    """Folder of the run; required unless --bundle is given."""
    bundle: Path | None = None
    """Don't train; write a self-contained folder whose train.py runs on a bare GPU machine."""
    preset: Preset = "cpu"
    """Network size and schedule. tiny: two steps, as a trial.
    cpu: hours on two cores.
    gpu: minutes on one large GPU.
    paper: the published settings.
    polish, gpu-polish: fine-tune --start and keep its w space (supervised-heads)."""
    start: str | None = None
    """Generator to start from, or that the encoder is for, or that is lifted: a shipped name, a
    folder or a file."""
    perceptual: Path | None = None
    """SqueezeNet weights for the perceptual loss of the recipes that have one; default: our face
    parser."""
    encoder: str | None = None
    """Encoder that alignment refines, or that encoder starts from, or network of i2t that styles
    starts from: a shipped name or a file."""
    photos: Path | None = None
    """Photos of real people: for encoder, alignment, i2t, the file written by
    tools/fit_portraits.py; for portrait-parser, faces-encoder, mapper, the folder written by
    tools/label_portraits.py."""
    architecture: Literal["goae", "psp", "e4e"] = "goae"
    """Architecture that encoder trains; psp and e4e are baselines."""
    without: Annotated[tuple[LiftLoss | BridgePart | StylePart, ...], UseAppendAction] = ()
    """Loss to leave out of lifted, or part of mapper's or style's training, as the papers'
    ablations do; may be repeated. To lift other things than people, such as cats: --without
    identity."""
    no_mirror: bool = False
    """Don't augment with mirrored images and cameras (adversarial recipes)."""
    seed: int | None = None
    """Random seed; the preset's by default."""
    steps: int | None = None
    """Number of training steps; the preset's by default."""
    minutes: float | None = None
    """Save a checkpoint and stop after this many minutes."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device to train on; auto takes a GPU if there is one."""
    dry_run: bool = False
    """Print the plan and write nothing."""


@dataclass(frozen=True)
class Convert:
    """Convert a published checkpoint to safetensors without executing anything in it.

    Reads EG3D and StyleGAN2-ADA .pkl, rosinality .pt, LiftedGAN .pth, GOAE .pt, and editing
    directions (.npy, .pt). The result loads wherever a --network, --weights or --alignment is
    asked for, and lift's --networks and --generator.

    Example: portraiture convert ffhqrebalanced512-128.pkl ffhq
    """

    file: Annotated[Positional[Path], arg(metavar="CHECKPOINT")]
    """The published file."""
    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """Output folder, or a single file if it ends in .safetensors."""
    overwrite: bool = False
    """Replace the files of an earlier run."""


def sample(command: SampleHeads) -> None:
    from portraiture.checkpoints import load_card
    from portraiture.generate.run import SampleConfig, parse_seeds, sample_heads
    from portraiture.meshing.head_mesh import MeshConfig
    from portraiture.models import Models, choose_device

    if load_card(command.network).model == "stylegan2":
        _sample_images(command)
        return
    config = SampleConfig(
        views=tuple(radians(yaw) for yaw in command.yaw),
        pitch=radians(command.pitch),
        size=command.size,
        truncation=command.truncation,
        video=command.video,
        mesh=MeshConfig() if command.mesh else None,
    )
    with TerminalProgress() as progress:
        sample_heads(
            parse_seeds(command.seeds),
            command.out,
            network=command.network,
            config=config,
            models=Models(choose_device(command.device)),
            overwrite=command.overwrite,
            progress=progress,
        )
    console.print(f"Wrote {command.out / 'sheet.png'}", markup=False, soft_wrap=True)


def _sample_images(command: SampleHeads) -> None:
    from portraiture.generate.run import parse_seeds, sample_images
    from portraiture.models import Models, choose_device

    if command.video or command.mesh:
        raise SampleError(f"{command.network} generates flat images; leave out --video and --mesh.")
    with TerminalProgress() as progress:
        sample_images(
            parse_seeds(command.seeds),
            command.out,
            network=command.network,
            truncation=command.truncation,
            size=command.size,
            models=Models(choose_device(command.device)),
            overwrite=command.overwrite,
            progress=progress,
        )
    console.print(f"Wrote {command.out / 'sheet.png'}", markup=False, soft_wrap=True)


def synth(command: Synth) -> None:
    if command.style != "natural" and command.kind not in ("pairs", "latents"):
        raise DataError("--style is for --kind pairs and latents; the others are natural.")
    if command.seed < 0:
        raise DataError(f"--seed must be a whole number from 0, not {command.seed}.")
    with TerminalProgress() as progress:
        if command.kind == "pictures":
            _synth_pictures(command, progress)
        elif command.kind == "pairs":
            _synth_pairs(command, progress)
        elif command.kind == "concepts":
            _synth_concepts(command, progress)
        else:
            _synth_latents(command, progress)
    console.print(f"Wrote {command.out}", highlight=False, soft_wrap=True)


def _synth_latents(command: Synth, progress: Progress) -> None:
    from portraiture.people.people import make_people

    if command.people < 1 or command.workers < 1 or command.views < 1:
        raise DataError("--people, --views and --workers must be at least 1.")
    if command.size < 32 or command.size % 2:
        raise DataError(f"--size must be an even number from 32, not {command.size}.")
    if command.assets is not None:
        raise DataError("--assets is for --kind pictures; latents know only the engine's own.")
    make_people(
        command.out,
        range(command.people),
        seed=command.seed,
        views=command.views,
        size=command.size,
        supersample=2 if command.size > 128 else 4,
        scenes=command.kind == "scenes",
        style=command.style,
        workers=command.workers,
        progress=progress,
    )


def _synth_pairs(command: Synth, progress: Progress) -> None:
    from portraiture.people.pairs import PairConfig, make_pairs

    if command.people < 1 or command.workers < 1 or command.views < 1:
        raise DataError("--people, --views and --workers must be at least 1.")
    if command.assets is not None:
        raise DataError("--assets is for --kind pictures; vectors know only the engine's own.")
    config = PairConfig(
        seed=command.seed, photos=command.views, size=command.size, style=command.style
    )
    make_pairs(
        command.out, range(command.people), config, workers=command.workers, progress=progress
    )


def _synth_concepts(command: Synth, progress: Progress) -> None:
    from portraiture.people.concept_edits import render_concept
    from portraiture.people.edit_pairs import make_edit_pairs
    from portraiture.restyle.embedder import installed_embedder

    embedder = installed_embedder()
    if embedder is None:
        raise DataError("--kind concepts needs sentence vectors; install portraiture[text].")
    make_edit_pairs(
        command.out, range(command.people), render_concept, embedder, seed=command.seed,
        size=command.size, workers=command.workers, progress=progress,
    )  # fmt: skip


def _synth_pictures(command: Synth, progress: Progress) -> None:
    from portraiture.cli.avatars import asset_folder
    from portraiture.people.synth_folder import synth as make_pictures
    from portraiture.people.synthetic import SynthConfig

    config = SynthConfig(
        seed=command.seed,
        views=command.views,
        size=command.size,
        asset_folder=asset_folder(command.assets),
    )
    make_pictures(command.out, config, command.people, workers=command.workers, progress=progress)


def train(command: Train) -> None:
    from portraiture.cli.bundle import write_bundle
    from portraiture.cli.choices import Choices
    from portraiture.cli.training import Plan
    from portraiture.cli.training import train as run_training

    choices = Choices(
        preset=command.preset,
        data=command.data,
        mirror=not command.no_mirror,
        start=command.start,
        perceptual=command.perceptual,
        encoder=command.encoder,
        architecture=command.architecture,
        photos=command.photos,
        without=command.without,
        seed=command.seed,
        steps=command.steps,
    )
    if command.bundle is not None:
        made = write_bundle(command.recipe, choices, command.bundle)
        size = f"{made.bytes / 1e6:.1f} MB, {made.people} people"
        console.print(f"{made.folder}: {size}; there: python3 train.py --out DIR", markup=False)
        return
    if command.out is None:
        raise TrainingError("train needs a folder for the run; give one with --out.")
    with TerminalProgress() as progress:
        outcome = run_training(
            command.recipe,
            choices,
            out=command.out,
            minutes=command.minutes,
            device=command.device,
            dry_run=command.dry_run,
            progress=progress,
        )
    if isinstance(outcome, Plan):
        console.print(outcome.table())
        return
    done = "Finished" if outcome.finished else "Stopped; rerun to resume"
    console.print(f"{done} after step {outcome.state.step}: {command.out}", markup=False)


def convert(command: Convert) -> None:
    from portraiture.convert.run import convert_file

    report = convert_file(command.file, command.out, overwrite=command.overwrite)
    console.print(report.summary(), markup=False, highlight=False, soft_wrap=True)
