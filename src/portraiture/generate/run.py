"""Random heads of a tri-plane generator: images, turntable, textured mesh and latent; and random
images of an image generator.

seed ─▶ z ─mapping─▶ ws ─planes─┬─view by view─▶ images ─▶ contact sheet
                                ├─a swing──────▶ turntable.mp4
                                └─surface──────▶ head.glb, head.ply
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import degrees, pi, radians
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.errors import SampleError
from portraiture.export.surface import write_surface_glb, write_surface_ply
from portraiture.export.video import swing
from portraiture.head import Head, rounded
from portraiture.media import staged_folder, write_image, write_video
from portraiture.meshing.head_mesh import MeshConfig, mesh_head, pixels_of, render_head
from portraiture.models import Models, default_models
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.faces2d import FacesGenerator
from portraiture.paths import check_folder
from portraiture.pixels import squared
from portraiture.progress import SILENT, Progress, counted
from portraiture.types import as_uint8
from portraiture.version import __version__

VIEWS: tuple[float, ...] = (radians(-45.0), radians(-20.0), 0.0, radians(20.0), radians(45.0))
MAX_SEED = 2**32 - 1
MAX_HEADS = 1000
VIDEO_FRAMES = 72
VIDEO_FPS = 24.0
SWING = radians(45.0)
SHEET_SIDE = 8192
IMAGE_COLUMNS = 8
SHEET_FILES = ("sheet.png", "sample.json")
MESH_FILES = ("head.glb", "head.ply", "head.png")


@dataclass(frozen=True)
class SampleConfig:
    """views: yaws of the images, radians. pitch: of all images, radians. size: side of the images
    in pixels, None for the generator's own. truncation: 1 for full variety, 0 for the mean head.
    video: write a turntable. mesh: settings of the GLB and PLY mesh, None for no mesh."""

    views: Sequence[float] = VIEWS
    pitch: float = 0.0
    size: int | None = None
    truncation: float = 0.7
    video: bool = False
    mesh: MeshConfig | None = None


@dataclass(frozen=True)
class SampledHead:
    """One head. folder: its files. ws: (1, N, D). views: (n, n, 3) images in the order of the
    config's views."""

    seed: int
    folder: Path
    ws: Float[Tensor, "1 N D"]
    views: tuple[UInt8[ndarray, "n n 3"], ...]


def parse_seeds(text: str) -> tuple[int, ...]:
    """ "0-7,12" → 0 to 7 and 12, each once, in the order given. Raises SampleError."""
    seeds: list[int] = []
    for item in text.split(","):
        first, dash, last = item.strip().partition("-")
        ends = [first, last] if dash else [first]
        if not all(end.strip().isdecimal() and len(end.strip()) <= 10 for end in ends):
            raise SampleError(f'Seeds are whole numbers and ranges such as "0-7,12", not {text!r}.')
        low, high = int(ends[0]), int(ends[-1])
        if low > high or high > MAX_SEED:
            raise SampleError(f"Seeds rise from 0 to at most {MAX_SEED}, unlike {item.strip()}.")
        if high - low >= MAX_HEADS:
            raise SampleError(f"At most {MAX_HEADS} heads can be sampled at once; ask for fewer.")
        seeds.extend(range(low, high + 1))
    unique = tuple(dict.fromkeys(seeds))
    if len(unique) > MAX_HEADS:
        raise SampleError(f"At most {MAX_HEADS} heads can be sampled at once; ask for fewer.")
    return unique


def latent_of_seed(seed: int, size: int) -> Float[Tensor, "1 Z"]:
    """z ~ N(0, 1) of a seed in [0, 2³² - 1], from the same random stream as the published programs,
    so that a seed gives the same person with the same weights."""
    return torch.from_numpy(np.random.RandomState(seed).randn(1, size).astype(np.float32))


@torch.no_grad()
def sample_ws(
    generator: TriPlaneGenerator, seed: int, *, truncation: float = 1.0
) -> Float[Tensor, "1 N D"]:
    """Sample ws of a seed; a conditional mapping gets the frontal camera."""
    like = next(generator.parameters())
    z = latent_of_seed(seed, generator.config.z_dim).to(like)
    frontal = torch.from_numpy(to_eg3d(eg3d_orbit(0.0, 0.0))).to(like)[None]
    camera = frontal if generator.config.c_dim else None
    return generator.mapping(z, camera, truncation_psi=truncation)


