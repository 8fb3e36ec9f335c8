"""Visibility masks of a photo on the three planes, and planes mixed by them (Yuan et al., ICCV
2023, section 4.3, Eqs. 8, 9 and 12).

depth ─unproject─▶ points ─project on each plane─▶ splat ─blur─▶ threshold ─feather─▶ mask M
planes = M ⊙ planes of F* + (1 - M) ⊙ planes of w+                                         (Eq. 12)
`program_mask` is the published program's mask, of the (x, y) plane alone.
Letters: B heads, n side of the depth map, C channels and P side of a plane.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from portraiture.triplane.planes import PlaneAxes, project_on_planes
from portraiture.triplane.sampling import make_rays

MixedPlanes = Literal["all", "front", "none"]
"""Which planes are mixed. all: the paper's three. front: only the (x, y) plane, with F* on the
others, as in the published program (whose own mask is `program_mask`). none: F* everywhere, the
ablation."""

BLUR, FEATHER = 0.012, 0.02
"""Standard deviations of the Gaussians that close gaps between splats and feather the mask's edge,
as shares of a plane's side."""

CLOSED = 0.25
"""Share of covered neighbouring texels from which a texel counts as visible."""

SOLID = 0.5
"""Minimum opacity of rays that hit the head."""


def visible_points(
    depth: Float[Tensor, "B 1 n n"],
    opacity: Float[Tensor, "B 1 n n"],
    camera: Float[Tensor, "B 25"],
) -> tuple[Float[Tensor, "B M 3"], Bool[Tensor, "B M"]]:
    """Surface point of each pixel's ray (Eq. 8), and whether there is one; M = n². depth: along the
    rays."""
    origins, directions = make_rays(camera, depth.shape[-1])
    points = origins + directions * depth.flatten(2).mT
    return points, opacity.flatten(1) > SOLID


def plane_masks(
    points: Float[Tensor, "B M 3"],
    met: Bool[Tensor, "B M"],
    *,
    size: int,
    box_warp: float,
    axes: PlaneAxes,
) -> Float[Tensor, "B 3 1 P P"]:
    """Visibility of each texel of the planes, in [0, 1] (tri-mask of Eq. 12; splat, blur, threshold
    and feathering are ours). size: P."""
    where = project_on_planes(points, box_warp=box_warp, axes=axes)
    texels = ((where + 1.0) * 0.5 * size).floor().long()
    inside = ((texels >= 0) & (texels < size)).all(-1) & met[:, None]
    index = (texels[..., 1] * size + texels[..., 0]).clamp(0, size * size - 1)
    hit = torch.zeros(*index.shape[:2], size * size, device=points.device)
    hit.scatter_reduce_(2, index, inside.float(), "amax")
    closed = (gaussian_blur(hit.unflatten(2, (size, size)), BLUR * size) > CLOSED).float()
    return gaussian_blur(closed, FEATHER * size).clamp(0.0, 1.0)[:, :, None]


PROGRAM_TAPS, PROGRAM_COVERED = 9, 0.35
"""Width of the program's blurs in texels; share of covered texels above which a texel counts."""


def program_mask(
    depth: Float[Tensor, "B 1 n n"],
    camera: Float[Tensor, "B 25"],
    *,
    size: int,
    box_warp: float,
    sigmas: tuple[float, float],
) -> Float[Tensor, "B 1 P P"]:
    """The published program's mask of the (x, y) plane, in [0, 1].

    The end of every ray counts, whether it hit the head or not; ends outside the box are clamped to
    its border. depth: of the render of F*, along the rays. size: P; the widths of the blurs are in
    texels, chosen for 256 of them and 128² rays. sigmas: standard deviations of the blur that
    closes gaps and of the one that softens the edge, texels; the program samples both from U(1, 2).
    """
    origins, directions = make_rays(camera, depth.shape[-1])
    points = origins + directions * depth.flatten(2).mT
    texels = ((points[..., :2] / box_warp + 0.5) * size).clamp(0, size - 1).floor().long()
    hit = torch.zeros(len(depth), size * size, device=depth.device)
    hit.scatter_(1, texels[..., 1] * size + texels[..., 0], 1.0)
    closed = _program_blur(hit.view(-1, 1, size, size), sigmas[0]) > PROGRAM_COVERED
    return _program_blur(closed.float(), sigmas[1])


def _program_blur(x: Float[Tensor, "B 1 P P"], sigma: float) -> Float[Tensor, "B 1 P P"]:
    radius = PROGRAM_TAPS // 2
    steps = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-0.5 * (steps / sigma).square())
    kernel = kernel / kernel.sum()
    wide = F.pad(x, (radius, radius, radius, radius), mode="reflect")
    return F.conv2d(wide, torch.outer(kernel, kernel)[None, None])


def chosen_masks(
    masks: Float[Tensor, "B 3 1 P P"], mixed: MixedPlanes
) -> Float[Tensor, "B 3 1 P P"]:
    """Masks set to 1 on the planes where F* is used regardless of visibility."""
    match mixed:
        case "all":
            return masks
        case "front":
            return torch.cat([masks[:, :1], torch.ones_like(masks[:, 1:])], 1)
        case "none":
            return torch.ones_like(masks)


def mix_planes(
    refined: Float[Tensor, "B 3 C P P"],
    plain: Float[Tensor, "B 3 C P P"],
    masks: Float[Tensor, "B 3 1 P P"],
) -> Float[Tensor, "B 3 C P P"]:
    """Planes of F* where the masks are 1, of w+ where they are 0 (Eqs. 9 and 12)."""
    return plain + masks * (refined - plain)


def fuse_planes(
    refined: Float[Tensor, "M 3 C P P"],
    plain: Float[Tensor, "1 3 C P P"],
    masks: Float[Tensor, "M 3 1 P P"],
) -> Float[Tensor, "1 3 C P P"]:
    """`mix_planes` for M photos of one head: texels visible in several photos get the mean weighted
    by visibility. [ours]"""
    shares = masks / masks.sum(0, keepdim=True).clamp_min(1.0)
    return plain + (shares * (refined - plain)).sum(0, keepdim=True)


def gaussian_blur(x: Float[Tensor, "B K H W"], sigma: float) -> Float[Tensor, "B K H W"]:
    """Separable Gaussian of `sigma` texels; edges are repeated."""
    radius = max(1, round(3.0 * sigma))
    steps = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-0.5 * (steps / max(sigma, 1e-3)).square())
    kernel = kernel / kernel.sum()
    flat = x.flatten(0, 1)[:, None]
    flat = F.pad(flat, (radius, radius, radius, radius), mode="replicate")
    flat = F.conv2d(F.conv2d(flat, kernel[None, None, None]), kernel[None, None, :, None])
    return flat[:, 0].unflatten(0, x.shape[:2])
