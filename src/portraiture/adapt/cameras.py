"""Cameras of a domain whose images tell none (3DAvatarGAN, section 3.1, "camera alignment").

points X(w) of G_s, keypoints of the target ─▶ (c', r') ─▶ (θ', φ') of every sample ─▶ Cameras
A camera is M(θ, φ, c, r): yaw and pitch of an orbit around the pivot c at the radius r, with EG3D's
intrinsics. Letters: N samples, L keypoints.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.camera import EG3D_ANCHOR, EG3D_FOCAL, EG3D_RADIUS
from portraiture.errors import TrainingError
from portraiture.media import atomic_path

FILE = "cameras.json"
ROUNDS = 25
STEP = 1e-5
"""Of the differences."""
HUBER = 0.01
"""Residual, in sides of the image, from which a keypoint's error counts linearly."""
RIDGE = 0.05
"""Weight that keeps the pivot's depth and the radius near EG3D's (`align_pivot`)."""
NEAREST_FRONT = EG3D_RADIUS - float(EG3D_ANCHOR[2])
"""Distance of EG3D's frontal camera from the point it looks at."""
MOST = math.radians(80.0)
QUANTILES = (0.01, 0.99)


@dataclass(frozen=True)
class Spread:
    """Mean, standard deviation and range (1st and 99th percentile) of an angle, radians."""

    mean: float
    deviation: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Cameras:
    """The camera distribution of a domain. angles: yaw and pitch of each aligned sample, radians.
    pivot: c, the point that cameras look at; radius: r; EG3D units."""

    angles: tuple[tuple[float, float], ...]
    pivot: tuple[float, float, float] = (0.0, float(EG3D_ANCHOR[1]), float(EG3D_ANCHOR[2]))
    radius: float = NEAREST_FRONT

    def spread(self) -> tuple[Spread, Spread]:
        """Of yaw and of pitch."""
        table = torch.tensor(self.angles, dtype=torch.float64)
        return _spread(table[:, 0]), _spread(table[:, 1])

    def sample(
        self, count: int, generator: torch.Generator, *, jitter: float = math.radians(2.0)
    ) -> Float[Tensor, "count 2"]:
        """Yaws and pitches of recovered cameras with normal noise of `jitter` radians, within the
        range. The paper fits a distribution's mean and range; the samples themselves are ours."""
        table = torch.tensor(self.angles, dtype=torch.float32)
        chosen = table[torch.randint(len(table), (count,), generator=generator)]
        chosen = chosen + jitter * torch.randn(count, 2, generator=generator)
        yaw, pitch = self.spread()
        low = torch.tensor([yaw.lowest, pitch.lowest])
        high = torch.tensor([yaw.highest, pitch.highest])
        return chosen.clamp(low, high)

    def vectors(self, angles: Float[Tensor, "N 2"]) -> Float[Tensor, "N 25"]:
        """EG3D's numbers of the cameras at these yaws and pitches."""
        return orbit_cameras(angles, torch.tensor(self.pivot).to(angles), self.radius)

    def to_json(self) -> str:
        """What `load` reads."""
        record = {
            "pivot": self.pivot, "radius": self.radius, "angles": [list(a) for a in self.angles],
        }  # fmt: skip
        return json.dumps(record) + "\n"

    def save(self, path: Path) -> None:
        """Write JSON, whole or not at all. Raises OutputError."""
        with atomic_path(path) as partial:
            partial.write_text(self.to_json())

    @staticmethod
    def load(path: Path) -> Cameras:
        """Read what `save` wrote. Raises TrainingError."""
        try:
            record: Any = json.loads(path.read_text())
            angles = tuple((float(yaw), float(pitch)) for yaw, pitch in record["angles"])
            x, y, z = (float(v) for v in record["pivot"])
            made = Cameras(angles, (x, y, z), float(record["radius"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"{path} holds no cameras; run adapt prepare again.") from error
        numbers = [*made.pivot, made.radius, *(v for pair in angles for v in pair)]
        if not angles or not all(math.isfinite(v) for v in numbers) or made.radius <= 0:
            raise TrainingError(f"{path} holds no cameras; run adapt prepare again.")
        return made


def _spread(values: Float[Tensor, "N"]) -> Spread:
    low, high = torch.quantile(values, torch.tensor(QUANTILES, dtype=values.dtype)).tolist()
    return Spread(float(values.mean()), float(values.std(correction=0)), low, high)


def orbit_cameras(
    angles: Float[Tensor, "N 2"], pivot: Float[Tensor, "3"], radius: float | Tensor
) -> Float[Tensor, "N 25"]:
    """`camera.orbit` for yaws and pitches, differentiable in all arguments; EG3D's numbers."""
    yaw, pitch = angles.unbind(-1)
    zero = torch.zeros_like(yaw)
    to_camera = torch.stack([yaw.sin() * pitch.cos(), pitch.sin(), yaw.cos() * pitch.cos()], -1)
    right = torch.stack([yaw.cos(), zero, -yaw.sin()], -1)
    down = torch.linalg.cross(-to_camera, right)
    place = pivot + radius * to_camera
    top = torch.stack([right, down, -to_camera, place], -1)
    pose = torch.cat([top.flatten(-2), torch.tensor([0.0, 0.0, 0.0, 1.0]).to(top).expand(
        *yaw.shape, 4)], -1)  # fmt: skip
    f = EG3D_FOCAL
    lens = top.new_tensor([f, 0.0, 0.5, 0.0, f, 0.5, 0.0, 0.0, 1.0])
    return torch.cat([pose, lens.expand(*yaw.shape, 9)], -1)


def project_points(
    points: Float[Tensor, "N L 3"], cameras: Float[Tensor, "N 25"]
) -> Float[Tensor, "N L 2"]:
    """Image coordinates in [0, 1] (x right, y down) of points; EG3D's intrinsics,
    differentiable."""
    pose = cameras[..., :16].unflatten(-1, (4, 4))
    local = (points - pose[..., None, :3, 3]) @ pose[..., :3, :3]
    return EG3D_FOCAL * local[..., :2] / local[..., 2:] + 0.5


def align_pivot(
    points: Float[Tensor, "L 3"], seen: Float[Tensor, "L 2"], weights: Float[Tensor, "L"]
) -> tuple[tuple[float, float, float], float]:
    """(c', r') = argmin L_kd(G_s(w̄, M(0, 0, c, r)), G_2D(w̄)) (section 3.1).

    points: keypoints X(w̄) of G_s. seen: those of the target's mean image, in [0, 1]. The error is a
    weighted squared distance with Huber's limit. On a frontal image the pivot's depth and the
    radius act nearly alike, so a weak ridge keeps both near EG3D's. [ours]
    """
    points, seen, weights = points.double(), seen.double(), weights.double()
    start = torch.tensor([[*EG3D_ANCHOR.tolist(), math.log(NEAREST_FRONT)]], dtype=torch.float64)

    def residual(unknown: Float[Tensor, "1 4"]) -> Float[Tensor, "1 R"]:
        camera = orbit_cameras(unknown.new_zeros(1, 2), unknown[0, :3], unknown[0, 3].exp())
        error = _weighted(project_points(points[None], camera) - seen, weights)
        return torch.cat([error, RIDGE * (unknown - start)[:, 2:]], 1)

    x, y, z, logarithm = _least_squares(residual, start)[0].tolist()
    return (x, y, z), math.exp(logarithm)


def align_angles(
    points: Float[Tensor, "N L 3"], seen: Float[Tensor, "N L 2"], weights: Float[Tensor, "L"],
    *, pivot: Sequence[float], radius: float, slack: bool = True,
) -> Float[Tensor, "N 2"]:  # fmt: skip
    """(θ', φ') = argmin L_kd(G_s(w, M(θ, φ, c', r')), G_2D(w)) of each sample (section 3.1).

    points: keypoints X(w) of G_s. seen: of the target, in [0, 1]. slack: also find a shift and a
    scale of each image, for crops are not exact and styles change the head's size; False is the
    published form. [ours] Returns yaw and pitch, radians.
    """
    found = align_unknowns(points, seen, weights, pivot=pivot, radius=radius, slack=slack)
    return found[:, :2].float()


def align_unknowns(
    points: Float[Tensor, "N L 3"], seen: Float[Tensor, "N L 2"], weights: Float[Tensor, "L"],
    *, pivot: Sequence[float], radius: float, slack: bool,
) -> Float[Tensor, "N P"]:  # fmt: skip
    """`align_angles` with all that was found: yaw, pitch and, with slack, the logarithm of the
    scale and the shift of each image. float64."""
    used = weights > 0
    points, seen, weights = (
        points[:, used].double(), seen[:, used].double(), weights[used].double(),
    )  # fmt: skip
    c = torch.tensor(list(pivot), dtype=torch.float64)

    def residual(unknown: Float[Tensor, "N P"]) -> Float[Tensor, "N R"]:
        at = project_points(points, orbit_cameras(unknown[:, :2], c, radius))
        if slack:
            at = (at - 0.5) * unknown[:, None, 2:3].exp() + 0.5 + unknown[:, None, 3:5]
        return _weighted(at - seen, weights)

    found = _least_squares(residual, seen.new_zeros(len(seen), 5 if slack else 2))
    return torch.cat([found[:, :2].clamp(-MOST, MOST), found[:, 2:]], 1)


def _weighted(error: Float[Tensor, "N L 2"], weights: Float[Tensor, "L"]) -> Float[Tensor, "N R"]:
    """Residuals whose squares are Huber's loss."""
    length = error.norm(dim=-1, keepdim=True)
    robust = (HUBER / length.clamp_min(HUBER)).sqrt()
    share = (weights / weights.sum()).sqrt()
    return (error * robust * share[:, None]).flatten(1)


def _least_squares(
    residual: Callable[[Tensor], Tensor], start: Float[Tensor, "N P"]
) -> Float[Tensor, "N P"]:
    """Levenberg and Marquardt's damped Gauss-Newton steps for N problems at once, with central
    differences; where a step does not help the damping grows."""
    x, damping = start.clone(), start.new_full((len(start), 1), 1e-3)
    for _ in range(ROUNDS):
        r = residual(x)
        error = r.square().sum(1)
        steps = STEP * torch.eye(x.shape[1], dtype=x.dtype)
        columns = [(residual(x + h) - residual(x - h)) / (2.0 * STEP) for h in steps]
        jacobian = torch.stack(columns, 2)
        normal = jacobian.transpose(1, 2) @ jacobian
        diagonal = normal.diagonal(dim1=1, dim2=2).clamp_min(1e-9)
        right = jacobian.transpose(1, 2) @ r[..., None]
        tried = x - torch.linalg.solve(normal + torch.diag_embed(damping * diagonal), right)[..., 0]
        better = residual(tried).square().sum(1)
        helped = (better < error)[:, None]
        x, damping = torch.where(helped, tried, x), torch.where(helped, 0.3, 10.0) * damping
        if bool(((error - better).abs() < 1e-13).all()):
            break
    return x
