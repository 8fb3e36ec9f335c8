"""Commands about networks: data for them, their training, conversion, and samples."""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import radians
from pathlib import Path
from typing import Literal

from rich.console import Console
from tyro.conf import Positional

from portraiture.cli.progress import TerminalProgress
from portraiture.errors import DataError, SampleError, TrainingError
from portraiture.progress import Progress
from portraiture.types import DeviceName

console = Console()


@dataclass(frozen=True)
class SampleHeads:
    """Make random neural heads: pictures from several sides, a turntable, a textured mesh.

    Writes a folder a seed (front.png, view_*.png, latent.safetensors) and sheet.png with all of
    them. The same seed gives the same head. From an image generator (--network faces2d): one
    picture a seed and sheet.png; the person, the camera and the light are the seed's.

    Example: portraiture sample --seeds 0-7 --out heads --video --mesh
    """

    seeds: str
    """Whole numbers and ranges: 0-7,12."""
    out: Path
    """Folder for the results."""
    network: str = "heads"
    """A shipped generator, a folder or .safetensors file, or a published .pkl."""
    truncation: float = 0.7
    """Nearer 0 more like the average person, at 1 as varied as those trained on."""
    yaw: tuple[float, ...] = (-40.0, -20.0, 0.0, 20.0, 40.0)
    """Degrees of the pictures; positive shows the person's left side."""
    pitch: float = 0.0
    """Degrees; positive looks from above."""
    size: int | None = None
    """Pixels of a picture's side instead of the generator's own."""
    video: bool = False
    """Also a turntable.mp4."""
    mesh: bool = False
    """Also a textured head.glb and head.ply."""
    device: DeviceName = "auto"
    """Where to compute; auto takes CUDA where there is one."""
    overwrite: bool = False
    """Replace files of an earlier run."""


@dataclass(frozen=True)
class Synth:
    """Render synthetic people to train on, with exact cameras, depth and labels.

    The kind "pictures" writes images, dataset.json (EG3D's), depth, segmentation, landmarks and
    parameters of people in all sorts of light and dress. The kind "latents" writes one .npz a
    person: studio pictures of people that each stand for one latent vector, for the recipe
    supervised-heads. In the kind "scenes" the camera and the light are numbers of the latent, too,
    for supervised-faces. Run it again to go on; more --people adds to what is there.

    Example: portraiture synth --people 100 --views 4 --size 256 --out people
    """

    people: int
    """How many people."""
    out: Path
    """Folder for the results."""
    views: int = 4
    """Pictures of each."""
    size: int = 256
    """Pixels of each side."""
    kind: Literal["pictures", "latents", "scenes"] = "pictures"
    """What to write."""
    seed: int = 0
    """Any whole number from 0; the same seed gives the same people."""
    workers: int = os.cpu_count() or 1
    """Processes that work at once."""
    assets: Path | None = None
    """A folder of MakeHuman assets (.mhclo) to dress some people from, or "installed"."""