@torch.no_grad()
def sample(
    seed: int,
    *,
    network: str | Path = "heads",
    truncation: float = 0.7,
    models: Models | None = None,
) -> Head:
    """A random neural head; the same seed and weights give the same head.

    seed ─▶ z ─mapping─▶ ws ─planes─▶ Head

    seed: from 0 to 2³² - 1. network: a shipped generator's name or the path of its weights.
    truncation: 1 for full variety, 0 for the mean head. models: networks and device to use; by
    default this process's own on the CPU. Raises SampleError, CheckpointError or
    ConversionError.
    """
    _check([seed], SampleConfig(truncation=truncation))
    models = models or default_models()
    generator = models.generator(network)
    ws = sample_ws(generator, seed, truncation=truncation)
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(0.0, 0.0))).float()[None]
    head = Head(
        planes=generator.planes(ws),
        ws=ws,
        camera=camera,
        generator=str(network),
        fingerprint=models.fingerprint(network),
        method="sample",
        facts={"seed": seed, "truncation": truncation, "made_by": f"portraiture {__version__}"},
        models=models,
    )
    return rounded(head)


def sample_heads(
    seeds: Sequence[int],
    out: Path | str,
    *,
    network: str | Path | TriPlaneGenerator = "heads",
    config: SampleConfig | None = None,
    models: Models | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> list[SampledHead]:
    """Sample heads: one folder per seed in `out`, and a contact sheet.

    ``out/seed7/``: front.png, view_+20.png …, latent.safetensors (``ws``), with `config.video`
    turntable.mp4, with `config.mesh` head.glb, head.ply and its texture head.png. ``out``:
    sheet.png (one row per head) and sample.json (the settings). A folder appears only when it is
    complete, so an interrupted run leaves whole heads. The same seeds, weights and settings give
    the same images on one machine.

    network: what `checkpoints.load_generator` takes, or a generator. models: source of networks; by
    default this process's own on the CPU. Raises SampleError for settings out of range,
    OutputError if `out` already holds such files and `overwrite` is false, CheckpointError and
    ConversionError without usable weights, SurfaceError.
    """
    config, out = config or SampleConfig(), Path(out)
    _check(seeds, config)
    names = head_files(config)
    folders = {seed: out / f"seed{seed}" for seed in seeds}
    check_folder(out, SHEET_FILES, overwrite=overwrite)
    for folder in folders.values():
        check_folder(folder, names, overwrite=overwrite)
    models = models or default_models()
    generator = network if isinstance(network, TriPlaneGenerator) else models.generator(network)
    heads = []
    progress.stage("Sample heads", len(folders))
    for seed, folder in counted(folders.items(), progress):
        with staged_folder(folder, names, overwrite=overwrite) as staged:
            ws, views = _write_head(generator, seed, staged, config)
        heads.append(SampledHead(seed, folder, ws, views))
    with staged_folder(out, SHEET_FILES, overwrite=True) as staged:
        write_image(staged / "sheet.png", contact_sheet([head.views for head in heads]))
        record = _record(seeds, config, network, generator)
        (staged / "sample.json").write_text(json.dumps(record, indent=2) + "\n")
    return heads


@torch.no_grad()
def sample_images(
    seeds: Sequence[int],
    out: Path | str,
    *,
    network: str | Path | FacesGenerator = "faces2d",
    truncation: float = 0.7,
    size: int | None = None,
    models: Models | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> list[UInt8[ndarray, "n n 3"]]:
    """Sample images of an image generator (StyleGAN2): ``out/seed7.png`` … and ``out/sheet.png``,
    all of them or none.

    network: what `checkpoints.load_image_generator` takes, or a generator. size: side of the
    images, None for the generator's own. Raises SampleError, OutputError, CheckpointError.
    """
    config = SampleConfig(truncation=truncation, size=size)
    _check(seeds, config)
    models = models or default_models()
    faces = network if isinstance(network, FacesGenerator) else models.image_generator(network)
    names = [f"seed{seed}.png" for seed in seeds]
    with staged_folder(Path(out), [*names, "sheet.png"], overwrite=overwrite) as folder:
        images = []
        progress.stage("Sample images", len(seeds))
        for seed, name in counted(zip(seeds, names, strict=True), progress):
            z = latent_of_seed(seed, faces.config.z_dim).to(next(faces.parameters()))
            image = faces.images(faces.mapping(z, None, truncation_psi=truncation))
            images.append(squared(as_uint8(pixels_of(image)), size))
            write_image(folder / name, images[-1])
        columns = min(len(images), IMAGE_COLUMNS)
        blank = np.full_like(images[0], 255)
        padded = [*images, *[blank] * (-len(images) % columns)]
        rows = [padded[k : k + columns] for k in range(0, len(padded), columns)]
        write_image(folder / "sheet.png", contact_sheet(rows))
    return images


def head_files(config: SampleConfig) -> list[str]:
    """File names of one head."""
    names = ["front.png", *(view_name(yaw) for yaw in config.views), "latent.safetensors"]
    if config.video:
        names.append("turntable.mp4")
    return names + (list(MESH_FILES) if config.mesh else [])


def view_name(yaw: float) -> str:
    return f"view_{degrees(yaw):+.4g}.png".replace("+0.png", "0.png").replace("-0.png", "0.png")


def _check(seeds: Sequence[int], config: SampleConfig) -> None:
    if not seeds:
        raise SampleError('There are no seeds; ask for some, such as "0-7".')
    if not all(0 <= seed <= MAX_SEED for seed in seeds) or len(set(seeds)) < len(seeds):
        raise SampleError(f"Seeds must be different whole numbers from 0 to {MAX_SEED}.")
    if config.size is not None and not 16 <= config.size <= 4096:
        raise SampleError(f"The size must be from 16 to 4096 pixels, not {config.size}.")
    if not 0.0 <= config.truncation <= 2.0:
        raise SampleError(f"The truncation must be from 0 to 2, not {config.truncation:g}.")
    angles = [*config.views, config.pitch]
    if not config.views or not all(abs(angle) <= pi for angle in angles):
        raise SampleError("Views need at least one yaw, and all angles lie within 180 degrees.")
    if abs(config.pitch) >= radians(89.0):
        raise SampleError("The pitch must stay below 89 degrees.")
    if len({view_name(yaw) for yaw in config.views}) < len(config.views):
        raise SampleError("Two of the views are the same; give each yaw once.")


def _write_head(
    generator: TriPlaneGenerator, seed: int, folder: Path, config: SampleConfig
) -> tuple[Tensor, tuple[ndarray, ...]]:
    """Write all files of one head into `folder`."""
    ws = sample_ws(generator, seed, truncation=config.truncation)
    with torch.no_grad():
        planes = generator.planes(ws)

    def image_at(yaw: float) -> UInt8[ndarray, "n n 3"]:
        shown = render_head(generator, ws, planes, eg3d_orbit(yaw, config.pitch))
        return squared(as_uint8(shown.image), config.size)

    views = tuple(image_at(yaw) for yaw in config.views)
    shown = dict(zip(config.views, views, strict=True))
    for yaw, image in shown.items():
        write_image(folder / view_name(yaw), image)
    write_image(folder / "front.png", shown[0.0] if 0.0 in shown else image_at(0.0))
    save_file({"ws": ws.float().cpu().contiguous()}, folder / "latent.safetensors")
    if config.video:
        frames = swing(image_at, frames=VIDEO_FRAMES, sweep=SWING)
        write_video(folder / "turntable.mp4", frames, VIDEO_FPS)
    if config.mesh:
        mesh = mesh_head(generator, ws, planes=planes, config=config.mesh)
        write_surface_glb(mesh, folder / "head.glb")
        write_surface_ply(mesh, folder / "head.ply")
    return ws.cpu(), views


def contact_sheet(rows: Sequence[Sequence[UInt8[ndarray, "n n 3"]]]) -> UInt8[ndarray, "h w 3"]:
    """Tile images of one size in rows; shrink the result to at most `SHEET_SIDE` pixels."""
    sheet = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
    longest = max(sheet.shape[:2])
    if longest <= SHEET_SIDE:
        return sheet
    height, width = (max(1, side * SHEET_SIDE // longest) for side in sheet.shape[:2])
    return np.asarray(Image.fromarray(sheet).resize((width, height), Image.Resampling.LANCZOS))


def _record(
    seeds: Sequence[int],
    config: SampleConfig,
    network: str | Path | TriPlaneGenerator,
    generator: TriPlaneGenerator,
) -> dict[str, object]:
    """Settings of the run for sample.json; angles in degrees, as on the command line."""
    settings = asdict(config)
    settings["views"] = [round(degrees(yaw), 4) for yaw in config.views]
    settings["pitch"] = round(degrees(config.pitch), 4)
    if config.mesh:
        settings["mesh"]["views"] = np.degrees(config.mesh.views).round(4).tolist()
    named = "given" if isinstance(network, TriPlaneGenerator) else str(network)
    return {
        "seeds": list(seeds), "network": named, "settings": settings,
        "generator": asdict(generator.config),
    }  # fmt: skip
