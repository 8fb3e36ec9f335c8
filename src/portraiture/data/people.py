"""Synthetic people on disk: one file a person with pictures, depth and cameras of several views.

z ─person_from_latent─▶ build_bust ─render_view × V─▶ person_00017.npz
scene ─▶ camera and light of a view; else the light is the studio's. What the supervised recipes and
the supporting networks train on. Folders grow: generating more into one folder goes on where it
stopped, and a file is written whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, UInt8, UInt16
from numpy import ndarray

from portraiture.camera import eg3d_orbit
from portraiture.data.latent import draw_latents, person_from_latent
from portraiture.data.scene import SCENE_SIZE, scene_from_numbers
from portraiture.data.views import head_frame, over, render_view
from portraiture.engine.build import build_bust
from portraiture.media import atomic_path
from portraiture.render.light import studio_light
from portraiture.types import Light

NEAREST, DEPTH_RANGE = 2.0, 1.6
"""Depths are kept as 16 bit numbers over this range of EG3D units; 0 is background."""

TEXTURE_SIZE = 512


@dataclass(frozen=True)
class PersonViews:
    """V views of one person, n pixels a side.

    z: the latent. rgb: over white. alpha: (V, n, n). depth: along the rays, 0 where nothing is.
    segmentation: `Segment` values. cameras: EG3D's 25 numbers. landmarks: pixels. points:
    mediapipe's landmarks in EG3D's world. unit_m: metres of this person per EG3D unit. scenes: what
    `data.scene` says of each view, where the views are made of such numbers; else each has the
    studio's light.
    """

    z: Float32[ndarray, "Z"]
    rgb: UInt8[ndarray, "V n n 3"]
    alpha: UInt8[ndarray, "V n n"]
    depth: Float32[ndarray, "V n n"]
    segmentation: UInt8[ndarray, "V n n"]
    cameras: Float32[ndarray, "V 25"]
    landmarks: Float32[ndarray, "V 478 2"]
    points: Float32[ndarray, "478 3"]
    unit_m: float
    scenes: Float32[ndarray, "V 6"] | None = None

    def picture_latent(self, view: int) -> Float32[ndarray, "Z"]:
        """z of the person, and of the scene where there is one."""
        return self.z if self.scenes is None else np.concatenate([self.z, self.scenes[view]])


def view_angles(count: int, seed: int) -> Float[ndarray, "count 2"]:
    """Yaw and pitch of a person's views, radians: the first nearly frontal, then by turns one from
    either side and one from anywhere; yaw within 65°, pitch mostly within 12°."""
    rng = np.random.default_rng(seed)
    spans = [(-0.3, 0.3), (-1.1, -0.2), (0.2, 1.1), (-0.7, 0.7)]
    yaw = [rng.uniform(*spans[k % len(spans)]) for k in range(count)]
    pitch = np.clip(rng.normal(0.0, 0.13, count), -0.35, 0.35)
    return np.stack([np.array(yaw), pitch], 1)


def render_person(
    z: Float[ndarray, "Z"], angles: Float[ndarray, "V 2"], *, size: int, supersample: int = 2
) -> PersonViews:
    """Build the person of z and render it under the studio light from EG3D cameras."""
    takes = [(float(yaw), float(pitch), studio_light()) for yaw, pitch in angles]
    return _render(z, takes, size=size, supersample=supersample)


def render_scenes(
    z: Float[ndarray, "Z"], scenes: Float[ndarray, "V 6"], *, size: int, supersample: int = 2
) -> PersonViews:
    """Build the person of z and render it once for each scene."""
    known = [scene_from_numbers(numbers) for numbers in scenes]
    takes = [(scene.yaw, scene.pitch, scene.light) for scene in known]
    views = _render(z, takes, size=size, supersample=supersample)
    return replace(views, scenes=np.asarray(scenes, np.float32))


def _render(
    z: Float[ndarray, "Z"],
    takes: Sequence[tuple[float, float, Light]],
    *,
    size: int,
    supersample: int,
) -> PersonViews:
    """takes: yaw, pitch and light of each view."""
    person = person_from_latent(z)
    bust = build_bust(person.parameters, expression=person.expression, texture_size=TEXTURE_SIZE)
    frame = head_frame(bust.landmarks)
    views = [
        render_view(
            bust, frame, eg3d_orbit(yaw, pitch), size=size, light=light, supersample=supersample
        )
        for yaw, pitch, light in takes
    ]
    return PersonViews(
        z=np.asarray(z, np.float32),
        rgb=np.stack([over(view.rgba, 1.0) for view in views]),
        alpha=np.stack([view.rgba[..., 3] for view in views]),
        depth=np.stack([view.depth for view in views]),
        segmentation=np.stack([view.segmentation for view in views]),
        cameras=np.stack([view.camera for view in views]).astype(np.float32),
        landmarks=np.stack([view.landmarks for view in views]),
        points=frame.to_eg3d(bust.landmarks).astype(np.float32),
        unit_m=frame.scale,
    )


def person_path(folder: Path, index: int) -> Path:
    return folder / f"person_{index:05d}.npz"


def save_person(person: PersonViews, path: Path) -> None:
    """Write one person, whole or not at all."""
    with atomic_path(path) as part, part.open("wb") as file:
        np.savez(
            file,
            z=person.z,
            rgb=person.rgb,
            alpha=person.alpha,
            depth=_pack_depth(person.depth),
            segmentation=person.segmentation,
            cameras=person.cameras,
            landmarks=person.landmarks,
            points=person.points,
            unit_m=np.float32(person.unit_m),
            **({} if person.scenes is None else {"scenes": person.scenes}),
        )


def load_person(path: Path) -> PersonViews:
    """Read what `save_person` wrote."""
    with np.load(path, allow_pickle=False) as file:
        return PersonViews(
            z=file["z"],
            rgb=file["rgb"],
            alpha=file["alpha"],
            depth=_unpack_depth(file["depth"]),
            segmentation=file["segmentation"],
            cameras=file["cameras"],
            landmarks=file["landmarks"],
            points=file["points"],
            unit_m=float(file["unit_m"]),
            scenes=file.get("scenes"),
        )


def _pack_depth(depth: Float32[ndarray, "..."]) -> UInt16[ndarray, "..."]:
    steps = np.clip((depth - NEAREST) / DEPTH_RANGE * 65534.0, 0.0, 65534.0) + 1.0
    return np.where(depth > 0, np.round(steps), 0.0).astype(np.uint16)


def _unpack_depth(packed: UInt16[ndarray, "..."]) -> Float32[ndarray, "..."]:
    depth = (packed.astype(np.float32) - 1.0) / 65534.0 * DEPTH_RANGE + NEAREST
    return np.where(packed > 0, depth, 0.0).astype(np.float32)


def make_people(
    folder: Path,
    indices: Iterable[int],
    *,
    seed: int,
    views: int = 4,
    size: int = 256,
    supersample: int = 2,
    scenes: bool = False,
    workers: int = 1,
    done: Callable[[int], None] = lambda index: None,
) -> None:
    """Render the people `indices` of a seed into `folder`, skipping those that are there.

    Person k is the same whatever else is rendered, and however many workers there are. scenes:
    cameras and light are drawn as `data.scene` says, not the studio's. done: called
    for every person, first for those that are there already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing: list[int] = []
    for k in indices:
        if person_path(folder, k).exists():
            done(k)
        else:
            missing.append(k)
    jobs = [_Job(folder, k, seed, views, size, supersample, scenes) for k in missing]
    if workers == 1:
        for job in jobs:
            done(_make_one(job))
        return
    with ProcessPoolExecutor(workers) as pool:
        for future in as_completed([pool.submit(_make_one, job) for job in jobs]):
            done(future.result())


class _Job(NamedTuple):
    """One person of `make_people`."""

    folder: Path
    index: int
    seed: int
    views: int
    size: int
    supersample: int
    scenes: bool


def _make_one(job: _Job) -> int:
    z = draw_latents(1, job.seed, first=job.index)[0]
    seed, size, supersample = job.seed * 1_000_003 + job.index, job.size, job.supersample
    if job.scenes:
        numbers = np.random.default_rng(seed).standard_normal((job.views, SCENE_SIZE))
        person = render_scenes(z, numbers, size=size, supersample=supersample)
    else:
        angles = view_angles(job.views, seed)
        person = render_person(z, angles, size=size, supersample=supersample)
    save_person(person, person_path(job.folder, job.index))
    return job.index
