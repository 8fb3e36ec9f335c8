"""One photo in, or several of one person, a neural head and its files out.

photo ─align─▶ Photo ─make_target─▶ Target ─method─▶ Head ─render, mesh─▶ files
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import radians
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from portraiture.camera import from_eg3d
from portraiture.errors import InversionError
from portraiture.export.html import write_report
from portraiture.export.surface import write_surface_glb
from portraiture.export.video import swing
from portraiture.head import MAX_PHOTOS, SWING, VIDEO_FPS, VIDEO_FRAMES, Head, head_image
from portraiture.invert.confidence import confidence, knows_people
from portraiture.invert.encode import encode
from portraiture.invert.inversion import Inversion, make_head
from portraiture.invert.pti import OptimiseConfig, Optimiser, optimise
from portraiture.invert.reconstruct import Judges
from portraiture.invert.refine_texture import PolishConfig
from portraiture.invert.target import Target, target_of_photo
from portraiture.invert.weights import Encoder
from portraiture.media import staged_folder, write_image, write_video
from portraiture.meshing.head_mesh import head_picture, pixels_of
from portraiture.metrics.perceptual import perceptual_synthetic
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.goae_alignment import FeatureAlignment
from portraiture.networks.goae_program import ProgramWay
from portraiture.perception.weights import load_parser
from portraiture.photo.align import align
from portraiture.progress import SILENT, Progress, StageTimes, counted, raise_if_cancelled
from portraiture.triplane.visibility import MixedPlanes
from portraiture.types import Photo, as_uint8

Baseline = Literal["psp", "e4e"]
EncoderName = Literal["goae+refine", "aligned", Baseline]
MethodName = EncoderName | Optimiser
HEAD_FILES = ("head.safetensors", "front.png", "turntable.mp4", "mesh.glb", "report.html")
REPORT_VIEWS = {"30° left": radians(-30.0), "Front": 0.0, "30° right": radians(30.0)}


@dataclass(frozen=True)
class Method:
    """How to invert. generator, weights: the generator and the name or path of its weights.
    encoder: of the methods that encode; alignment, mixed, program: of "aligned" and "goae+refine";
    painted: whether what an encoder leaves out is painted on the head; polished: how that is
    polished, if it is. judges: of polishing and of the optimisations, of which config is."""

    name: MethodName
    generator: TriPlaneGenerator
    weights: str = "heads"
    encoder: Encoder | None = None
    alignment: FeatureAlignment | None = None
    mixed: MixedPlanes = "all"
    painted: bool = False
    polished: PolishConfig | None = None
    judges: Judges | None = None
    config: OptimiseConfig = field(default_factory=OptimiseConfig)
    program: ProgramWay | None = None

    def __post_init__(self) -> None:
        needed = self.encoder if self.name in get_args(EncoderName) else self.judges
        if needed is None:
            raise ValueError(f"{self.name} lacks its networks")


@dataclass(frozen=True)
class Inverted:
    """A head together with the aligned photos that it came from."""

    head: Head
    photos: tuple[Photo, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """Plain sentences for the user about the photos, named where there are several."""
        if len(self.photos) == 1:
            return self.photos[0].quality.notes
        return tuple(
            f"{Path(photo.name).name}: {note}"
            for photo in self.photos
            for note in photo.quality.notes
        )


def invert_photos(
    photos: Sequence[Photo], how: Method, *, progress: Progress = SILENT
) -> tuple[Head, Target]:
    """The head of aligned photos, and what the first was fitted to; its facts tell its confidence
    (`invert.confidence`) where the generator draws the engine's people. Raises InversionError."""
    targets = [target_of_photo(photo, how.generator) for photo in photos]
    found = invert_target(*targets, how=how, progress=progress)
    if knows_people(how.generator):
        sure = confidence(found, how.generator, targets[0], perceptual_synthetic(load_parser()))
        found = replace(found, facts={**found.facts, "confidence": round(sure, 3)})
    head = make_head(found, how.generator, targets[0], name=how.weights, method=how.name)
    return head, targets[0]


