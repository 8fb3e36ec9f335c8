"""The command restyle."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from rich.console import Console
from rich.table import Table
from tyro.conf import Positional, arg

from portraiture.cli.progress import TerminalProgress
from portraiture.errors import ConceptError
from portraiture.export.vrm import VrmMeta
from portraiture.media import IMAGE_SUFFIXES
from portraiture.paths import check_file, check_folder
from portraiture.types import DeviceName

if TYPE_CHECKING:
    from portraiture.avatar import Avatar
    from portraiture.models import Models

console = Console()
SHEET_SEED = 3
HEAD_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Restyle:
    """Restyle a person as a sentence says: "an elf", "an old orc with red hair", "made of marble".

    The engine makes the concepts itself: ears and horns, paint, materials, styles, hair, ages and
    expressions, the same from all sides. Writes avatar.glb, avatar.vrm, avatar.json, front.png,
    turntable.mp4 and report.html (open this one first), with --head also head.safetensors, all of
    them or none. Sentences are understood by a small language model if it is installed (pip
    install 'portraiture[text]'), else by the words of the concepts, which --list shows.

    Example: portraiture restyle me.jpg --prompt "an old elf with red hair" --out elf
    """

    person: Positional[str | None] = None
    """A photo, an avatar.json, a head.safetensors or the seed of a random person. A head is shown
    from the front and fitted as a photo is, since it has no parameters."""
    out: Path | None = None
    """Output folder; of --list a picture (.png, .jpg) to write."""
    prompt: str | None = None
    """What to make of the person, in English."""
    editor: Literal["auto", "engine"] = "auto"
    """Who makes it; auto takes the engine for all that it can render."""
    list: bool = False
    """Show all concepts; with --out, write a sheet of them on the person, or on a random one."""
    head: bool = False
    """Also distil the avatar into a neural head, which takes half a minute; always for a head."""
    face: int | None = None
    """Which face of the photo, if there are several: 1 is the largest."""
    meta: Annotated[VrmMeta, arg(name="")] = field(default_factory=VrmMeta)
    device: DeviceName = "auto"
    """Where to compute heads; auto takes CUDA where there is one."""
    overwrite: bool = False
    """Replace the files of an earlier run."""

    @property
    def is_head(self) -> bool:
        """Whether the person is a neural head."""
        return self.person is not None and self.person.endswith(HEAD_SUFFIX)


def restyle(command: Restyle) -> None:
    if command.list:
        _list(command)
        return
    if command.person is None or command.out is None or command.prompt is None:
        raise ConceptError(
            'Say whom, what and where: portraiture restyle me.jpg --prompt "an elf" --out elf.'
        )
    from portraiture.models import Models, choose_device
    from portraiture.restyle.run import RESTYLE_FILES, restyle_files, understood
    from portraiture.restyle.sentence import read_sentence

    check_folder(command.out, RESTYLE_FILES, overwrite=command.overwrite)
    read_sentence(command.prompt)  # before the photo is fitted
    models = Models(choose_device(command.device))
    with TerminalProgress() as progress:
        avatar = _person(command, models, progress)
        made = restyle_files(
            avatar, command.prompt, command.out, editor=command.editor, meta=command.meta,
            distil=_distil(models) if command.head or command.is_head else None,
            overwrite=command.overwrite, progress=progress,
        )  # fmt: skip
    console.print(progress.table())
    console.print(
        f"Understood: {understood(made.reading)['concepts']}", markup=False, highlight=False
    )
    for note in made.reading.notes:
        console.print(f"Note: {note}", markup=False, highlight=False)
    report = command.out / "report.html"
    console.print(f"Open {report}", markup=False, highlight=False, soft_wrap=True)


def _distil(models: Models):
    """The function that makes a head of an avatar."""
    from functools import partial

    from portraiture.invert.distil.avatar import distil_avatar

    return partial(distil_avatar, models=models)


def _person(command: Restyle, models: Models, progress: TerminalProgress) -> Avatar:
    """The avatar of a seed, a file of one, a head or a photo. Raises PortraitureError."""
    from portraiture.avatar import Avatar
    from portraiture.create.run import create

    person = command.person or str(SHEET_SEED)
    if person.isdecimal():
        return Avatar.sample(int(person))
    if person.endswith(".json"):
        return Avatar.load(person)
    if command.is_head:
        from portraiture.head import Head, head_image

        front = head_image(Head.load(person, models=models), size=512)
        return create(front, face=command.face, progress=progress)
    return create(person, face=command.face, progress=progress)


def _list(command: Restyle) -> None:
    from portraiture.engine.concepts.table import CONCEPTS

    table = Table("Concept", "Kind", "Say", "or")
    for concept in CONCEPTS.values():
        table.add_row(concept.name, concept.kind, concept.phrase, ", ".join(concept.others))
    console.print(table)
    if command.out is None:
        return
    check_file(command.out, IMAGE_SUFFIXES, overwrite=command.overwrite)
    from portraiture.media import write_image
    from portraiture.models import Models, choose_device
    from portraiture.restyle.sheet import concept_sheet

    with TerminalProgress() as progress:
        avatar = _person(command, Models(choose_device(command.device)), progress)
        sheet = concept_sheet([avatar], progress=progress)
    write_image(command.out, sheet)
    console.print(f"Wrote {command.out}", markup=False, highlight=False, soft_wrap=True)
