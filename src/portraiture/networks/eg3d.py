"""EG3D's generator (Chan et al., CVPR 2022): latents and a camera in, a 3D-consistent image out.

z, p ─mapping─▶ ws ─backbone─▶ planes ─render(camera)─▶ features, depth ─superresolution─▶ image
Every arrow is a method. Intermediate tensors are returned and passed as arguments; the module keeps
no state. Letters: B batch, N layers of ws (num_ws), D w dimension, P plane side.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.networks.layers import Linear
from portraiture.networks.plane_flow import PlaneFlow, move_planes
from portraiture.networks.stylegan2 import EditFeatures, Mapping, Noise, Synthesis
from portraiture.networks.superres import HEADS, SuperresName, Superresolution
from portraiture.triplane.planes import sample_planes
from portraiture.triplane.rendering import RenderingConfig, Volume
from portraiture.triplane.tables import DecoderWeights, VolumeBackend, choose_backend
from portraiture.triplane.volume import render_volume

COLOR_MARGIN = 0.001
"""Margin by which the decoder's colours may exceed [0, 1]."""


@dataclass(frozen=True)
class TriPlaneConfig:
    """Settings that the weights don't determine.

    z_dim, w_dim, c_dim: latent, style and camera sizes (c_dim 0: unconditional). choice_groups:
    (first, last) ranges of z, each a categorical choice: the mapping gets only the argmax.
    plane_size, plane_features: texels and channels of a plane. first_size: side of the backbone's
    learned constant. flow_rank, flow_size: of the planes' displacement (`networks.plane_flow`);
    rank 0 is EG3D's own generator. superres_widths: widths other than the published head's.
    backbone_clamp, superres_clamp: bound of activations; 256 in published checkpoints trained in
    fp16. conditioning: the mapping gets the camera ("camera") or zeros ("zero").
    raw_after_block0: add the colours of superresolution's first block to the raw image if that
    keeps its size, as in the original program's 2X and 4X heads, which add in place. rendering:
    how rays are sampled.
    """

    z_dim: int = 512
    c_dim: int = 25
    w_dim: int = 512
    mapping_layers: int = 2
    choice_groups: tuple[tuple[int, int], ...] = ()
    plane_size: int = 256
    plane_features: int = 32
    first_size: int = 4
    flow_rank: int = 0
    flow_size: int = 32
    channel_base: int = 32768
    channel_max: int = 512
    decoder_hidden: int = 64
    neural_resolution: int = 128
    superresolution: SuperresName = "8XDC"
    superres_widths: tuple[int, int] | None = None
    superres_antialias: bool = True
    superres_noise: Noise = "none"
    backbone_clamp: float | None = None
    superres_clamp: float | None = 256.0
    conditioning: Literal["camera", "zero"] = "camera"
    raw_after_block0: bool = False
    rendering: RenderingConfig = field(default_factory=RenderingConfig)

    @property
    def image_size(self) -> int:
        return HEADS[self.superresolution].output


@dataclass(frozen=True)
class Render:
    """image: (B, 3, R, R), image_raw: (B, 3, n, n), both in [-1, 1]. depth: (B, 1, n, n) along the
    ray, EG3D units. features: (B, C, n, n). opacity: (B, 1, n, n)."""

    image: Float[Tensor, "B 3 R R"]
    image_raw: Float[Tensor, "B 3 n n"]
    depth: Float[Tensor, "B 1 n n"]
    features: Float[Tensor, "B C n n"]
    opacity: Float[Tensor, "B 1 n n"]


class Decoder(nn.Module):
    """Point features → colours and density, one hidden layer (Chan et al. 2022, section 3)."""

    def __init__(self, features: int = 32, hidden: int = 64, outputs: int = 32) -> None:
        super().__init__()
        first, last = Linear(features, hidden), Linear(hidden, 1 + outputs)
        self.net = nn.Sequential(first, nn.Softplus(), last)

    def forward(
        self, features: Float[Tensor, "... C"]
    ) -> tuple[Float[Tensor, "... K"], Float[Tensor, "..."]]:
        """Colours in [-0.001, 1.001] and the raw density."""
        out = self.net(features)
        return torch.sigmoid(out[..., 1:]) * (1 + 2 * COLOR_MARGIN) - COLOR_MARGIN, out[..., 0]

    def weights(self) -> DecoderWeights:
        """The decoder's weights, for fused renderers."""
        linear = [layer for layer in self.net if isinstance(layer, Linear)]
        (w1, b1), (w2, b2) = (layer.effective() for layer in linear)
        return DecoderWeights(w1.T, b1, w2.T, b2, COLOR_MARGIN)


class Backbone(nn.Module):
    """Mapping and synthesis under the names of the published checkpoints."""

    def __init__(self, config: TriPlaneConfig) -> None:
        super().__init__()
        self.synthesis = Synthesis(
            config.w_dim,
            config.plane_size,
            3 * config.plane_features,
            channel_base=config.channel_base,
            channel_max=config.channel_max,
            clamp=config.backbone_clamp,
            first=config.first_size,
        )
        self.mapping = Mapping(
            config.z_dim,
            config.c_dim,
            config.w_dim,
            self.synthesis.num_ws,
            layers=config.mapping_layers,
            choice_groups=config.choice_groups,
        )


