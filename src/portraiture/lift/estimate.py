"""What LiftedGAN makes of a w: albedo, depth, transformation, light and view of a person.

w ─D_L, D_V─▶ light, view ─M, neutral─▶ w0 ─generator─▶ image, features ─D_S, D_T─▶ depth, map
image ÷ shading from the front ─▶ albedo ─light, view, rasteriser─▶ image from any view
Shi et al. 2021, section 3, as the published program does it. Letters: B people, D w dimension, S
side of the generator's image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.lift.geometry import (
    contour_clipped,
    delighted,
    light_terms,
    moved,
    shaded,
    shading_of,
    squashed_depth,
    squashed_transformation,
    vertices_of,
)
from portraiture.lift.grid_mesh import Backend, GridImage, render_grid
from portraiture.lift.networks import VIEW, LiftedNetworks
from portraiture.networks.faces2d import FacesGenerator


@dataclass(frozen=True)
class Lifted:
    """People lifted to 3D. w: their own codes. w0: of the neutral view and light. light, view:
    their own codes. neutral: the generator's images of w0. albedo: about in [-1, 1]. depth: of
    `geometry`. transformation: in [0, 1]."""

    w: Float[Tensor, "B D"]
    w0: Float[Tensor, "B D"]
    light: Float[Tensor, "B 4"]
    view: Float[Tensor, "B 6"]
    neutral: Float[Tensor, "B 3 S S"]
    albedo: Float[Tensor, "B 3 S S"]
    depth: Float[Tensor, "B S S"]
    transformation: Float[Tensor, "B S S"]

    def mirrored(self) -> Lifted:
        """Albedo and depth mirrored; light, view and transformation are not."""
        return replace(self, albedo=self.albedo.flip(3), depth=self.depth.flip(2))

    def canonical(self, light: Float[Tensor, "B 4"] | None = None) -> Float[Tensor, "B 3 S S"]:
        """The unmoved surface in its own light or another, about in [-1, 1]."""
        code = self.light if light is None else light
        return shaded(self.albedo, shading_of(self.depth, light_terms(code)))

    def render(
        self,
        *,
        light: Float[Tensor, "B 4"] | None = None,
        view: Float[Tensor, "B 6"] | None = None,
        whole: bool = False,
        backend: Backend = "auto",
    ) -> GridImage:
        """Render in their own light and view, or in others. whole: move all vertices as far, as if
        the transformation were 1 everywhere."""
        vertices = vertices_of(contour_clipped(self.depth))
        view = self.view if view is None else view
        vertices = moved(vertices, view, None if whole else self.transformation)
        return render_grid(vertices, self.canonical(light), backend=backend)


def sizes_of(faces: FacesGenerator) -> tuple[int, int, int]:
    """Side, w dimension and channels of the last features of a generator."""
    features = faces.synthesis.block(faces.config.size).conv1.weight.shape[0]
    return faces.config.size, faces.config.w_dim, features


def generated(
    generator: FacesGenerator, w: Float[Tensor, "B D"], *, late: Float[Tensor, "B D"] | None = None
) -> tuple[Float[Tensor, "B 3 S S"], Float[Tensor, "B C S S"]]:
    """Images with fixed noise, unclamped, and the features of which their last colours are made.
    late: w of the second half of the layers instead, whose style is mixed in (Karras et al. 2019).
    """
    features: dict[int, Tensor] = {}

    def keep(resolution: int, x: Tensor) -> Tensor:
        features[resolution] = x
        return x

    ws = w[:, None].expand(-1, generator.num_ws, -1)
    if late is not None:
        first = generator.num_ws // 2
        rest = late[:, None].expand(len(w), generator.num_ws - first, -1)
        ws = torch.cat([ws[:, :first], rest], 1)
    images = generator.images(ws, noise="const", edit_features=keep)
    return images, features[generator.config.size].float()


def lift(
    generator: FacesGenerator, networks: LiftedNetworks, w: Float[Tensor, "B D"], *,
    style: Float[Tensor, "B D"] | None = None,
) -> Lifted:  # fmt: skip
    """Lift people. The neutral w keeps their ambient and diffuse light, lit from the front.

    style: w of people whose colours they take (figure 9): late layers of the neutral image are
    theirs, likewise neutral, while light, view and shape stay their own.
    """
    light, view = networks.light(w), networks.view(w)
    front = torch.cat([light[:, :2], torch.zeros_like(light[:, 2:])], 1)
    w0 = networks.manipulation(w, front, w.new_zeros(len(w), VIEW))
    neutral, features = generated(generator, w0)
    depth = squashed_depth(networks.depth(w0, features)[:, 0])
    transformation = squashed_transformation(networks.transformation(w0)[:, 0], depth)
    if style is not None:
        late = networks.manipulation(style, front, w.new_zeros(len(w), VIEW))
        neutral = generated(generator, w0, late=late)[0]
    albedo = delighted(neutral, depth, light_terms(light))
    return Lifted(w, w0, light, view, neutral, albedo, depth, transformation)
