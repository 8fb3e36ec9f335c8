"""A person of a 2D generator lifted to 3D, as files.

seed ─▶ z ─mapping─┐
photo ─embed───────┴▶ w ─lift─▶ Lifted ─┬─ albedo, depth, normals ─▶ images
                                       ├─ views, lights ─▶ sheets, turntable.mp4, relit.mp4
                                       └─ grid of vertices ─▶ mesh.glb ─▶ report.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import radians
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from portraiture.checkpoints import fingerprint, load_network
from portraiture.errors import CheckpointError, SampleError
from portraiture.export.html import write_report
from portraiture.export.surface import surface_glb_bytes
from portraiture.export.video import swing
from portraiture.lift.codes import light_code, view_code
from portraiture.lift.embed import embed
from portraiture.lift.estimate import Lifted, lift, sizes_of
from portraiture.lift.images import lit, pixels, sheets, turned
from portraiture.lift.interpolate import (
    Between,
    between,
    interpolation_frames,
    interpolation_sheet,
)
from portraiture.lift.mesh import lifted_mesh
from portraiture.lift.networks import LiftConfig, LiftedNetworks
from portraiture.media import staged_folder, write_image, write_video
from portraiture.models import Models, default_models
from portraiture.networks.faces2d import FacesGenerator
from portraiture.ops.resize import resized
from portraiture.paths import check_folder
from portraiture.perception.cut_out import cut_out
from portraiture.photo.align import align
from portraiture.progress import SILENT, Progress, StageTimes, counted, raise_if_cancelled

LIFT_FILES = (
    "albedo.png", "depth.png", "normals.png", "turns.png", "lights.png", "turntable.mp4",
    "relit.mp4", "mesh.glb", "report.html",
)  # fmt: skip
FRAMES, FPS, SWEEP, LIGHT_SWEEP = 48, 24.0, radians(40.0), radians(60.0)
MAX_SEED = 2**32 - 1
SHOT_FILE = "view.png"
BETWEEN_FILES = ("interpolation.png", "interpolation.mp4")
Source = int | Path
"""A seed, or a photo."""


def load_lifted_networks(name_or_path: str | Path) -> LiftedNetworks:
    """LiftedGAN's networks: a folder, a .safetensors file, or the published .pth, converted on the
    way. Raises CheckpointError or ConversionError."""
    return load_network(
        name_or_path, ("liftedgan", "LiftedGAN's networks"), LiftConfig, LiftedNetworks
    )


def check_fit(networks: LiftedNetworks, faces: FacesGenerator) -> None:
    """Raise CheckpointError unless the networks can lift what a generator makes, and were trained
    for it as far as they know."""
    config = networks.config
    own, theirs = (config.size, config.w_dim, config.features), sizes_of(faces)
    if faces.config.c_dim:
        raise CheckpointError("The generator is conditional, and such cannot be lifted.")
    if own != theirs:
        raise CheckpointError(
            f"The networks lift images of {own[0]} pixels from w of {own[1]} and {own[2]} last"
            f" features, but the generator has {theirs[0]}, {theirs[1]} and {theirs[2]}; give the"
            " one that they were trained on."
        )
    if config.generator not in ("", fingerprint(faces)):
        raise CheckpointError(
            "The networks were trained on another generator; give that one with --generator."
        )


def lift_source(
    source: Source,
    *,
    networks: str | Path,
    generator: str | Path = "faces2d",
    truncation: float = 0.7,
    style_from: Source | None = None,
    face: int | None = None,
    models: Models | None = None,
    progress: Progress = SILENT,
) -> Lifted:
    """Lift a person.

    source: a seed from 0 to 2³² - 1, or a photo, which is embedded in w by optimisation (`embed`).
    networks: LiftedGAN's weights. generator: those of the StyleGAN2 that they were trained on.
    truncation: of seeds, 1 for full variety, 0 for the mean person. style_from: seed or photo whose
    colours the person takes. face: of the source, 1 is the largest. Raises SampleError, PhotoError,
    CheckpointError, ConversionError or CancelledError.
    """
    models = models or default_models()
    faces = models.image_generator(generator)
    net = models.load(load_lifted_networks, networks)
    check_fit(net, faces)
    code = partial(code_of, faces=faces, models=models, truncation=truncation, progress=progress)
    w = code(source, face=face)
    style = None if style_from is None else code(style_from)
    with torch.no_grad():
        return lift(faces, net, w, style=style)


def lift_between(
    first: Lifted, second: Lifted, *, networks: str | Path, generator: str | Path = "faces2d",
    models: Models | None = None,
) -> Between:  # fmt: skip
    """The people between two that were lifted by these networks."""
    models = models or default_models()
    net = models.load(load_lifted_networks, networks)
    return between(models.image_generator(generator), net, first, second)


def code_of(
    source: Source, faces: FacesGenerator, models: Models, *, truncation: float = 0.7,
    face: int | None = None, progress: Progress = SILENT,
) -> Float[Tensor, "1 D"]:  # fmt: skip
    """w of a seed or a photo. Raises as `lift_source` does."""
    if isinstance(source, int):
        return code_of_seed(source, faces, truncation=truncation, models=models)
    progress.stage("Align the photo")
    crop = align(source, face=face).crop
    cut = resized(cut_out(crop, models.portrait_parser(), models.device), faces.config.size)
    return embed(cut, faces, models.parser(), progress=progress)


@torch.no_grad()
def code_of_seed(
    seed: int, faces: FacesGenerator, *, truncation: float, models: Models
) -> Float[Tensor, "1 D"]:
    """w of a seed. Raises SampleError."""
    if not 0 <= seed <= MAX_SEED:
        raise SampleError(f"A seed is a whole number from 0 to {MAX_SEED}, not {seed}.")
    if not 0.0 <= truncation <= 2.0:
        raise SampleError(f"The truncation must be from 0 to 2, not {truncation:g}.")
    numbers = np.random.RandomState(seed).randn(1, faces.config.z_dim).astype(np.float32)
    z = torch.from_numpy(numbers).to(models.device)
    return faces.mapping(z, None, truncation_psi=truncation)[:, 0]


@dataclass(frozen=True)
class Shot:
    """One image besides those of `LIFT_FILES`, view.png. yaw, pitch: of the camera, radians. light:
    horizontal and vertical angle of the light, radians; None for the person's own."""

    yaw: float = 0.0
    pitch: float = 0.0
    light: tuple[float, float] | None = None


