"""What every method of inversion finds, and the head that it makes.

Inversion ─▶ Head (`portraiture.head`), with facts of how near it comes to the photo
Letters: N rows of w+, D w dimension, M photos, K channels and S side of F*, C channels and P side
of a plane.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.checkpoints import fingerprint
from portraiture.head import Head, rounded
from portraiture.invert.target import Target
from portraiture.meshing.head_mesh import pixels_of
from portraiture.metrics.psnr import psnr
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.version import __version__


@dataclass(frozen=True)
class Inversion:
    """planes: what is to be rendered. camera: the first photo's, as given or as found. generator:
    the given one, or a tuned copy. features, visible: F* and masks of refined planes, of each
    photo. painted: what was painted on the planes (`invert.bake_photo`). facts: JSON."""

    ws: Float[Tensor, "1 N D"]
    planes: Float[Tensor, "1 3 C P P"]
    camera: Float[Tensor, "1 25"]
    generator: TriPlaneGenerator
    features: Float[Tensor, "M K S S"] | None = None
    visible: Float[Tensor, "M 3 1 P P"] | None = None
    painted: Float[Tensor, "1 3 C P P"] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@torch.no_grad()
def make_head(
    found: Inversion, generator: TriPlaneGenerator, target: Target, *, name: str, method: str
) -> Head:
    """generator: as it was before any tuning. name: of its weights."""
    theirs = generator.state_dict()
    tuned = {
        key: value
        for key, value in found.generator.state_dict().items()
        if found.generator is not generator and not torch.equal(value, theirs[key])
    }
    facts = {
        **found.facts,
        "psnr_person_db": round(person_psnr(found, target), 3),
        "made_by": f"portraiture {__version__}",
    }
    known = {k: v for k, v in facts.items() if not isinstance(v, float) or isfinite(v)}
    head = Head(
        planes=found.planes,
        ws=found.ws,
        camera=found.camera,
        generator=name,
        fingerprint=fingerprint(generator),
        method=method,
        features=found.features,
        visible=found.visible,
        painted=found.painted,
        tuned=tuned,
        facts=known,
    )
    return rounded(head)


@torch.no_grad()
def person_psnr(found: Inversion, target: Target) -> float:
    """Decibels between reconstruction and photo where the person is."""
    network = found.generator
    volume = network.render(found.planes, found.camera, deterministic=True)
    shown = network.upsample(volume.features, found.ws)
    ours, theirs = pixels_of(shown), pixels_of(target.image)
    return psnr(ours, theirs, mask=target.person[0, 0].numpy() > 0.5)