@dataclass(frozen=True)
class Train:
    """Train a network, or go on with a training that was stopped.

    Recipes: supervised-heads and supervised-faces (the engine's people by heart, in 3D from synth
    --kind latents, in 2D from --kind scenes), adversarial-heads (EG3D) and adversarial-faces
    (StyleGAN2; both from all that synth writes, or any folder with EG3D's dataset.json), identity,
    parser and attributes (supporting networks), encoder and alignment (GOAE's two stages, for the
    generator --start, from synth --kind latents). Rerunning the same command resumes exactly;
    Ctrl-C saves first. The folder gets networks/, grids/ and log.jsonl.

    Example: portraiture train supervised-heads --preset cpu --data people --out heads
    """

    recipe: Positional[
        Literal[
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
    ]
    """What to train."""
    data: Path
    """Folder to train on."""
    out: Path | None = None
    """Folder of the run."""
    bundle: Path | None = None
    """Instead of training, write a folder with all that the run needs, to be trained by its
    train.py on a machine with a GPU and no installation."""
    preset: Literal["tiny", "cpu", "polish", "gpu", "gpu-polish", "paper"] = "cpu"
    """Sizes and lengths: cpu takes hours on two cores, gpu minutes on a large one; paper is
    the published setting, tiny a trial; polish and gpu-polish go on from --start, whose w stays
    what it is (supervised-heads)."""
    start: str | None = None
    """A generator to begin with, or that the encoder is for: a shipped name or a file."""
    perceptual: Path | None = None
    """SqueezeNet weights (.safetensors) for the perceptual loss of the supervised recipes, instead
    of the shipped face parser."""
    encoder: str | None = None
    """The encoder that alignment refines, or that encoder begins with: a shipped name, or what
    train encoder left in networks/."""
    photos: Path | None = None
    """Photos of real people for encoder or alignment, as tools/fit_portraits.py fits them."""
    architecture: Literal["goae", "psp", "e4e"] = "goae"
    """Of encoder: GOAE's, or one that it is compared with."""
    mirror: bool = True
    """Flip images, with their cameras (adversarial recipes)."""
    seed: int | None = None
    """Instead of the preset's."""
    steps: int | None = None
    """Instead of the preset's."""
    minutes: float | None = None
    """Save and stop after these."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute."""
    dry_run: bool = False
    """Print the plan and write nothing."""


@dataclass(frozen=True)
class Convert:
    """Convert a published checkpoint to safetensors without running anything in it.

    Reads EG3D and StyleGAN2-ADA .pkl, rosinality .pt, LiftedGAN .pth, GOAE .pt and editing
    directions (.npy, .pt).

    Example: portraiture convert ffhqrebalanced512-128.pkl ffhq
    """

    file: Positional[Path]
    """The checkpoint."""
    out: Positional[Path]
    """A folder, or a file that ends with .safetensors."""
    overwrite: bool = False
    """Replace files of an earlier run."""


def sample(command: SampleHeads) -> None:
    from portraiture.checkpoints import load_card
    from portraiture.generate.run import SampleConfig, parse_seeds, sample_heads
    from portraiture.meshing.head_mesh import MeshConfig
    from portraiture.models import Models, choose_device

    if load_card(command.network).model == "stylegan2":
        _sample_pictures(command)
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


def _sample_pictures(command: SampleHeads) -> None:
    from portraiture.generate.run import parse_seeds, sample_pictures
    from portraiture.models import Models, choose_device

    if command.video or command.mesh:
        raise SampleError(f"{command.network} draws flat pictures: no --video and no --mesh.")
    with TerminalProgress() as progress:
        sample_pictures(
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
    if command.seed < 0:
        raise DataError(f"--seed must be a whole number from 0, not {command.seed}.")
    with TerminalProgress() as progress:
        if command.kind == "pictures":
            _synth_pictures(command, progress)
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
        raise DataError("--assets is for --kind pictures; latents stand for the engine's own.")
    make_people(
        command.out,
        range(command.people),
        seed=command.seed,
        views=command.views,
        size=command.size,
        supersample=2 if command.size > 128 else 4,
        scenes=command.kind == "scenes",
        workers=command.workers,
        progress=progress,
    )


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
    from portraiture.cli.recipes import Choices
    from portraiture.cli.training import Plan
    from portraiture.cli.training import train as run_training

    choices = Choices(
        preset=command.preset,
        data=command.data,
        mirror=command.mirror,
        start=command.start,
        perceptual=command.perceptual,
        encoder=command.encoder,
        architecture=command.architecture,
        photos=command.photos,
        seed=command.seed,
        steps=command.steps,
    )
    if command.bundle is not None:
        made = write_bundle(command.recipe, choices, command.bundle)
        size = f"{made.bytes / 1e6:.1f} MB, {made.people} people"
        console.print(f"{made.folder}: {size}; there: python3 train.py --out DIR", markup=False)
        return
    if command.out is None:
        raise TrainingError("train needs a folder for the run; give it with --out.")
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
    done = "Finished" if outcome.finished else "Stopped; rerun to go on"
    console.print(f"{done} after step {outcome.state.step}: {command.out}", markup=False)


def convert(command: Convert) -> None:
    from portraiture.convert.run import convert_file

    report = convert_file(command.file, command.out, overwrite=command.overwrite)
    console.print(report.summary(), markup=False, highlight=False, soft_wrap=True)
