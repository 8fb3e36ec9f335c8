"""Heads in a style, of planes that a network made (`restyle.fine_tune`, `many`, `mix`).

head, edited front ─H─▶ planes, w+ ─▶ Head with the same generator
Letters: N rows of w+, D w dimension, C channels and P side of a plane, R side of an image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.head import Head, rounded
from portraiture.networks.image_to_planes import ImageToPlanes
from portraiture.restyle.fine_tune import styled_planes
from portraiture.restyle.mix import mixed_planes
from portraiture.version import __version__


def styled_head(
    head: Head,
    network: ImageToPlanes,
    front: Float[Tensor, "1 3 R R"],
    *,
    facts: Mapping[str, Any] | None = None,
) -> Head:
    """The head in a style, in one pass. network: H, for the head's generator. front: the head's
    front view in the style, in [-1, 1]. Raises HeadError."""
    generator = head.network
    like = next(generator.parameters())
    with torch.no_grad():
        made = styled_planes(network.to(like.device), front.to(like), generator)
    return head_of_planes(head, *made, facts=facts)


def mixed_head(
    head: Head,
    network: ImageToPlanes,
    first: Float[Tensor, "1 3 R R"],
    second: Float[Tensor, "1 3 R R"],
    amount: float,
    *,
    facts: Mapping[str, Any] | None = None,
) -> Head:
    """The head between two styles; see `mix.mixed_planes`. Raises HeadError, RestyleError."""
    generator = head.network
    like = next(generator.parameters())
    made = mixed_planes(network.to(like.device), generator, first.to(like), second.to(like), amount)
    return head_of_planes(head, *made, facts=facts)


@torch.no_grad()
def head_of_planes(
    head: Head,
    planes: Float[Tensor, "1 3 C P P"],
    ws: Float[Tensor, "1 N D"],
    *,
    facts: Mapping[str, Any] | None = None,
) -> Head:
    """A head with other planes and w+, on the CPU; what they are beyond the planes of w+ is its
    residual, which edits keep."""
    residual = planes - head.network.planes(ws)
    about = {**(facts or {}), "made_by": f"portraiture {__version__}"}
    made = replace(
        head, planes=planes.cpu(), ws=ws.cpu().contiguous(), method="restyle", features=None,
        visible=None, residual=residual.cpu(), edits={}, facts=about,
    )  # fmt: skip
    return rounded(made)
