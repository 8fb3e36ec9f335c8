"""LiftedGAN's surface: a depth map as a grid of vertices, its shading, and its motion by a view.

depth ─vertices, normals─▶ shading ─┐      view, transformation ─moved─▶ vertices ─▶ rasteriser
albedo ─────────────────────────────┴▶ colours of the vertices
The camera is at the origin, x to the right, y down, z away from it; the head stands at z = 1. A
vertex lies on each pixel's ray through (S - 1)/2, so that the outermost reach the edge of the
field of view. Shi et al. 2021, section 3.1, as in the published program.
Letters: B people, S side of the maps.
"""

from __future__ import annotations

from math import pi, radians, tan
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

TAN_HALF_FOV = tan(radians(5.0))
NEAR, FAR, BORDER = 0.9, 1.1, 1.05
"""Range of the depth, and its value in the first and last two columns."""
FOREGROUND = 1.04
"""Depth up to which a pixel belongs to the head."""
MAX_ANGLE = pi / 3.0
MAX_SHIFT = (0.1, 0.1, 0.01)
BLUR_REACH, BLUR_WIDTH = 10, 8.0
"""Half the side of the blur kernel, pixels, and w of its exp(-(i/w)²)."""
CLIP = 1e-5


class LightTerms(NamedTuple):
    """ambient, diffuse: in (0, 1). direction: unit, towards +z."""

    ambient: Float[Tensor, "B"]
    diffuse: Float[Tensor, "B"]
    direction: Float[Tensor, "B 3"]


def light_terms(code: Float[Tensor, "B 4"]) -> LightTerms:
    """What a light code says."""
    direction = torch.cat([code[:, 2:], torch.ones_like(code[:, :1])], 1)
    share = 0.5 * code[:, :2] + 0.5
    return LightTerms(share[:, 0], share[:, 1], F.normalize(direction, dim=1))


def vertices_of(depth: Float[Tensor, "B S S"]) -> Float[Tensor, "B S S 3"]:
    """The vertex of every pixel."""
    size = depth.shape[-1]
    along = torch.linspace(-1.0, 1.0, size, dtype=depth.dtype, device=depth.device) * TAN_HALF_FOV
    y, x = torch.meshgrid(along, along, indexing="ij")
    return torch.stack([x, y, torch.ones_like(x)], -1) * depth[..., None]


def normals_of(depth: Float[Tensor, "B S S"]) -> Float[Tensor, "B S S 3"]:
    """Unit normals towards +z: the sum of the cross products of the differences to neighbouring
    vertices. Pixels at the edge have those of their inner neighbours."""
    p = vertices_of(depth)
    centre = p[:, 1:-1, 1:-1]
    left, right = p[:, 1:-1, :-2] - centre, p[:, 1:-1, 2:] - centre
    above, below = p[:, :-2, 1:-1] - centre, p[:, 2:, 1:-1] - centre
    around = ((left, above), (above, right), (right, below), (below, left))
    total = torch.stack([torch.linalg.cross(a, b) for a, b in around]).sum(0)
    total = F.pad(total.movedim(-1, 1), (1, 1, 1, 1), mode="replicate").movedim(1, -1)
    return total / (total.norm(dim=-1, keepdim=True) + 1e-7)


def outward_normals(depth: Float[Tensor, "B S S"]) -> Float[Tensor, "B S S 3"]:
    """Unit normals as graphics programs have them: x to the right, y up, z towards the viewer."""
    return normals_of(depth) * depth.new_tensor([-1.0, 1.0, 1.0])


def shading_of(depth: Float[Tensor, "B S S"], light: LightTerms) -> Float[Tensor, "B S S"]:
    """Lambertian shading of the unmoved surface."""
    cosine = (normals_of(depth) * light.direction[:, None, None]).sum(-1)
    return light.ambient[:, None, None] + light.diffuse[:, None, None] * cosine.clamp_min(0.0)


def delighted(
    image: Float[Tensor, "B 3 S S"], depth: Float[Tensor, "B S S"], light: LightTerms
) -> Float[Tensor, "B 3 S S"]:
    """Albedo, about in [-1, 1], of an image under the person's own ambient and diffuse light from
    the front."""
    front = torch.zeros_like(light.direction)
    front[:, 2] = 1.0
    shade = shading_of(depth, light._replace(direction=front))[:, None]
    return (0.5 * image + 0.5) / (shade + 1e-8) * 2.0 - 1.0


def shaded(
    albedo: Float[Tensor, "B 3 S S"], shading: Float[Tensor, "B S S"]
) -> Float[Tensor, "B 3 S S"]:
    """The image of the unmoved surface, about in [-1, 1]."""
    return (0.5 * albedo + 0.5) * shading[:, None] * 2.0 - 1.0


