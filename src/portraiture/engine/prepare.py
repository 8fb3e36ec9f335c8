"""Compile kernels in a background process while the first photo is read.

Numba compiles on first use, which takes some twenty seconds on one core, and caches the result on
disk. The main process compiles the engine's kernels as it reaches them. Meanwhile the background
process compiles the renderer's, and others that `create` reaches late, in the order in which it
reaches them; the main process and later calls load them from the disk cache. What most avatars do
without it compiles last, at the lowest priority.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Event as Flag
from threading import Thread

import numpy as np

from portraiture.progress import SILENT, Progress, raise_if_cancelled
from portraiture.types import Bust, Camera, Material, MaterialKind, Part, Skeleton

log = logging.getLogger(__name__)


def prepare() -> None:
    """Start compiling, unless the renderer is already cached or caching is unavailable; returns
    immediately. Programs call this before other work."""
    from portraiture.render.shade_numba import _shade

    folder = _shade.stats.cache_path
    if folder and not any(Path(folder).glob("shade_numba._shade-*.nbi")):
        log.warning("The first run compiles its kernels; the next ones start faster.")
        _start()
        _collect_between_kernels()


@dataclass(frozen=True)
class _Compiler:
    """The background process, and whether the renderer's kernels are compiled or it has ended."""

    process: subprocess.Popen[bytes]
    rendering: Flag


@lru_cache(maxsize=1)
def _start() -> _Compiler:
    """Start the compiling process once."""
    command = [sys.executable, "-m", "portraiture.engine.prepare"]
    return _watched(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))


def _watched(process: subprocess.Popen[bytes]) -> _Compiler:
    """The process, whose first output says that the renderer's kernels are compiled."""
    compiler = _Compiler(process, Flag())

    def watch() -> None:
        assert process.stdout is not None
        process.stdout.readline()
        compiler.rendering.set()

    Thread(target=watch, daemon=True).start()
    return compiler


def wait(progress: Progress = SILENT, *, seconds: float = 60.0) -> None:
    """Wait until the background process, if one was started, has compiled what rendering needs:
    compiling again what it has begun takes longer. Raises CancelledError."""
    if not _start.cache_info().currsize:
        return
    last = time.monotonic() + seconds
    while not _start().rendering.wait(0.05) and time.monotonic() < last:
        raise_if_cancelled(progress)


@lru_cache(maxsize=1)
def _collect_between_kernels() -> None:
    """Collect no garbage while a kernel compiles, which takes a sixth of that time: numba makes
    many objects, nearly all of which it keeps."""
    from numba.core.event import Event, Listener, register

    class Collections(Listener):
        """Off from the start of a kernel to its end; it compiles those that it calls."""

        depth = 0
        collecting = True

        def on_start(self, event: Event) -> None:
            if self.depth == 0:
                self.collecting = gc.isenabled()
                gc.disable()
            self.depth += 1

        def on_end(self, event: Event) -> None:
            self.depth -= 1
            if self.depth == 0 and self.collecting:
                gc.enable()

    if gc.isenabled():
        register("numba:compile", Collections())


def compile_kernels() -> None:
    """Compile what `create` needs, in its order, and print a line when rendering needs no more."""
    from portraiture.engine.concepts.pattern import field
    from portraiture.render.mesh import render_bust

    gc.disable()
    _compile_hair()
    _compile_rendering()
    with contextlib.suppress(OSError):  # the main process may have ended
        print("rendering", flush=True)
    _compile_eyes_and_beard()
    if hasattr(os, "nice"):
        os.nice(19)  # most avatars need nothing of what is left
    field(np.zeros((1, 3)), 0, 1.0)
    for shading in ("ink", "paint"):  # outlines, brush strokes, and glass
        render_bust(_triangles(), _camera(), size=32, shading=shading)


def _compile_hair() -> None:
    """The placing and the texture of hair."""
    from portraiture.engine.hair.darts import spread
    from portraiture.engine.hair.texture import draw_hairs

    colour, alpha = np.zeros((2, 2, 4), np.float32), np.zeros((2, 2), np.float32)
    draw_hairs(np.zeros((0, 9)), np.zeros((0, 7), np.float32), 0.0, colour[:, 1:], alpha[:, 1:])
    spread(np.zeros((2, 3)), 1)


def _compile_rendering() -> None:
    """The natural look of all but glass. Shading comes before rasterising, which the main process
    has compiled when this one gets there."""
    from portraiture.render.light import studio_light
    from portraiture.render.mesh import LOOKS, lighting_of, render_bust, view_of
    from portraiture.render.scene import flatten
    from portraiture.render.shade_numba import shade, tables
    from portraiture.render.texture_numba import level_table

    bust = _triangles("skin", "hair", "eye", "mouth", "cloth", "plain")
    scene = flatten(bust, lit=False)
    view = view_of(scene, _camera(), (32, 32), "auto")
    level_table(scene.textures, scene.part, view.lod)
    look = LOOKS["natural"]
    none = (np.zeros(0, np.int32), np.zeros((0, 3), np.float32), np.zeros((0, 2), np.int64))
    lighting = lighting_of(scene, studio_light(), look)
    shade(scene, lighting, look, tables(), view.eye, view.lod, *none)
    render_bust(bust, _camera(), size=32)


def _compile_eyes_and_beard() -> None:
    from portraiture.engine.face.closest import closest_on_mesh
    from portraiture.engine.face.iris import paint_eye
    from portraiture.engine.face.mouth_texture import paint_tongue
    from portraiture.engine.parameters import AvatarParameters

    paint_eye(AvatarParameters(), size=8)
    closest_on_mesh(np.zeros((1, 3)), np.eye(3), np.array([[0, 1, 2]]))
    paint_tongue()


def _camera() -> Camera:
    from portraiture.camera import orbit

    return orbit(0.1, 0.1, target=np.zeros(3), distance=0.8, focal=2.0)


def _triangles(*kinds: MaterialKind) -> Bust:
    """A triangle of each material, all by default."""
    kinds = kinds or ("skin", "hair", "eye", "mouth", "cloth", "plain", "glass")
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
    compile_kernels()
