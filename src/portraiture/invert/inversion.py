"""The result of an inversion, and the head made from it.

Inversion ─▶ Head (`portraiture.head`), with facts about its similarity to the photo
Letters: N rows of w+, D w dimension, M photos, K channels and S side of F*, C channels and P side
of a plane.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.errors import InversionError
from portraiture.head import MAX_PHOTOS, Head, rounded
from portraiture.meshing.head_mesh import pixels_of
from portraiture.metrics.psnr import psnr
from portraiture.models import Models
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.perception.target import Target
from portraiture.progress import SILENT, Progress
from portraiture.version import __version__


@dataclass(frozen=True)
class Inversion:
    """planes: the planes to render. camera: the first photo's, as given or as optimised. generator:
    the method's, or a tuned copy. features, visible: F* and masks of refined planes, of each photo.
    residual: what was added to the planes (`invert.project_texture`). facts: JSON values."""

    ws: Float[Tensor, "1 N D"]
    planes: Float[Tensor, "1 3 C P P"]
    camera: Float[Tensor, "1 25"]
    generator: TriPlaneGenerator
    features: Float[Tensor, "M K S S"] | None = None
    visible: Float[Tensor, "M 3 1 P P"] | None = None
    residual: Float[Tensor, "1 3 C P P"] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class InversionMethod(Protocol):
    """A method that finds the head of a photo, with its networks and options.

    name: recorded in the head. models: source of all networks; computation is on their device.
    network: name or path of the generator's weights.
    """

    @property
    def name(self) -> str: ...

    @property
    def models(self) -> Models: ...

    @property
    def network(self) -> str: ...

    @property
    def generator(self) -> TriPlaneGenerator:
        """The generator whose w space is used, before any tuning."""
        ...

    def check(self, count: int) -> None:
        """Raise InversionError unless this number of photos of one person is supported."""
        ...

    def invert(self, targets: Sequence[Target], progress: Progress = SILENT) -> Inversion:
        """Invert the targets, on the models' device. Raises InversionError."""
        ...


def check_count(count: int) -> None:
    """Raise InversionError for a number of photos that a head cannot be made from."""
    if not 1 <= count <= MAX_PHOTOS:
        raise InversionError(f"Give 1 to {MAX_PHOTOS} photos of one person, not {count}.")


@torch.no_grad()
def make_head(found: Inversion, target: Target, method: InversionMethod) -> Head:
    """The head, on the CPU, of a method's result. target: the first photo's."""
    generator = method.generator
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
        generator=method.network,
        fingerprint=method.models.fingerprint(method.network),
        method=method.name,
        features=found.features,
        visible=found.visible,
        residual=found.residual,
        tuned=tuned,
        facts=known,
        models=method.models,
    )
    return rounded(head)


@torch.no_grad()
def person_psnr(found: Inversion, target: Target) -> float:
    """PSNR in decibels between reconstruction and photo on the person's pixels."""
    network = found.generator
    volume = network.render(found.planes, found.camera, deterministic=True)
    shown = network.upsample(volume.features, found.ws)
    ours, theirs = pixels_of(shown), pixels_of(target.image)
    return psnr(ours, theirs, mask=target.person[0, 0].numpy() > 0.5)
