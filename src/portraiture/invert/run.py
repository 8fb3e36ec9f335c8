"""From one photo, or several of one person, to a neural head and its files.

photo ─align─▶ Photo ─target_of_photo─▶ Target ─method─▶ Head ─render, mesh─▶ files
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import radians
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from portraiture.camera import from_eg3d
from portraiture.errors import CheckpointError
from portraiture.export.html import write_report
from portraiture.export.surface import write_surface_glb
from portraiture.export.video import swing
from portraiture.head import SWING, VIDEO_FPS, VIDEO_FRAMES, Head, head_image
from portraiture.invert.confidence import confidence, knows_people
from portraiture.invert.distil.method import DistilMethod
from portraiture.invert.inversion import Inversion, InversionMethod, make_head
from portraiture.invert.method import MethodName, choose_method, encoder_method
from portraiture.media import staged_folder, write_image, write_video
from portraiture.meshing.head_mesh import pixels_of, render_head
from portraiture.metrics.perceptual import perceptual_synthetic
from portraiture.models import Models, default_models
from portraiture.perception.target import Target, target_of_photo
from portraiture.photo.align import align
from portraiture.progress import SILENT, Progress, StageTimes, counted, raise_if_cancelled
from portraiture.types import Photo, as_uint8

PhotoSource = Path | str | ndarray | Image.Image
HEAD_FILES = ("head.safetensors", "front.png", "turntable.mp4", "mesh.glb", "report.html")
REPORT_VIEWS = {"30° left": radians(-30.0), "Front": 0.0, "30° right": radians(30.0)}


@dataclass(frozen=True)
class Inverted:
    """A head and the aligned photos it was made from."""

    head: Head
    photos: tuple[Photo, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the photos for the user, with the file name if there are several photos."""
        if len(self.photos) == 1:
            return self.photos[0].quality.notes
        return tuple(
            f"{Path(photo.name).name}: {note}"
            for photo in self.photos
            for note in photo.quality.notes
        )


def invert(
    photo: PhotoSource | list[PhotoSource] | tuple[PhotoSource, ...],
    *,
    method: MethodName | None = None,
    network: str | Path = "heads",
    face: int | None = None,
    models: Models | None = None,
    progress: Progress = SILENT,
) -> Head:
    """Turn a photo, or several of one person, into a neural head.

    photo ─align─▶ Photo ─target_of_photo─▶ Target ─method─▶ Inversion ─▶ Head

    photo: path, upright RGB array or Pillow image (see `photo.align`), or a list of them, for
    encoders. method: by default distil for one photo and a generator of the
    engine's people, else goae+refine. network: a shipped generator's name or the path of its
    weights. face: 1 is the largest, 2 the next. models:
    networks and device to use; by default this process's own on the CPU. Raises PhotoError,
    InversionError or CheckpointError.
    """
    photos = list(photo) if isinstance(photo, list | tuple) else [photo]
    models = models or default_models()
    chosen = choose_method(method, models, photos=len(photos), network=network)
    chosen.check(len(photos))
    progress.stage(_align_stage(len(photos)), len(photos))
    aligned = [align(one, face=face) for one in counted(photos, progress)]
    return invert_photos(aligned, chosen, progress=progress)[0]


def invert_photos(
    photos: Sequence[Photo], method: InversionMethod, *, progress: Progress = SILENT
) -> tuple[Head, Target]:
    """The head of aligned photos, and the target of the first. Its facts include its confidence
    (`invert.confidence`) if the generator makes the engine's people; where w is an avatar's, that
    of the shipped encoder's w, for which the scale is, if the encoder fits the generator. Raises
    InversionError."""
    generator, parser = method.generator, method.models.portrait_parser()
    progress.stage("Cut out the person")
    targets = [target_of_photo(photo, generator, parser) for photo in photos]
    found = method.invert(targets, progress)
    seen = _encoded(targets, method) if isinstance(method, DistilMethod) else found
    if seen is not None and knows_people(generator):
        distance = perceptual_synthetic(method.models.parser())
        sure = confidence(seen, generator, targets[0], distance)
        found = replace(found, facts={**found.facts, "confidence": round(sure, 3)})
    return make_head(found, targets[0], method), targets[0]


def _encoded(targets: Sequence[Target], method: DistilMethod) -> Inversion | None:
    """What the shipped encoder finds; None for generators with another w."""
    try:
        encoder = encoder_method(method.models, "aligned", network=method.network, aligned=False)
    except CheckpointError:
        return None
    return encoder.invert(targets)


def _align_stage(count: int) -> str:
    return "Align the photo" if count == 1 else "Align the photos"


def invert_files(
    photo_paths: Sequence[Path],
    out: Path,
    *,
    method: InversionMethod,
    face: int | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Inverted:
    """Invert photos and write `HEAD_FILES` into `out`, all of them or none.

    Raises PhotoError, InversionError, SurfaceError, OutputError or CancelledError.
    """
    method.check(len(photo_paths))
    times = StageTimes(progress)
    with staged_folder(out, HEAD_FILES, overwrite=overwrite) as folder:
        times.stage(_align_stage(len(photo_paths)), len(photo_paths))
        photos = [align(path, face=face) for path in counted(photo_paths, times)]
        head, target = invert_photos(photos, method, progress=times)
        made = Inverted(head, tuple(photos))
        head.save(folder / "head.safetensors")
        times.stage("Render the views")
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
    """The target image, and the head from the photo's camera."""
    shown = render_head(
        head.network, head.modulation, head.planes, from_eg3d(head.camera[0].numpy())
    )
    return np.concatenate([as_uint8(pixels_of(target.image)), as_uint8(shown.image)], axis=1)
