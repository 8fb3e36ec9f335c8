"""A photo to the engine's parameters by the cascade, and the avatar's files.

photo ─align─▶ Photo ─background cut out─▶ stage 1: portrait ─▶ stage 2: relaxed vector, image
                                            stage 3: strict vector ─engine─▶ avatar ─▶ files
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor

from portraiture.avatar import Avatar, check_style
from portraiture.engine.build import build_bust
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.prepare import wait as wait_for_kernels
from portraiture.engine.style.recipes import style_shading
from portraiture.export.gltf import write_glb
from portraiture.export.html import write_report
from portraiture.export.video import over, studio_wall
from portraiture.export.vrm import write_vrm
from portraiture.media import staged_folder, write_image
from portraiture.models import Models, default_models
from portraiture.parametrize.cascade import Cascade, load_cascade
from portraiture.parametrize.strict import refine_numbers, strict_vector
from portraiture.parametrize.vector import parameters_of
from portraiture.people.pairs import TEXTURE_SIZE, normal_view
from portraiture.people.views import over as over_white
from portraiture.perception.cut_out import cut_out
from portraiture.photo.align import align
from portraiture.progress import SILENT, Progress, StageTimes, raise_if_cancelled
from portraiture.render.framing import portrait_camera
from portraiture.render.light import studio_light
from portraiture.render.mesh import render_rgba
from portraiture.types import Bust, Photo, Style, as_uint8
from portraiture.version import __version__

PARAMETRIZE_FILES = (
    "stages.png", "avatar.glb", "avatar.vrm", "avatar.json", "front.png", "report.html",
)  # fmt: skip
PANEL = 256
"""Side of each panel of stages.png, pixels."""


@dataclass(frozen=True)
class Parametrized:
    """What the cascade made of a photo. parameters: strict. stages: images by the names of the
    stages, in order."""

    parameters: AvatarParameters
    stages: dict[str, UInt8[ndarray, "n n 3"]]


def parametrize(
    photo: Path | str | ndarray | Image.Image,
    *,
    networks: Path,
    face: int | None = None,
    models: Models | None = None,
    progress: Progress = SILENT,
) -> Parametrized:
    """Parameters of the engine for a photo (path, upright RGB array or Pillow image).

    networks: folder of the cascade's weights (`load_cascade`). face: 1 is the largest, 2 the next.
    Raises PhotoError when the photo cannot be used, CheckpointError, or CancelledError.
    """
    models = models or default_models()
    cascade = load_cascade(networks, faces=models.image_generator())
    progress.stage("Align the photo")
    return parametrize_aligned(align(photo, face=face), cascade, models, progress)


def parametrize_aligned(
    photo: Photo, cascade: Cascade, models: Models, progress: Progress = SILENT
) -> Parametrized:
    """The same of an aligned photo with loaded networks."""
    progress.stage("Stylise the portrait")
    cut = cut_out(photo.crop, models.portrait_parser(), models.device)
    cascade.to(models.device)
    relaxed = cascade.relax(cut)
    raise_if_cancelled(progress)
    imitator, features = cascade.bridge.imitator, models.parser()
    strict = strict_vector(relaxed.vector, relaxed.image, imitator, features, progress=progress)
    strict = refine_numbers(strict, relaxed.portrait, imitator, features, progress=progress)
    parameters = parameters_of(strict[0])
    progress.stage("Render by the engine")
    with torch.no_grad():
        imitated = imitator(strict)
    images = {
        "The photo": cut, "Stylised": relaxed.portrait, "Relaxed": relaxed.image,
        "Strict": imitated,
    }  # fmt: skip
    stages = {name: pixels(image) for name, image in images.items()}
    stages["Engine"] = engine_image(parameters, size=PANEL, style=imitator.config.style)
    return Parametrized(parameters, stages)


def engine_image(
    parameters: AvatarParameters, *, size: int, style: Style = "natural"
) -> UInt8[ndarray, "n n 3"]:
    """The engine's normalised render of parameters, as in `people.pairs`."""
    bust = build_bust(parameters, style=style, texture_size=TEXTURE_SIZE)
    return over_white(normal_view(bust, size=size, style=style).rgba, 1.0)


def parametrize_files(
    photo: Path,
    out: Path,
    *,
    networks: Path,
    style: Style = "natural",
    face: int | None = None,
    models: Models | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Avatar:
    """Run the cascade and write `PARAMETRIZE_FILES` into `out`, all of them or none. Raises as
    `parametrize`, and AvatarError or OutputError."""
    check_style(style)
    times = StageTimes(progress)
    with staged_folder(out, PARAMETRIZE_FILES, overwrite=overwrite) as folder:
        found = parametrize(photo, networks=networks, face=face, models=models, progress=times)
        avatar = Avatar(
            parameters=found.parameters, style=style,
            provenance={
                "made by": f"portraiture {__version__}, parametrize", "photo": photo.name,
                "style": style,
            },
        )  # fmt: skip
        times.stage("Build the avatar")
        bust = avatar.bust()
        wait_for_kernels(times)
        front = _front(bust, style)
        raise_if_cancelled(times)
        write_image(folder / "stages.png", stage_sheet(found))
        write_image(folder / "front.png", front)
        times.stage("Write the model")
        write_glb(bust, folder / "avatar.glb")
        write_vrm(bust, folder / "avatar.vrm", name=photo.stem, thumbnail=front)
        avatar.save(folder / "avatar.json")
        write_report(
            folder / "report.html", photo_image=None, overlay=None,
            renders={**found.stages, "Avatar": front},
            glb_bytes=(folder / "avatar.glb").read_bytes(), quality=None,
            stages=list(times.seconds.items()), provenance=dict(avatar.provenance),
        )  # fmt: skip
    return avatar


def stage_sheet(found: Parametrized) -> UInt8[ndarray, "n m 3"]:
    """The stages side by side."""
    panels = [
        np.asarray(Image.fromarray(image).resize((PANEL, PANEL), Image.Resampling.LANCZOS))
        for image in found.stages.values()
    ]
    return np.concatenate(panels, 1)


def _front(bust: Bust, style: Style) -> UInt8[ndarray, "n n 3"]:
    camera = portrait_camera(bust)
    rgba = render_rgba(bust, camera, size=768, light=studio_light(), shading=style_shading(style))
    return over(rgba, studio_wall(768, 768))


def pixels(image: Float[Tensor, "1 3 n n"]) -> UInt8[ndarray, "n n 3"]:
    """An image in [-1, 1]; values outside are clamped."""
    large = F.interpolate(image, (PANEL, PANEL), mode="bilinear", antialias=True)
    return as_uint8((0.5 * large[0] + 0.5).clamp(0.0, 1.0).permute(1, 2, 0).cpu().numpy())