def shoot(lifted: Lifted, shot: Shot) -> UInt8[ndarray, "S S 3"]:
    """The image of a shot."""
    light = None if shot.light is None else light_code(*shot.light, like=lifted.w)
    view = view_code(shot.yaw, shot.pitch, like=lifted.w)
    return pixels(lifted.render(view=view, light=light).image)


@torch.no_grad()
def lift_files(
    lifted: Lifted, out: Path | str, *, shot: Shot | None = None, people: Between | None = None,
    provenance: Mapping[str, object] | None = None, overwrite: bool = False,
    progress: Progress = SILENT,
) -> tuple[str, ...]:  # fmt: skip
    """Write `LIFT_FILES` of one person into `out`, `SHOT_FILE` of a shot and `BETWEEN_FILES` of the
    people between this one and another, all of them or none; their names. Raises OutputError or
    CancelledError."""
    times = StageTimes(progress)
    more = () if shot is None else (SHOT_FILE,)
    files = (*LIFT_FILES, *more, *(() if people is None else BETWEEN_FILES))
    check_folder(Path(out), (*LIFT_FILES, SHOT_FILE, *BETWEEN_FILES), overwrite=overwrite)
    with staged_folder(Path(out), files, overwrite=overwrite) as folder:
        times.stage("Render")
        images = sheets(lifted)
        for name, image in images.items():
            write_image(folder / f"{name}.png", image)
        if shot is not None:
            write_image(folder / SHOT_FILE, shoot(lifted, shot))
        raise_if_cancelled(times)
        if people is not None:
            write_interpolation(people, folder, times)
        times.stage("Render the turntable", FRAMES)
        turning = swing(lambda yaw: turned(lifted, yaw), frames=FRAMES, sweep=SWEEP)
        write_video(folder / "turntable.mp4", counted(turning, times), FPS)
        times.stage("Relight", FRAMES)
        relit = swing(lambda x: lit(lifted, x), frames=FRAMES, sweep=LIGHT_SWEEP)
        write_video(folder / "relit.mp4", counted(relit, times), FPS)
        times.stage("Write the mesh")
        glb = surface_glb_bytes(lifted_mesh(lifted), name="head")
        (folder / "mesh.glb").write_bytes(glb)
        write_report(
            folder / "report.html", photo_image=None, overlay=None, renders=images, glb_bytes=glb,
            quality=None, stages=list(times.seconds.items()), provenance=provenance or {},
            what="A 2D generator's person, lifted to 3D",
        )  # fmt: skip
    for name in {SHOT_FILE, *BETWEEN_FILES} - set(files):
        (Path(out) / name).unlink(missing_ok=True)  # of the person before
    return files


def write_interpolation(people: Between, folder: Path, progress: Progress) -> None:
    """`BETWEEN_FILES` of the people between two. Raises CancelledError."""
    sheet, video = BETWEEN_FILES
    progress.stage("Interpolate", FRAMES)
    write_image(folder / sheet, interpolation_sheet(people))
    frames = interpolation_frames(people, FRAMES)
    write_video(folder / video, counted(frames, progress), FPS)
