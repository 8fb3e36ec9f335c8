"""Render people with known latents: one file per person with several views, depth and cameras.

z ─person_from_latent─▶ build_bust ─render_view × V─▶ person_00017.npz
scene ─▶ camera and light of a view; studio light by default.
Training data of the supervised recipes and the supporting networks. Rerunning resumes or extends a
folder; files are written atomically.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.camera import eg3d_orbit
from portraiture.engine.build import build_bust
from portraiture.engine.style.recipes import style_shading
from portraiture.errors import DataError, OutputError
from portraiture.media import atomic_path
from portraiture.paths import check_folder
from portraiture.people.latent import person_from_latent, sample_latents
from portraiture.people.people_file import PersonViews, person_path, save_person
from portraiture.people.scene import LIMIT, PITCH, SCENE_SIZE, YAW, scene_from_numbers
from portraiture.people.views import head_frame, over, render_view
from portraiture.processes import in_processes
from portraiture.progress import SILENT, Progress
from portraiture.render.light import studio_light
from portraiture.types import Light, Style

SETTINGS = "people.json"
TEXTURE_SIZE = 512


def view_angles(count: int, seed: int) -> Float[ndarray, "count 2"]:
    """Sample yaw and pitch of a person's views, radians: the first nearly frontal, then alternating
    between side views and arbitrary ones; yaw within 65°, pitch mostly within 12°."""
    rng = np.random.default_rng(seed)
    spans = [(-0.3, 0.3), (-1.1, -0.2), (0.2, 1.1), (-0.7, 0.7)]
    yaw = [rng.uniform(*spans[k % len(spans)]) for k in range(count)]
    pitch = np.clip(rng.normal(0.0, 0.13, count), -0.35, 0.35)
    return np.stack([np.array(yaw), pitch], 1)


def render_person(
    z: Float[ndarray, "Z"], angles: Float[ndarray, "V 2"], *, size: int, supersample: int = 2,
    style: Style = "natural",
) -> PersonViews:  # fmt: skip
    """Build the person of z, in a style, and render it under studio light with EG3D cameras."""
    takes = [(float(yaw), float(pitch), studio_light()) for yaw, pitch in angles]
    return _render(z, takes, size=size, supersample=supersample, style=style)


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
    style: Style = "natural",
) -> PersonViews:
    """takes: yaw, pitch and light of each view."""
    person = person_from_latent(z)
    bust = build_bust(
        person.parameters, expression=person.expression, style=style, texture_size=TEXTURE_SIZE
    )
    frame = head_frame(bust.landmarks)
    views = [
        render_view(
            bust,
            frame,
            eg3d_orbit(yaw, pitch),
            size=size,
            light=light,
            supersample=supersample,
            shading=style_shading(style),
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


def make_people(
    folder: Path,
    indices: Iterable[int],
    *,
    seed: int,
    views: int = 4,
    size: int = 256,
    supersample: int = 2,
    scenes: bool = False,
    style: Style = "natural",
    workers: int = 1,
    progress: Progress = SILENT,
) -> None:
    """Render the people `indices` of a seed into `folder`, skipping existing ones.

    Person k does not depend on the other people or on the number of workers. scenes: cameras and
    light are sampled as in `people.scene` instead of using studio light. style: other than natural,
    portraits of a style, from the cameras of `portrait_angles`. Raises DataError when the folder
    holds people of other settings, OutputError when it cannot be created.
    """
    settings = {"seed": seed, "views": views, "size": size, "scenes": scenes}
    claim_folder(folder, settings if style == "natural" else {**settings, "style": style})
    wanted = list(indices)
    missing = [k for k in wanted if not person_path(folder, k).exists()]
    progress.stage("Render people", len(wanted))
    progress.step(len(wanted) - len(missing))
    jobs = [_Job(folder, k, seed, views, size, supersample, scenes, style) for k in missing]
    in_processes(_make_one, jobs, workers, progress)


def claim_folder(folder: Path, settings: Mapping[str, Any]) -> None:
    """Create the folder with `SETTINGS`, or check an existing one against them."""
    path = folder / SETTINGS
    check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        known = json.loads(path.read_text()) if path.exists() else None
    except OSError as error:
        raise OutputError(f"The folder {folder} cannot be used; give another --out.") from error
    except ValueError:
        known = {}
    if known not in (None, settings):
        raise DataError(f"{folder} holds people of other settings; give another --out.")
    if known is None:
        with atomic_path(path) as part:
            part.write_text(json.dumps(settings) + "\n")


class _Job(NamedTuple):
    """One person of `make_people`."""

    folder: Path
    index: int
    seed: int
    views: int
    size: int
    supersample: int
    scenes: bool
    style: Style


def portrait_angles(count: int, seed: int) -> Float[ndarray, "count 2"]:
    """Sample yaw and pitch as portraits have them, radians: the normal distribution of
    `people.scene`, within its limit."""
    numbers = np.random.default_rng(seed).standard_normal((count, 2)).clip(-LIMIT, LIMIT)
    return numbers * np.array([YAW, PITCH])


def make_person(
    index: int, *, seed: int, views: int, size: int, scenes: bool = False, supersample: int = 2,
    style: Style = "natural",
) -> PersonViews:  # fmt: skip
    """Render person `index` of a seed; for the other arguments see `make_people`."""
    z = sample_latents(1, seed, first=index)[0]
    if scenes:
        numbers = np.random.default_rng([seed, index, 1]).standard_normal((views, SCENE_SIZE))
        return render_scenes(z, numbers, size=size, supersample=supersample)
    chosen = view_angles if style == "natural" else portrait_angles
    angles = chosen(views, seed * 1_000_003 + index)
    return render_person(z, angles, size=size, supersample=supersample, style=style)


def _make_one(job: _Job) -> int:
    person = make_person(
        job.index, seed=job.seed, views=job.views, size=job.size, scenes=job.scenes,
        supersample=job.supersample, style=job.style,
    )  # fmt: skip
    save_person(person, person_path(job.folder, job.index))
    return job.index