class TriPlaneGenerator(nn.Module):
    """EG3D. Parameters have the published names; `config` holds all other settings."""

    model_name: ClassVar = "eg3d"

    def __init__(self, config: TriPlaneConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = Backbone(config)
        if config.flow_rank:
            self.flow = PlaneFlow(config.w_dim, rank=config.flow_rank, size=config.flow_size)
        self.decoder = Decoder(config.plane_features, config.decoder_hidden)
        self.superresolution = Superresolution(
            config.superresolution,
            w_dim=config.w_dim,
            antialias=config.superres_antialias,
            widths=config.superres_widths,
            clamp=config.superres_clamp,
        )

    @property
    def num_ws(self) -> int:
        return self.backbone.synthesis.num_ws

    def mapping(
        self,
        z: Float[Tensor, "B Z"],
        camera: Float[Tensor, "B 25"] | None,
        *,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Float[Tensor, "B N D"]:
        """Latents and the conditioning camera → ws. A fixed frontal camera gives GOAE's canonical
        latent space; None is allowed if the config does not condition on cameras."""
        if self.config.c_dim and camera is None:
            raise ValueError("this generator's mapping needs a conditioning camera")
        if self.config.conditioning == "zero" and camera is not None:
            camera = torch.zeros_like(camera)
        return self.backbone.mapping(
            z, camera if self.config.c_dim else None,
            truncation_psi=truncation_psi, truncation_cutoff=truncation_cutoff,
        )  # fmt: skip

    def planes(
        self,
        ws: Float[Tensor, "B N D"] | None = None,
        *,
        styles: dict[int, list[Tensor]] | None = None,
        noise: Noise = "const",
        edit_features: EditFeatures | None = None,
        size: int | None = None,
        flow: Float[Tensor, "B 3 2 S S"] | None = None,
    ) -> Float[Tensor, "B 3 C P P"]:
        """The tri-planes of ws or of explicit style activations.

        edit_features: is called with the features after each resolution, before any flow, and
        returns those to use. size: texels of the planes, from the coarser blocks alone. flow:
        displacement of the planes; by default the generator's own, if any, for the first w.

        Raises ValueError if a generator with a flow gets neither ws nor flow.
        """
        flat = self.backbone.synthesis(
            ws, styles=styles, noise=noise, edit_features=edit_features, size=size
        )
        planes = flat.unflatten(1, (3, self.config.plane_features))
        if flow is not None:
            return move_planes(planes, flow)
        if not self.config.flow_rank:
            return planes
        if ws is None:
            raise ValueError("this generator moves its planes: it needs ws or a flow")
        return move_planes(planes, self.flow(ws[:, 0]))

    def render(
        self,
        planes: Float[Tensor, "B 3 C P P"],
        camera: Float[Tensor, "B 25"],
        *,
        resolution: int | None = None,
        backend: VolumeBackend = "auto",
        deterministic: bool = False,
        generator: torch.Generator | None = None,
    ) -> Volume:
        """Volume rendering at resolution² (the config's neural resolution by default)."""
        return render_volume(
            planes, self.decoder, camera, self.config.rendering,
            resolution=resolution or self.config.neural_resolution, backend=backend,
            deterministic=deterministic, generator=generator,
        )  # fmt: skip

    def upsample(
        self,
        features: Float[Tensor, "B C n n"],
        ws: Float[Tensor, "B N D"],
        *,
        backend: VolumeBackend = "auto",
    ) -> Float[Tensor, "B 3 R R"]:
        """Superresolution of rendered features; for the backends see `synthesize`."""
        return self._stages(features, ws, backend)[1]

    def _stages(
        self, features: Tensor, ws: Tensor, backend: VolumeBackend, *, exact: bool = False
    ) -> tuple[Tensor, Tensor]:
        head, noise = self.superresolution, self.config.superres_noise
        if choose_backend(backend, self.decoder, features, ws, *head.parameters()) == "numba":
            from portraiture.networks.superres_fast import supports, upsample_fast

            known = noise == "none" and supports(head, features)
            if backend == "numba" or known:
                return upsample_fast(head, features, ws, dtype=torch.float32 if exact else None)
        return head.stages(features, ws, noise=noise)

    def synthesize(
        self,
        ws: Float[Tensor, "B N D"],
        camera: Float[Tensor, "B 25"],
        *,
        neural_resolution: int | None = None,
        noise: Noise = "const",
        backend: VolumeBackend = "auto",
        deterministic: bool = False,
        generator: torch.Generator | None = None,
    ) -> Render:
        """ws and a camera → image, raw image and depth.

        backend: torch is the reference. auto uses fused kernels where supported: numba on the CPU
        without gradients, whose superresolution runs in bfloat16 if the processor supports it
        (about 54 dB from the reference). deterministic: fixed sample positions, and all in float32.
        """
        volume = self.render(
            self.planes(ws, noise=noise), camera,
            resolution=neural_resolution, backend=backend,
            deterministic=deterministic, generator=generator,
        )  # fmt: skip
        raw = volume.features[:, :3]
        first, image = self._stages(volume.features, ws, backend, exact=deterministic)
        if self.config.raw_after_block0 and first.shape == raw.shape:
            raw = first
        return Render(
            image=image,
            image_raw=raw,
            depth=volume.depth,
            features=volume.features,
            opacity=volume.opacity,
        )

    def density(
        self, points: Float[Tensor, "B M 3"], ws: Float[Tensor, "B N D"]
    ) -> Float[Tensor, "B M"]:
        """Raw densities at points (EG3D units); the absorption is softplus(density - 1)."""
        return self.query(self.planes(ws), points)[1]

    def query(
        self, planes: Float[Tensor, "B 3 C P P"], points: Float[Tensor, "B M 3"]
    ) -> tuple[Float[Tensor, "B M K"], Float[Tensor, "B M"]]:
        """Colours and raw densities of planes at points."""
        rendering = self.config.rendering
        return self.decoder(
            sample_planes(planes, points, box_warp=rendering.box_warp, axes=rendering.plane_axes)
        )
