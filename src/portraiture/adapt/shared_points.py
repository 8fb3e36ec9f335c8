"""Cameras of images and the shape of their style's average face together. [ours]

keypoints of all images ─▶ yaw, pitch, scale, shift of each, and one face for all ─▶ the angles
A style's face is not G_s's: large eyes and a short nose look like a head that is nodding, which the
published alignment takes for pitch. So the average face is found, too, held near G_s's and turned
to it. Letters: N images, L keypoints.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.adapt.cameras import align_unknowns, orbit_cameras, project_points

STEPS = 150
HUBER = 0.03
"""Distance, in sides of the image, from which a keypoint's error counts linearly: people differ by
more than a detector errs."""
HELD = 0.05
"""Weight of the squared distance of a keypoint from its place in G_s, EG3D units, beside its mean
squared error in the images, in their sides."""
SCALE = 1e4
"""Factor on the loss, for the search's tolerances."""


def align_with_shape(
    points: Float[Tensor, "L 3"], seen: Float[Tensor, "N L 2"], weights: Float[Tensor, "L"], *,
    pivot: Sequence[float], radius: float,
) -> tuple[Float[Tensor, "N 2"], Float[Tensor, "L 3"]]:  # fmt: skip
    """Yaw and pitch of each image, radians, and the keypoints of the style's average face, EG3D
    units. points: X(w̄) of G_s. seen: in [0, 1]. Keypoints without weight stay where they are."""
    points, seen, weights = points.double(), seen.double(), weights.double()
    used = weights > 0
    start, wanted = points[used], seen[:, used]
    share, centre = weights[used] / weights.sum(), points.new_tensor(list(pivot))

    def aligned(face: Float[Tensor, "L 3"]) -> Float[Tensor, "N 5"]:
        every = face.expand(len(seen), -1, -1)
        return align_unknowns(every, seen, weights, pivot=pivot, radius=radius, slack=True)

    unknown = aligned(points).requires_grad_(True)
    face = start.clone().requires_grad_(True)
    search = torch.optim.LBFGS(
        [unknown, face], max_iter=STEPS, history_size=20, line_search_fn="strong_wolfe",
        tolerance_change=1e-12, tolerance_grad=1e-10,
    )  # fmt: skip

    def loss() -> Tensor:
        search.zero_grad()
        cameras = orbit_cameras(unknown[:, :2], centre, radius)
        at = project_points(face.expand(len(wanted), -1, -1), cameras)
        at = (at - 0.5) * unknown[:, None, 2:3].exp() + 0.5 + unknown[:, None, 3:5]
        error = (_huber((at - wanted).norm(dim=-1)) * share).sum(1).mean()
        moved = ((face - start).square().sum(1) * share).sum()
        total = SCALE * (error + HELD * moved)
        total.backward()
        return total

    with torch.enable_grad():
        search.step(loss)
    whole = points.clone()
    whole[used] = face.detach()
    whole = turned_to(whole, points, weights)
    return aligned(whole)[:, :2].float(), whole.float()


def _huber(distance: Float[Tensor, "N L"]) -> Float[Tensor, "N L"]:
    """Squares up to `HUBER`, linear beyond."""
    return torch.where(distance < HUBER, distance.square(), 2.0 * HUBER * distance - HUBER**2)


def turned_to(
    face: Float[Tensor, "L 3"], other: Float[Tensor, "L 3"], weights: Float[Tensor, "L"]
) -> Float[Tensor, "L 3"]:
    """A face turned, moved and scaled to another by weighted least squares (Umeyama 1991)."""
    share = (weights / weights.sum())[:, None]
    a, b = (share * face).sum(0), (share * other).sum(0)
    covariance = (other - b).T @ ((face - a) * share)
    u, s, vt = torch.linalg.svd(covariance)
    sign = torch.ones(3, dtype=face.dtype)
    sign[2] = torch.det(u @ vt).sign()
    rotation = (u * sign) @ vt
    scale = (s * sign).sum() / (share * (face - a).square()).sum()
    return scale * (face - a) @ rotation.T + b