def rotation_of(view: Float[Tensor, "B 6"]) -> Float[Tensor, "B 3 3"]:
    """R_z R_y R_x of a view code's roll, yaw and pitch."""
    angles = view[:, :3] * MAX_ANGLE
    c, s = angles.cos(), angles.sin()
    one, zero = torch.ones_like(c[:, 0]), torch.zeros_like(c[:, 0])

    def matrix(*entries: Tensor) -> Tensor:
        return torch.stack(entries, 1).view(-1, 3, 3)

    x = matrix(one, zero, zero, zero, c[:, 0], -s[:, 0], zero, s[:, 0], c[:, 0])
    y = matrix(c[:, 1], zero, s[:, 1], zero, one, zero, -s[:, 1], zero, c[:, 1])
    z = matrix(c[:, 2], -s[:, 2], zero, s[:, 2], c[:, 2], zero, zero, zero, one)
    return z @ y @ x


def translation_of(view: Float[Tensor, "B 6"]) -> Float[Tensor, "B 3"]:
    """The shift of a view code."""
    return view[:, 3:] * view.new_tensor(MAX_SHIFT)


def moved(
    vertices: Float[Tensor, "B S S 3"],
    view: Float[Tensor, "B 6"],
    transformation: Float[Tensor, "B S S"] | None = None,
) -> Float[Tensor, "B S S 3"]:
    """Vertices turned about (0, 0, 1) and shifted by a view, each as far as its transformation, in
    [0, 1], says (equation 2); None moves all wholly."""
    centre = vertices.new_tensor([0.0, 0.0, 1.0])
    turned = torch.einsum("bij,byxj->byxi", rotation_of(view), vertices - centre) + centre
    turned = turned + translation_of(view)[:, None, None]
    if transformation is None:
        return turned
    return torch.lerp(vertices, turned, transformation[..., None])


def squashed_depth(raw: Float[Tensor, "B S S"]) -> Float[Tensor, "B S S"]:
    """D_S's output as a depth map."""
    centred = raw - raw.mean((1, 2), keepdim=True)
    depth = 0.5 * (NEAR + FAR) + 0.5 * (FAR - NEAR) * centred.tanh()
    border = torch.full_like(depth[:, :, :2], BORDER)
    return torch.cat([border, depth[:, :, 2:-2], border], 2)


def squashed_transformation(
    raw: Float[Tensor, "B S S"], depth: Float[Tensor, "B S S"]
) -> Float[Tensor, "B S S"]:
    """D_T's output as a map in [0, 1]: 1 on the head, blurred, 0 at the border."""
    share = (raw + 5.0).sigmoid()
    share = blurred(torch.where(depth <= FOREGROUND, torch.ones_like(share), share)[:, None])[:, 0]
    return F.pad(share[:, 1:-1, 2:-2], (2, 2, 1, 1))


def blur_kernel(like: Tensor) -> Float[Tensor, "21"]:
    """One axis of the blur's kernel."""
    steps = torch.arange(-BLUR_REACH, BLUR_REACH + 1, dtype=like.dtype, device=like.device)
    weight = (-((steps / BLUR_WIDTH) ** 2)).exp()
    return weight / weight.sum()


def blurred(maps: Float[Tensor, "B C S S"]) -> Float[Tensor, "B C S S"]:
    """The maps blurred, mirrored at their edges."""
    kernel, channels = blur_kernel(maps), maps.shape[1]
    padded = F.pad(maps, (BLUR_REACH,) * 4, mode="reflect")
    wide = F.conv2d(padded, kernel.expand(channels, 1, 1, -1), groups=channels)
    return F.conv2d(wide, kernel[:, None].expand(channels, 1, -1, 1), groups=channels)


class _ContourClip(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, depth: Tensor) -> Tensor:
        return depth.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        known = F.pad((gradient != 0.0).to(gradient)[:, None], (1, 1, 1, 1), mode="reflect")[:, 0]
        neighbours = known[:, :-2, 1:-1] + known[:, 2:, 1:-1]
        neighbours = neighbours + known[:, 1:-1, :-2] + known[:, 1:-1, 2:]
        edge = (known[:, 1:-1, 1:-1] - 0.25 * neighbours).abs() >= CLIP
        return torch.where(edge, torch.zeros_like(gradient), gradient)


def contour_clipped(depth: Float[Tensor, "B S S"]) -> Float[Tensor, "B S S"]:
    """The depth, whose gradient is dropped beside pixels that have none: there the surface ends and
    the gradient, which knows of no silhouettes, is wrong."""
    return _ContourClip.apply(depth)  # pyright: ignore[reportReturnType]
