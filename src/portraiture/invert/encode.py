"""Inversion of photos: w+ in one encoder pass, then detail in the planes.

Targets ─encoder(crop)─▶ w+, the mean ─refine(image), each─▶ planes, fused
   ─fit_silhouette (mattes), project_texture, refine_texture (images)─▶ planes
Letters: M photos, N rows of w+, R side of the generator's images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.invert.fit_silhouette import SilhouetteConfig, fit_silhouette
from portraiture.invert.goae.refine import refine
from portraiture.invert.inversion import Inversion, check_count
from portraiture.invert.project_texture import TextureConfig, project_texture
from portraiture.invert.refine_texture import RefinementConfig, refine_texture
from portraiture.invert.weights import Encoder
from portraiture.models import Models
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.features import add_residual
from portraiture.networks.goae_alignment import FeatureAlignment
from portraiture.networks.goae_program import ProgramWay
from portraiture.ops.resize import resized
from portraiture.perception.target import Target, resized_by_pil
from portraiture.progress import SILENT, Progress
from portraiture.triplane.visibility import MixedPlanes, fuse_planes

Baseline = Literal["psp", "e4e"]
EncoderName = Literal["goae+refine", "aligned", Baseline]


@dataclass(frozen=True)
class DetailConfig:
    """How detail that the encoder misses is added to the planes. texture: the projection.
    silhouette, refinement: the steps before and after it, None to skip them."""

    texture: TextureConfig = field(default_factory=TextureConfig)
    silhouette: SilhouetteConfig | None = field(default_factory=SilhouetteConfig)
    refinement: RefinementConfig | None = field(default_factory=RefinementConfig)


@dataclass(frozen=True)
class EncoderMethod:
    """Inversion by an encoder, of one photo or several of one person: w+ is the mean over photos,
    and each photo provides details of what is visible in it.

    network: name or path of the generator's weights. alignment: if given, refines features, with
    planes mixed according to `mixed` or as the published program does (`program`): it compares
    photos with their own background, and the encoder gets them resized by PIL. detail: how
    remaining differences are reduced; None to leave them.
    """

    name: EncoderName
    models: Models
    network: str
    encoder: Encoder
    alignment: FeatureAlignment | None = None
    mixed: MixedPlanes = "all"
    program: ProgramWay | None = None
    detail: DetailConfig | None = None

    @property
    def generator(self) -> TriPlaneGenerator:
        """The generator whose w space is used."""
        return self.models.generator(self.network)

    def check(self, count: int) -> None:
        """Raise InversionError unless this number of photos is supported."""
        check_count(count)

    @torch.no_grad()
    def invert(self, targets: Sequence[Target], progress: Progress = SILENT) -> Inversion:
        """The head of the targets, with the camera of the first. Raises InversionError."""
        self.check(len(targets))
        generator, device = self.generator, self.models.device
        progress.stage("Encode")
        size = self.encoder.config.image_size
        resize = resized if self.program is None else resized_by_pil
        crops = torch.cat([resize(target.crop, size) for target in targets])
        offset = self.encoder(crops.to(device)).mean(0, keepdim=True)
        ws = generator.backbone.mapping.w_avg + offset
        cameras = torch.cat([target.camera for target in targets]).to(device)
        found = Inversion(ws, generator.planes(ws), cameras[:1], generator)
        if self.alignment is not None:
            found = self._aligned(found, self.alignment, targets, cameras)
        if self.detail is None:
            return found
        return self._detailed(found, self.detail, targets, cameras, progress)

    def _aligned(
        self, found: Inversion, alignment: FeatureAlignment, targets: Sequence[Target],
        cameras: Float[Tensor, "M 25"],
    ) -> Inversion:  # fmt: skip
        """Add F* of each photo and the planes fused from them."""
        side = found.generator.config.image_size
        images = [
            target.image if self.program is None else resized(target.crop, side)
            for target in targets
        ]
        refined = refine(
            found.generator, alignment, found.ws.expand(len(targets), -1, -1),
            torch.cat(images).to(cameras), cameras, mixed=self.mixed, program=self.program,
        )  # fmt: skip
        return replace(
            found, planes=fuse_planes(refined.refined, found.planes, refined.visible),
            features=refined.features, visible=refined.visible,
        )  # fmt: skip

    def _detailed(
        self, found: Inversion, detail: DetailConfig, targets: Sequence[Target],
        cameras: Float[Tensor, "M 25"], progress: Progress,
    ) -> Inversion:  # fmt: skip
        """Fit silhouette and texture to the photos."""
        generator, ws, plain = found.generator, found.ws, found.planes
        images = torch.cat([target.image for target in targets]).to(cameras)
        person = torch.cat([target.person for target in targets]).to(cameras)
        planes, residual = plain, torch.zeros_like(plain)
        if detail.silhouette is not None:
            residual = fit_silhouette(
                generator, ws, plain, person, cameras, detail.silhouette, progress=progress
            )
            planes = add_residual(generator, plain, residual, ws)
        progress.stage("Project the texture")
        residual = residual + project_texture(
            generator, ws, planes, images, person, cameras, detail.texture
        )
        if detail.refinement is not None:
            residual = refine_texture(
                generator, ws, plain, residual, images, person, cameras, self.models.parser(),
                detail.refinement, progress=progress,
            )  # fmt: skip
        planes = add_residual(generator, plain, residual, ws)
        return replace(found, planes=planes, residual=residual)
