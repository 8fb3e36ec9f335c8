"""Compile the renderer's kernels in a background process while the first person is built.

Numba compiles on first use, which takes some forty seconds on one core, and caches the result on
disk. The build compiles the engine's kernels as it reaches them. Meanwhile the background process
compiles the rendering kernels; later calls load them from the disk cache.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from functools import lru_cache
from pathlib import Path

import numpy as np

from portraiture.progress import SILENT, Progress, raise_if_cancelled
from portraiture.types import Bust, Light, Material, MaterialKind, Part, Skeleton

log = logging.getLogger(__name__)


def prepare() -> None:
    """Start compiling the renderer, unless it is already cached or caching is unavailable; returns
    immediately."""
    from portraiture.render.shade_numba import shade

    folder = shade.__wrapped__.stats.cache_path  # type: ignore[attr-defined]
    if folder and not any(Path(folder).glob("shade_numba.shade-*.nbi")):
        log.warning("The first run compiles its kernels; the next ones start faster.")
        _start()


@lru_cache(maxsize=1)
def _start() -> subprocess.Popen[bytes]:
    """Start the compiling process once."""
    command = [sys.executable, "-m", "portraiture.engine.prepare"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait(progress: Progress = SILENT, *, seconds: float = 60.0) -> None:
    """Wait until the background process ends, if one was started: compiling again what it has begun
    takes longer. Raises CancelledError."""
    if not _start.cache_info().currsize:
        return
    last = time.monotonic() + seconds
    while _start().poll() is None and time.monotonic() < last:
        raise_if_cancelled(progress)
        time.sleep(0.05)


def warm_renderer() -> None:
    """Render a few triangles of every material with every shading model."""
    from portraiture.camera import orbit
    from portraiture.render.light import studio_light
    from portraiture.render.mesh import render_bust

    bust = _triangles()
    camera = orbit(0.1, 0.1, target=np.zeros(3), distance=0.8, focal=2.0)
    light: Light = studio_light()
    for shading in ("natural", "soft", "toon", "ink", "paint"):
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


if __name__ == "__main__":
    warm_renderer()