def invert_target(*targets: Target, how: Method, progress: Progress = SILENT) -> Inversion:
    """What the method finds. Raises InversionError for several photos where it takes one."""
    check_photos(len(targets), how)
    if how.encoder is not None:
        return encode(
            *targets, generator=how.generator, encoder=how.encoder, alignment=how.alignment,
            mixed=how.mixed, program=how.program, painted=how.painted, polished=how.polished,
            judge=None if how.judges is None else how.judges.perceptual, progress=progress,
        )  # fmt: skip
    (target,) = targets
    assert how.judges is not None
    return optimise(
        how.generator, target, how.judges, how.config, with_camera=how.name == "pose-opt",
        progress=progress,
    )  # fmt: skip


def check_photos(count: int, how: Method) -> None:
    """Raises InversionError where a method cannot take so many."""
    if not 1 <= count <= MAX_PHOTOS:
        raise InversionError(f"Give 1 to {MAX_PHOTOS} photos of one person, not {count}.")
    if count > 1 and how.encoder is None:
        raise InversionError(f"The method {how.name} takes one photo; encoders take several.")


def invert_files(
    photo_paths: Sequence[Path],
    out: Path,
    *,
    how: Method,
    face: int | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Inverted:
    """Run the main path and write `HEAD_FILES` into `out`, all of them or none.

    Raises PhotoError, SurfaceError, OutputError or CancelledError, each with one sentence.
    """
    check_photos(len(photo_paths), how)
    times = StageTimes(progress)
    with staged_folder(out, HEAD_FILES, overwrite=overwrite) as folder:
        times.stage("Align the photo" if len(photo_paths) == 1 else "Align the photos")
        photos = [align(path, face=face) for path in counted(photo_paths, times)]
        times.stage("Invert")
        head, target = invert_photos(photos, how, progress=times)
        made = Inverted(head, tuple(photos))
        head.save(folder / "head.safetensors")
        times.stage("Render")
        views = {title: head_image(head, yaw) for title, yaw in REPORT_VIEWS.items()}
        write_image(folder / "front.png", views["Front"])
        raise_if_cancelled(times)
        times.stage("Render the turntable", VIDEO_FRAMES)
        frames = counted(swing(partial(head_image, head), frames=VIDEO_FRAMES, sweep=SWING), times)
        write_video(folder / "turntable.mp4", frames, VIDEO_FPS)
        times.stage("Extract the mesh")
        write_surface_glb(head.mesh(), folder / "mesh.glb")
        raise_if_cancelled(times)
        times.stage("Write the report")
        _write_report(folder, made, target, views, times.seconds)
    return made


def _write_report(
    folder: Path, made: Inverted, target: Target, views: Mapping[str, ndarray],
    seconds: Mapping[str, float],
) -> None:  # fmt: skip
    head, photo = made.head, made.photos[0]
    facts = {name.replace("_", " "): value for name, value in head.facts.items()}
    write_report(
        folder / "report.html",
        photo_image=photo.crop,
        overlay=_side_by_side(head, target),
        renders=views,
        glb_bytes=(folder / "mesh.glb").read_bytes(),
        quality=replace(photo.quality, notes=made.notes),
        stages=list(seconds.items()),
        provenance={"method": head.method, "generator": head.generator, **facts},
        title="Neural head",
        what="A neural head",
        fit="What was fitted to, and the head",
    )


def _side_by_side(head: Head, target: Target) -> UInt8[ndarray, "h w 3"]:
    """What was fitted to, and the head from the photo's camera."""
    shown = head_picture(
        head.network, head.modulation, head.planes, from_eg3d(head.camera[0].numpy())
    )
    return np.concatenate([as_uint8(pixels_of(target.image)), as_uint8(shown.image)], axis=1)
