"""Renders and files of an avatar, whatever made it.

Avatar ─build─▶ Bust ─┬─ portraits, turntable ─▶ images, video
                      └─ write_model ─▶ GLB, VRM, JSON
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8
from numba import get_num_threads
from numpy import ndarray

from portraiture.avatar import Avatar
from portraiture.engine.prepare import wait as wait_for_kernels
from portraiture.engine.style.recipes import style_shading
from portraiture.export.gltf import write_glb
from portraiture.export.video import over, studio_wall, turntable
from portraiture.export.vrm import VrmMeta, write_vrm
from portraiture.media import write_video
from portraiture.progress import Progress, counted, raise_if_cancelled
from portraiture.render.framing import portrait_camera
from portraiture.render.light import studio_light
from portraiture.render.mesh import lit, render_lit, render_rgba
from portraiture.types import Bust, Camera, Light

TURNTABLE_FRAMES, TURNTABLE_FPS, TURNTABLE_SIZE = 48, 20, 432


def build(avatar: Avatar, progress: Progress) -> Bust:
    """The neutral bust. Raises CancelledError."""
    progress.stage("Build the avatar")
    bust = avatar.bust()
    wait_for_kernels(progress)
    raise_if_cancelled(progress)
    return bust


def write_model(
    avatar: Avatar, bust: Bust, front: UInt8[ndarray, "h w 3"], meta: VrmMeta, folder: Path
) -> None:
    """The avatar as GLB, VRM (front: its thumbnail) and JSON."""
    noted = replace(bust, expression=avatar.expression)
    write_glb(noted, folder / "avatar.glb")
    write_vrm(
        noted, folder / "avatar.vrm", name=meta.titled("avatar"), author=meta.author,
        licence=meta.licence, thumbnail=front,
    )  # fmt: skip
    avatar.save(folder / "avatar.json")


def shoot(
    avatar: Avatar, bust: Bust, camera: Camera, size: int | tuple[int, int], light: Light
) -> Float32[ndarray, "h w 4"]:
    """The bust by a camera, in the shading of the avatar's style."""
    return render_rgba(bust, camera, size=size, light=light, shading=style_shading(avatar.style))


def portrait(
    avatar: Avatar, bust: Bust, yaw_degrees: float, *, size: int
) -> UInt8[ndarray, "h w 3"]:
    """The bust in studio light before a wall."""
    camera = portrait_camera(bust, yaw=float(np.radians(yaw_degrees)))
    return over(shoot(avatar, bust, camera, size, studio_light()), studio_wall(size, size))


def portraits(avatar: Avatar, bust: Bust) -> Mapping[str, UInt8[ndarray, "h w 3"]]:
    """Front, three-quarter view and profile, by name."""
    views = {"front": 0.0, "three-quarter": 35.0, "profile": 85.0}
    return {
        name: portrait(avatar, bust, yaw, size=768 if name == "front" else 512)
        for name, yaw in views.items()
    }


def write_turntable(avatar: Avatar, bust: Bust, path: Path, progress: Progress) -> None:
    """Write a video (.mp4) of the avatar turning, a step each frame. Raises CancelledError."""
    seen = lit(bust, light=studio_light(), shading=style_shading(avatar.style))
    frames = turntable(
        bust,
        lambda _, camera: render_lit(seen, camera, size=TURNTABLE_SIZE),
        frames=TURNTABLE_FRAMES,
        threads=min(2, get_num_threads()),
    )
    with closing(frames):  # a cancelled run leaves no thread that renders on
        write_video(path, counted(frames, progress), fps=TURNTABLE_FPS)
