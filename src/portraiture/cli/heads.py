"""Commands about neural heads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import radians
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from rich.console import Console
from tyro.conf import Positional, UseAppendAction, arg

from portraiture.cli.progress import TerminalProgress
from portraiture.errors import EditError, SampleError
from portraiture.types import DeviceName

if TYPE_CHECKING:
    from portraiture.head import Head
    from portraiture.lift.run import Shot

console = Console()
MOST_DEGREES = 75.0
"""Largest angle of lift's view and light."""


@dataclass(frozen=True)
class Invert:
    """Turn a photo, or several of one person, into a neural head that can be turned.

    Writes head.safetensors (the head itself), front.png, turntable.mp4, mesh.glb and report.html
    (open this one first) into the output folder, all of them or none. Ctrl-C ends an
    optimisation early, with what it has.

    Example: portraiture invert me.jpg --out me
    """

    photos: Positional[tuple[Path, ...]]
    """A portrait, as for create; encoders take several of one person, from different sides."""
    out: Path
    """Folder for the results; it is made if need be."""
    method: (
        Literal["distil", "goae+refine", "aligned", "i2t", "psp", "e4e", "w", "pti", "pose-opt"]
        | None
    ) = None
    """Default: distil for one photo and a network of the engine's people, else, and with --weights
    or --alignment, goae+refine. distil (ours, some 50 s in all) fits an avatar as
    create does and gives the head the avatar's sides, with the photo's pixels where they show it:
    cleaner when turned. goae+refine takes seconds and is hazy from the sides: the encoder
    swin-w and feature alignment after GOAE, then steps beyond GOAE: the silhouette is fitted, the
    texture projected and refined; aligned leaves these out. i2t makes the planes in one pass after
    FF3D; no weights for it ship. psp and e4e are encoders to compare
    with; no weights for them ship. The others take minutes: w finds the most similar person that
    the network knows, pti then tunes the network to the photo, and pose-opt also optimises the
    camera."""
    weights: str | None = None
    """The encoder's weights, instead of the shipped ones: what train encoder left in networks/, a
    folder or a .safetensors file."""
    alignment: str | None = None
    """The feature alignment's weights, likewise."""
    refine_steps: int | None = None
    """Gradient steps, a seventh of a second each, that bring the texture closer to the photo: 65 by
    default for distil, after its other steps, and 16 for goae+refine, for which 0 leaves the
    texture as projected and the silhouette as encoded."""
    network: str = "heads"
    """A shipped generator, a folder or .safetensors file, or a published .pkl."""
    steps: int | None = None
    """Steps of an optimisation's first stage instead of the published number; the second stage
    changes in proportion."""
    rays: int | None = None
    """Rays per side during an optimisation, 16 to 512, by default 64; more is finer and slower."""
    face: int | None = None
    """Which face, if there are several: 1 is the largest."""
    device: DeviceName = "auto"
    """Where to compute; auto takes CUDA where there is one."""
    overwrite: bool = False
    """Replace files of an earlier run."""


@dataclass(frozen=True)
class Edit:
    """Edit a neural head: smile, age, sex, hair-length, beard, face-width, eye-openness, skin-tone
    or glasses.

    Writes the edited head.safetensors, front.png, and sheet.png: before and after from five views.
    An amount of 1 is half the distance between people at the two extremes; negative amounts go the
    other way. pc1 to pc20 are the principal axes of all heads; style-ATTRIBUTE and style-NUMBER
    change style channels. glasses=1 puts glasses on, glasses=-1 takes them off again.

    Examples: portraiture edit me/head.safetensors --set smile=1.0 --set age=-0.5 --out younger
              portraiture edit me/head.safetensors --towards 8 --shape 0.3 --look 0 --out cousin
    """

    head: Positional[Path]
    """The head.safetensors that invert or edit wrote."""
    out: Path
    """Folder for the results."""
    settings: Annotated[tuple[str, ...], UseAppendAction, arg(name="set")] = ()
    """ATTRIBUTE=AMOUNT; may be given several times."""
    towards: str | None = None
    """Mix with another head first: a seed, or its head.safetensors."""
    shape: float = 0.5
    """How far towards its form of face and hair, from 0 to 1."""
    look: float = 0.5
    """How far towards its colours, from 0 to 1."""
    network: str | None = None
    """The generator's weights, if they are not shipped ones."""
    device: DeviceName = "auto"
    """Where to compute; auto takes CUDA where there is one."""
    overwrite: bool = False
    """Replace files of an earlier run."""


