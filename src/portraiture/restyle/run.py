"""A sentence to a restyled avatar, by the engine alone. [ours]

sentence ─read_sentence─▶ concepts ─┐
Avatar ─────────────────with_concepts─▶ Avatar ─build, render, export─▶ files
No network draws anything: each concept is a change of the engine's parameters, paint, geometry or
material (`engine.concepts`), so that the result is the same from all sides and is edited, animated
and exported as any avatar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from portraiture.avatar import Avatar
from portraiture.avatar_files import (
    TURNTABLE_FRAMES,
    build,
    portrait,
    portraits,
    write_model,
    write_turntable,
)
from portraiture.engine.concepts.change import ORDER, changed, conflicts
from portraiture.engine.concepts.table import CONCEPTS
from portraiture.engine.skin.retone import toned
from portraiture.errors import ConceptError
from portraiture.export.html import write_report
from portraiture.export.vrm import VrmMeta
from portraiture.head import Head
from portraiture.media import staged_folder, write_image
from portraiture.progress import SILENT, Progress, StageTimes, raise_if_cancelled
from portraiture.restyle.embedder import Embedder
from portraiture.restyle.sentence import Reading, read_sentence

Editor = Literal["auto", "engine"]
"""Who makes the concept: the engine, or what is best at it."""
HEAD_FILE = "head.safetensors"
RESTYLE_FILES = (
    "avatar.glb",
    "avatar.vrm",
    "avatar.json",
    "front.png",
    "turntable.mp4",
    "report.html",
)


class Distil(Protocol):
    """Makes a neural head of an avatar, as `invert.distil.avatar.distil_avatar`."""

    def __call__(self, avatar: Avatar, *, progress: Progress = SILENT) -> Head: ...


@dataclass(frozen=True)
class Restyled:
    """An avatar and how its sentence was understood."""

    avatar: Avatar
    reading: Reading


def restyle(
    avatar: Avatar, prompt: str, *, editor: Editor = "auto", embedder: Embedder | None = None
) -> Avatar:
    """Restyle an avatar as a sentence says, such as "an old elf with red hair".

    editor: auto takes the engine for all that it can render, which is all that a sentence's
    concepts can be today. embedder: see `read_sentence`. Raises ConceptError where the sentence
    names nothing that the engine can render.
    """
    return restyle_with_notes(avatar, prompt, editor=editor, embedder=embedder).avatar


def restyle_with_notes(
    avatar: Avatar, prompt: str, *, editor: Editor = "auto", embedder: Embedder | None = None
) -> Restyled:
    """`restyle`, with how the sentence was understood."""
    if editor not in ("auto", "engine"):
        raise ConceptError(f"There is no editor {editor!r}; choose auto or engine.")
    reading = read_sentence(prompt, embedder=embedder)
    made = with_concepts(avatar, reading.concepts)
    provenance = {**made.provenance, "prompt": prompt, "editor": "engine"}
    return Restyled(replace(made, provenance=provenance), reading)


def with_concepts(avatar: Avatar, names: Sequence[str]) -> Avatar:
    """The avatar after concepts by name. A photo's skin takes the tone of the new parameters; hair
    of an asset that the new hair style replaces is taken off. Raises ConceptError on an unknown
    name."""
    before = avatar.parameters
    after = changed(before, names, style=avatar.style, expression=avatar.expression)
    worn = avatar.assets
    if after.parameters.hair_style != before.hair_style:
        worn = tuple(asset.name for asset in avatar.worn_assets() if asset.kind != "hair")
    albedo = avatar.albedo
    kept = (name for name in avatar.concepts if not _replaced(name, after.names, names))
    return replace(
        avatar,
        parameters=after.parameters,
        style=after.style,
        expression=after.expression,
        albedo=None if albedo is None else toned(albedo, before, after.parameters),
        assets=worn,
        concepts=tuple(sorted((*kept, *after.names), key=lambda n: ORDER[CONCEPTS[n].kind])),
    )


def _replaced(name: str, built: Sequence[str], asked: Sequence[str]) -> bool:
    """Whether an earlier concept is asked for again, or excluded by one that is asked for."""
    return name in built or any(conflicts(CONCEPTS[name], CONCEPTS[other]) for other in asked)


def restyle_files(
    avatar: Avatar,
    prompt: str,
    out: Path,
    *,
    editor: Editor = "auto",
    meta: VrmMeta | None = None,
    distil: Distil | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Restyled:
    """Restyle an avatar and write `RESTYLE_FILES` into `out`, all of them or none.

    meta: of the VRM, whose title is by default the sentence. distil: makes the neural head that is
    written as well; None: there is none. Raises ConceptError, OutputError or CancelledError.
    """
    times = StageTimes(progress)
    meta = (meta or VrmMeta()).check()
    names = RESTYLE_FILES if distil is None else (*RESTYLE_FILES, HEAD_FILE)
    with staged_folder(out, names, overwrite=overwrite) as folder:
        times.stage("Read the sentence")
        made = restyle_with_notes(avatar, prompt, editor=editor)
        _write(avatar, made, folder, replace(meta, title=meta.titled(prompt)), times)
        if distil is not None:
            distil(made.avatar, progress=times).save(folder / HEAD_FILE)
    return made


def _write(before: Avatar, made: Restyled, folder: Path, meta: VrmMeta, times: StageTimes) -> None:
    avatar = made.avatar
    bust = build(avatar, times)
    times.stage("Render")
    shown = replace(bust, expression=avatar.expression)
    renders = portraits(avatar, shown)
    original = replace(before.bust(), expression=before.expression)
    pictures = {"Before": portrait(before, original, 0.0, size=512), **renders}
    write_image(folder / "front.png", renders["front"])
    raise_if_cancelled(times)
    times.stage("Write GLB, VRM and turntable", TURNTABLE_FRAMES)
    write_model(avatar, bust, renders["front"], meta, folder)
    write_turntable(avatar, shown, folder / "turntable.mp4", times)
    times.stage("Write the report")
    write_report(
        folder / "report.html",
        photo_image=None,
        overlay=None,
        renders=pictures,
        glb_bytes=(folder / "avatar.glb").read_bytes(),
        quality=None,
        stages=list(times.seconds.items()),
        provenance={**avatar.provenance, **understood(made.reading)},
        title="Restyled portrait",
        what="A restyled avatar",
    )


def understood(reading: Reading) -> dict[str, str]:
    """How a sentence was understood, for reports."""
    said = {"concepts": ", ".join(CONCEPTS[name].phrase for name in reading.concepts)}
    return said | ({"notes": " ".join(reading.notes)} if reading.notes else {})
