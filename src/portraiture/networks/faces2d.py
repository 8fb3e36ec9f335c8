"""StyleGAN2's generator of images (Karras et al. 2020a, 2020b): mapping and synthesis together.

z ─mapping─▶ ws ─synthesis─▶ image. Parameter names are those of the published checkpoints.
Letters: B batch, Z latent size, N layers of ws, D w dimension, R side of an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from portraiture.networks.stylegan2 import EditFeatures, Mapping, Noise, Synthesis


@dataclass(frozen=True)
class FacesConfig:
    """Settings that the weights don't determine; see `stylegan2.Mapping` and `Synthesis`.

    c_dim: size of the condition, 0 for none. choice_groups: see `Mapping`. clamp: bound of
    activations, 256 in published checkpoints that were trained in fp16.
    """

    size: int = 256
    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 8
    channel_base: int = 16384
    channel_max: int = 512
    c_dim: int = 0
    choice_groups: tuple[tuple[int, int], ...] = ()
    clamp: float | None = None


class FacesGenerator(nn.Module):
    """A StyleGAN2; conditional only for published conditional weights."""

    model_name: ClassVar = "stylegan2"

    def __init__(self, config: FacesConfig) -> None:
        super().__init__()
        self.config = config
        self.synthesis = Synthesis(
            config.w_dim,
            config.size,
            3,
            channel_base=config.channel_base,
            channel_max=config.channel_max,
            clamp=config.clamp,
        )
        self.mapping = Mapping(
            config.z_dim,
            config.c_dim,
            config.w_dim,
            self.synthesis.num_ws,
            layers=config.mapping_layers,
            choice_groups=config.choice_groups,
        )

    @property
    def num_ws(self) -> int:
        return self.synthesis.num_ws

    def images(
        self,
        ws: Float[Tensor, "B N D"] | None = None,
        *,
        styles: dict[int, list[Tensor]] | None = None,
        noise: Noise = "const",
        edit_features: EditFeatures | None = None,
    ) -> Float[Tensor, "B 3 R R"]:
        """Images, about in [-1, 1], of ws or of explicit style activations."""
        return self.synthesis(ws, styles=styles, noise=noise, edit_features=edit_features)
