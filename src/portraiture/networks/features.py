"""Read, replace and edit the feature maps from which a generator makes its planes.

ws ─backbone, up to side S─▶ features F ─the finer blocks─▶ planes
Letters: B heads, N rows of w+, D w dimension, K channels and S side of F, C channels and P side of
a plane.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.plane_flow import move_planes

Styles = dict[int, list[Tensor]]
"""Style activations of a backbone's blocks, by resolution."""


def planes_and_features(
    generator: TriPlaneGenerator, ws: Float[Tensor, "B N D"], size: int, *,
    styles: Styles | None = None,
) -> tuple[Float[Tensor, "B 3 C P P"], Float[Tensor, "B K S S"]]:  # fmt: skip
    """Planes of ws, and the backbone's features at `size`, the input of the finer blocks. styles:
    of the backbone, instead of those of ws. Raises ValueError if there are no such features."""
    seen: list[Tensor] = []

    def note(resolution: int, x: Tensor) -> Tensor:
        if resolution == size:
            seen.append(x)
        return x

    planes = generator.planes(ws, styles=styles, edit_features=note)
    if not seen or size == generator.backbone.synthesis.resolutions[-1]:
        raise ValueError(f"no block of the backbone reads features of side {size}")
    return planes, seen[0]


def planes_of(
    generator: TriPlaneGenerator, ws: Float[Tensor, "B N D"], features: Float[Tensor, "B K S S"],
    *, styles: Styles | None = None,
) -> Float[Tensor, "B 3 C P P"]:  # fmt: skip
    """Planes of ws, or of styles, with the features at this resolution replaced."""
    size = features.shape[-1]
    return generator.planes(
        ws, styles=styles,
        edit_features=lambda resolution, x: features if resolution == size else x,
    )  # fmt: skip


def edited_features(
    refined: Float[Tensor, "B K S S"],
    plain: Float[Tensor, "B K S S"],
    edited: Float[Tensor, "B K S S"],
) -> Float[Tensor, "B K S S"]:
    """F* + F of the edited w+ - F of w+ (Eq. 10), which keeps details in an edit."""
    return refined + edited - plain


def add_residual(
    generator: TriPlaneGenerator,
    planes: Float[Tensor, "1 3 C P P"],
    residual: Float[Tensor, "1 3 C P P"],
    ws: Float[Tensor, "1 N D"],
) -> Float[Tensor, "1 3 C P P"]:
    """Add a residual to the planes, warped by the generator's flow for ws."""
    if not generator.config.flow_rank:
        return planes + residual
    return planes + move_planes(residual, generator.flow(ws[:, 0]))