@dataclass(frozen=True)
class Lift:
    """Lift a person of a 2D StyleGAN2 to 3D (LiftedGAN): albedo, depth, turns, lights, a mesh.

    Takes the person of a seed, or a photo, which is first embedded in the generator. Writes
    albedo.png, depth.png, normals.png, turns.png, lights.png, turntable.mp4, relit.mp4, mesh.glb
    (the albedo is its texture) and report.html, with --yaw, --pitch or --light also view.png, with
    --to interpolation.png and interpolation.mp4, all of them or none. No weights for it ship yet:
    train some (portraiture train lifted), or give the published ones, LiftedGAN's .pth and its
    StyleGAN2's .pt, which are converted without executing anything in them.

    Example: portraiture lift --seed 7 --networks lifted.pth --generator stylegan2.pt --out lifted
    """

    networks: str
    """LiftedGAN's networks: the published .pth, or a folder or .safetensors file."""
    out: Path
    """Output folder; created if it does not exist."""
    seed: int | None = None
    """The person: a whole number; the same seed gives the same person."""
    photo: Path | None = None
    """The person: a photo instead of a seed, such as create takes."""
    generator: str = "faces2d"
    """The StyleGAN2 that the networks were trained on: a shipped one, a file or a folder."""
    yaw: float | None = None
    """Degrees from which view.png shows the person; positive shows their left."""
    pitch: float | None = None
    """Degrees from above."""
    light: str | None = None
    """X,Y: degrees from which view.png is lit, from the person's left and from above."""
    style_from: str | None = None
    """Seed or photo whose colours the person takes; shape, view and light stay."""
    to: str | None = None
    """Seed or photo of somebody that interpolation.png and .mp4 lead to."""
    truncation: float = 0.7
    """Truncation psi of seeds: 0 gives the average person, 1 the full variety."""
    face: int | None = None
    """Which face of --photo, if there are several: 1 is the largest."""
    device: DeviceName = "auto"
    """Where to compute; auto takes CUDA where there is one."""
    overwrite: bool = False
    """Replace files of an earlier run."""


def lift(command: Lift) -> None:
    from portraiture.lift.run import lift_between, lift_files, lift_source
    from portraiture.models import Models, choose_device

    source = command.seed if command.photo is None else command.photo
    if source is None or (command.seed is not None and command.photo is not None):
        raise SampleError("Say whom to lift: either --seed or --photo.")
    if command.face is not None and command.photo is None:
        raise SampleError("--face is for --photo.")
    if command.to is not None and command.style_from is not None:
        raise SampleError("Give either --to or --style-from.")
    shot, style_from, to = _shot(command), _source(command.style_from), _source(command.to)
    models = Models(choose_device(command.device))
    facts = {
        "person": str(source), "networks": command.networks, "generator": command.generator,
        "truncation": command.truncation, "face": command.face or 1,
        "style from": command.style_from or "", "to": command.to or "",
        "view": f"yaw {command.yaw or 0:g}°, pitch {command.pitch or 0:g}°",
        "light": command.light or "their own",
    }  # fmt: skip
    with TerminalProgress() as progress:
        lifted_from = partial(
            lift_source, networks=command.networks, generator=command.generator,
            truncation=command.truncation, style_from=style_from, models=models, progress=progress,
        )  # fmt: skip
        lifted, people = lifted_from(source, face=command.face), None
        if to is not None:
            people = lift_between(
                lifted, lifted_from(to), networks=command.networks, generator=command.generator,
                models=models,
            )  # fmt: skip
        files = lift_files(
            lifted, command.out, shot=shot, people=people, provenance=facts,
            overwrite=command.overwrite, progress=progress,
        )  # fmt: skip
    console.print(f"Wrote {', '.join(files)} to {command.out}", markup=False, soft_wrap=True)


