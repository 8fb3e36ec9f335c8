"""Cameras of images and the shape of their style's average face together. [ours]

keypoints of all images ─▶ angles, given the face ─▶ the face, given the angles ─▶ … ─▶ both
A style's face is not G_s's: large eyes and a short nose look like a head that is nodding, which the
published alignment takes for pitch. So the average face may change, held near G_s's, and is turned
back to it at the end. Letters: N images, L keypoints.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.adapt.cameras import HUBER, align_unknowns, orbit_cameras
from portraiture.camera import EG3D_FOCAL

ROUNDS = 6
HELD = 0.02
"""Weight of a keypoint's place in G_s beside its images'."""


def align_with_shape(
    points: Float[Tensor, "L 3"], seen: Float[Tensor, "N L 2"], weights: Float[Tensor, "L"], *,
    pivot: Sequence[float], radius: float, rounds: int = ROUNDS,
) -> tuple[Float[Tensor, "N 2"], Float[Tensor, "L 3"]]:  # fmt: skip
    """Yaw and pitch of each image, radians, and the keypoints of the style's average face, EG3D
    units. points: X(w̄) of G_s. seen: in [0, 1]."""
    start, seen, weights = points.double(), seen.double(), weights.double()
    face, found = start, seen.new_zeros(len(seen), 5)
    for k in range(rounds + 1):
        if k:
            face = _improved(face, start, seen, found, pivot, radius)
            face = turned_to(face, start, weights)
        found = align_unknowns(
            face.expand(len(seen), -1, -1), seen, weights,
            pivot=pivot, radius=radius, slack=True, start=found,
        )  # fmt: skip
    return found[:, :2].float(), face.float()


def _improved(
    face: Float[Tensor, "L 3"], start: Float[Tensor, "L 3"], seen: Float[Tensor, "N L 2"],
    unknowns: Float[Tensor, "N 5"], pivot: Sequence[float], radius: float,
) -> Float[Tensor, "L 3"]:  # fmt: skip
    """One Gauss-Newton step for each keypoint, with Huber's weights."""
    cameras = orbit_cameras(unknowns[:, :2], unknowns.new_tensor(list(pivot)), radius)
    pose = cameras[:, :16].unflatten(1, (4, 4))
    scale, shift = unknowns[:, 2].exp()[:, None], unknowns[:, 3:]
    local = (face - pose[:, None, :3, 3]) @ pose[:, :3, :3]
    x, y, z = local.unbind(-1)
    at = EG3D_FOCAL * torch.stack([x / z, y / z], -1) * scale[..., None] + 0.5 + shift[:, None]
    error = seen - at
    robust = (HUBER / error.norm(dim=-1).clamp_min(HUBER))[..., None, None]
    zero = torch.zeros_like(x)
    first = torch.stack([1.0 / z, zero, -x / z**2], -1)
    second = torch.stack([zero, 1.0 / z, -y / z**2], -1)
    inner = EG3D_FOCAL * scale[..., None, None] * torch.stack([first, second], -2)
    jacobian = inner @ pose[:, None, :3, :3].transpose(-1, -2)
    held = HELD * len(seen) * (EG3D_FOCAL / radius) ** 2
    normal = (robust * jacobian.transpose(-1, -2) @ jacobian).sum(0)
    normal = normal + held * torch.eye(3, dtype=face.dtype)
    right = (robust * jacobian.transpose(-1, -2) @ error[..., None]).sum(0)[..., 0]
    return face + torch.linalg.solve(normal, right + held * (start - face))


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
