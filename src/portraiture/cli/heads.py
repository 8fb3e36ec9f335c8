"""Commands about neural heads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from rich.console import Console
from tyro.conf import Positional, UseAppendAction, arg

from portraiture.cli.progress import TerminalProgress
from portraiture.errors import EditError, InversionError

if TYPE_CHECKING:
    from portraiture.invert.run import Method

console = Console()


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
    method: Literal["goae+refine", "aligned", "psp", "e4e", "w", "pti", "pose-opt"] = "goae+refine"
    """goae+refine takes a few seconds: the encoder swin-w and feature alignment after GOAE, then
    what GOAE has not: outline, texture and refinement to the photo. aligned leaves these out. psp
    and e4e are encoders to compare with, of which no weights ship. The others take minutes: w finds
    the network's most similar person, pti then tunes the network to the photo, pose-opt does so
    with the camera."""
    weights: str | None = None
    """Of the encoder, instead of the shipped ones: what train encoder left in networks/, a folder
    or a .safetensors file."""
    alignment: str | None = None
    """Of the encoder's feature alignment, likewise."""
    polish: int | None = None
    """Steps down the gradient, a sixth of a second each, in which the painted head comes nearer to
    the photo, 16 by default; 0 for none."""
    network: str = "heads"
    """A shipped generator, a folder or .safetensors file, or a published .pkl."""
    steps: int | None = None
    """Steps of the first stage instead of the published number; the second's change in proportion.
    """
    rays: int | None = None
    """Rays a side while optimising, 16 to 512, 64 by default; more is finer and slower."""
    face: int | None = None
    """Which face when there are several: 1 is the largest."""
    overwrite: bool = False
    """Replace files of an earlier run."""


@dataclass(frozen=True)
class Edit:
    """Change a neural head: smile, age, sex, hair-length, beard, face-width, eye-openness,
    skin-tone; and glasses.

    Writes the changed head.safetensors, front.png, and sheet.png: before and after from five sides.
    An amount of 1 goes half the way between people at the two extremes, -1 back as far. pc1 to pc20
    are the principal axes of all heads, style-ATTRIBUTE and style-NUMBER move channels of styles.
    glasses=1 puts glasses on, glasses=-1 takes them off again.

    Example: portraiture edit me/head.safetensors --set smile=1.0 --set age=-0.5 --out younger
    """

    head: Positional[Path]
    """The head.safetensors that invert or edit wrote."""
    out: Path
    """Folder for the results."""
    settings: Annotated[tuple[str, ...], UseAppendAction, arg(name="set")]
    """ATTRIBUTE=AMOUNT, as often as you like."""
    network: str | None = None
    """The generator's weights, where they are not the shipped ones."""
    overwrite: bool = False
    """Replace files of an earlier run."""


def edit(command: Edit) -> None:
    from portraiture.edit.run import EDIT_FILES, edit_files, read_amounts
    from portraiture.head import Head

    amounts = read_amounts(command.settings)
    if not amounts:
        raise EditError("Say what to change, such as --set smile=1.0.")
    head = Head.load(command.head, network=command.network)
    with TerminalProgress() as progress:
        edit_files(head, amounts, command.out, overwrite=command.overwrite, progress=progress)
    console.print(f"Wrote {', '.join(EDIT_FILES)} to {command.out}", markup=False, soft_wrap=True)


def invert(command: Invert) -> None:
    from portraiture.invert.confidence import LOW
    from portraiture.invert.run import HEAD_FILES, invert_files

    how = _method(command)
    with TerminalProgress() as progress:
        made = invert_files(
            command.photos,
            command.out,
            how=how,
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
            f"[yellow]Low confidence ({sure:.2f}):[/] pictures without a face come as near to a"
            " head as this one. Is it a photo of one?"
        )
    if head.facts.get("stopped"):
        console.print("Stopped early; the head is what there was.")
    console.print(
        f"Wrote {', '.join(HEAD_FILES)} to {command.out}"
        f" ({head.facts['psnr_person_db']:.1f} dB from the photo)",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
    if command.method == "goae+refine" and command.weights is None:
        console.print("For a finer match, in seconds: --polish 60; in minutes: --method pti")


def _method(command: Invert) -> Method:
    """Raises PortraitureError where the choices do not fit each other."""
    from portraiture.checkpoints import load_generator
    from portraiture.invert.method import encoder_method, optimiser_method

    generator = load_generator(command.network)
    if command.method in ("goae+refine", "aligned", "psp", "e4e"):
        if command.steps is not None or command.rays is not None:
            raise InversionError("--steps and --rays are for the optimisations.")
        return encoder_method(
            command.method, generator, command.network, weights=command.weights,
            alignment=command.alignment, polish=command.polish,
        )  # fmt: skip
    if command.weights or command.alignment or command.polish is not None:
        raise InversionError("--weights, --alignment and --polish are for encoders.")
    return optimiser_method(
        command.method, generator, command.network, steps=command.steps, rays=command.rays
    )
