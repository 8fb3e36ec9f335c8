"""FF3D's few-shot set of one style (Ma et al. 2023, section 3.1, Algorithm 1).

head ─G, i×i views─▶ images ─editor T, one n for all─▶ images in the style ─▶ FewShot
Letters: V views, R side of the generator's images, N rows of w+, D w dimension.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import radians

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.errors import RestyleError
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.progress import SILENT, Progress
from portraiture.restyle.editors import Editor, EditStart

SIDES = 10
"""i, the number of pitches and of yaws (section 4.1)."""
REACH = radians(30.0)
"""The largest pitch and yaw (section 3.1)."""
MAX_SIDES = 32


@dataclass(frozen=True)
class FewShot:
    """images: the edited views, in [-1, 1]. cameras: theirs. front: number of the view that the
    style encoder sees, the one nearest to the front. prompt, editor, seed: what made them."""

    images: Float[Tensor, "V 3 R R"]
    cameras: Float[Tensor, "V 25"]
    front: int
    prompt: str
    editor: str
    seed: int = 0

    def __len__(self) -> int:
        return len(self.images)


def view_grid(sides: int, *, reach: float = REACH) -> list[tuple[float, float]]:
    """(yaw, pitch) of i×i views, radians: (P, Y) of section 3.1, evenly spaced [ours: "uniformly
    sampled" does not say whether at random], the front among them where i is odd."""
    if not 1 <= sides <= MAX_SIDES:
        raise RestyleError(f"The number of views a side must be 1 to {MAX_SIDES}, not {sides}.")
    steps = np.linspace(-reach, reach, sides) if sides > 1 else np.zeros(1)
    return [(float(yaw), float(pitch)) for pitch in steps for yaw in steps]


def front_of(angles: list[tuple[float, float]]) -> int:
    """The number of the view nearest to the front."""
    return min(range(len(angles)), key=lambda k: np.hypot(*angles[k]))


def cameras_at(angles: list[tuple[float, float]]) -> Float[Tensor, "V 25"]:
    """EG3D's cameras at (yaw, pitch)."""
    return torch.from_numpy(np.stack([to_eg3d(eg3d_orbit(*each)) for each in angles])).float()


@torch.no_grad()
def views_of(
    generator: TriPlaneGenerator,
    planes: Float[Tensor, "1 3 C P P"],
    ws: Float[Tensor, "1 N D"],
    cameras: Float[Tensor, "V 25"],
) -> Float[Tensor, "V 3 R R"]:
    """G(θ, w, v) of every camera, in [-1, 1]; the same each time."""
    images = []
    for camera in cameras.to(planes).split(1):
        volume = generator.render(planes, camera, deterministic=True)
        images.append(generator.upsample(volume.features, ws).clamp(-1.0, 1.0))
    return torch.cat(images)


def make_few_shot(
    generator: TriPlaneGenerator,
    planes: Float[Tensor, "1 3 C P P"],
    ws: Float[Tensor, "1 N D"],
    prompt: str,
    editor: Editor,
    *,
    sides: int = SIDES,
    seed: int = 0,
    start: EditStart = "image",
    progress: Progress = SILENT,
) -> FewShot:
    """Algorithm 1. planes, ws: of one head; superresolution is modulated by ws. sides: i. seed: of
    n. start: see `Editor`. Raises RestyleError, CancelledError."""
    angles = view_grid(sides)
    cameras = cameras_at(angles)
    views = views_of(generator, planes, ws, cameras)
    progress.stage("Edit the views", len(views))
    images = editor.edit(views, prompt, seed=seed, start=start, progress=progress)
    return FewShot(images.cpu(), cameras, front_of(angles), prompt, editor.name, seed)