def _source(text: str | None) -> int | Path | None:
    """A seed or a photo."""
    return None if text is None else int(text) if text.isdecimal() else Path(text)


def _shot(command: Lift) -> Shot | None:
    """What view.png shows. Raises SampleError for angles that are none."""
    from portraiture.lift.run import Shot

    if command.yaw is None and command.pitch is None and command.light is None:
        return None
    try:
        angles = None if command.light is None else [float(x) for x in command.light.split(",")]
    except ValueError:
        angles = []
    if angles is not None and len(angles) != 2:
        raise SampleError(f"--light is X,Y in degrees, such as 40,20, not {command.light}.")
    given = (command.yaw or 0.0, command.pitch or 0.0, *(angles or ()))
    if not all(abs(angle) <= MOST_DEGREES for angle in given):
        raise SampleError(f"Angles go from -{MOST_DEGREES} to {MOST_DEGREES} degrees.")
    yaw, pitch, *light = (radians(angle) for angle in given)
    return Shot(yaw, pitch, (light[0], light[1]) if light else None)


def edit(command: Edit) -> None:
    from portraiture.edit.run import EDIT_FILES, edit_files, read_amounts
    from portraiture.head import Head
    from portraiture.models import Models, choose_device

    amounts = read_amounts(command.settings)
    if not amounts and command.towards is None:
        raise EditError("Say what to change, such as --set smile=1.0 or --towards 8.")
    models = Models(choose_device(command.device))
    head = Head.load(command.head, network=command.network, models=models)
    with TerminalProgress() as progress:
        edit_files(
            head, amounts, command.out, towards=_other(command.towards, head),
            shape=command.shape, look=command.look, overwrite=command.overwrite, progress=progress,
        )  # fmt: skip
    console.print(f"Wrote {', '.join(EDIT_FILES)} to {command.out}", markup=False, soft_wrap=True)


def _other(named: str | None, head: Head) -> Head | None:
    """The head to mix with: of a seed of the same generator, or of a file."""
    from portraiture.generate.run import sample
    from portraiture.head import Head

    if named is None:
        return None
    if named.isdecimal():
        return sample(int(named), network=head.generator, models=head.models)
    return Head.load(Path(named), network=head.generator, models=head.models)


def invert(command: Invert) -> None:
    from portraiture.invert.confidence import LOW
    from portraiture.invert.method import choose_method
    from portraiture.invert.run import HEAD_FILES, invert_files
    from portraiture.models import Models, choose_device

    method = choose_method(
        command.method, Models(choose_device(command.device)), photos=len(command.photos),
        network=command.network, weights=command.weights, alignment=command.alignment,
        refine_steps=command.refine_steps, steps=command.steps, rays=command.rays,
    )  # fmt: skip
    with TerminalProgress() as progress:
        made = invert_files(
            command.photos,
            command.out,
            method=method,
            face=command.face,
            overwrite=command.overwrite,
            progress=progress,
        )
    head = made.head
    console.print(progress.table())
    for note in made.notes:
        console.print(f"Note: {note}", markup=False, highlight=False, soft_wrap=True)
    sure = head.facts.get("confidence")
    if sure is not None and sure < LOW:
        console.print(
            f"[yellow]Low confidence ({sure:.2f}):[/] images without a face fit a head as well as"
            " this one does. Does it show a face?"
        )
    if head.facts.get("stopped"):
        console.print("Stopped early; the head is what had been found by then.")
    console.print(
        f"Wrote {', '.join(HEAD_FILES)} to {command.out}"
        f" ({head.facts['psnr_person_db']:.1f} dB from the photo)",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
    if head.method == "distil" and command.method is None:
        console.print("Faster and better for edits, but hazy from the sides: --method goae+refine")
    if head.method == "goae+refine" and command.weights is None:
        console.print("For a closer match: --refine-steps 60 takes seconds, --method pti minutes")
