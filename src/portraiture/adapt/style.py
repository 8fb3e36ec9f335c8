"""A style: what makes G_t out of G_s, as residuals of the weights that the method trains.

G_s + texture residuals + shape · Δs ─▶ G_t, an ordinary generator;  exaggeration · warp ─▶ planes
Stored in 8 bits (`weights`): residuals are small, so their rounding is, too. Letters as in `warp`.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.adapt.layers import Layers, geometry_names, trained_names
from portraiture.adapt.warp import FrontWarp, WarpConfig
from portraiture.checkpoints import fingerprint, load_network
from portraiture.errors import CheckpointError
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.weights import Card, write_weights

LARGEST_SHAPE, LARGEST_WARP = 1.0, 2.0
"""Ends of the sliders for Δs and the warp; both begin at 0."""


@dataclass(frozen=True)
class StyleConfig:
    """generator: of G_s, whose sizes the residuals have; fingerprint: which weights it has. layers:
    the residuals that there are. warp: of the exaggeration. yaw, pitch: mean and standard deviation
    of the target's cameras, radians; pivot, radius: of these, EG3D units; all as recovered."""

    generator: TriPlaneConfig
    fingerprint: str
    layers: Layers = "linked"
    warp: WarpConfig = field(default_factory=WarpConfig)
    yaw: tuple[float, float] = (0.0, 0.0)
    pitch: tuple[float, float] = (0.0, 0.0)
    pivot: tuple[float, float, float] = (0.0, 0.0, 0.0)
    radius: float = 0.0


class Style(nn.Module):
    """Residuals by parameter of the generator, with "/" for "." in their names, and the warp."""

    model_name: ClassVar = "head-style"

    def __init__(self, config: StyleConfig) -> None:
        super().__init__()
        self.config = config
        with torch.device("meta"):
            like = TriPlaneGenerator(config.generator)
        sizes = dict(like.named_parameters())
        self.names = trained_names(like, config.layers)
        self.geometry = frozenset(geometry_names(like))
        self.residual = nn.ParameterDict(
            {_key(name): nn.Parameter(torch.zeros(sizes[name].shape)) for name in self.names}
        )
        self.warp = FrontWarp(
            config.warp, features=config.generator.plane_features, w_dim=config.generator.w_dim,
            side=config.generator.plane_size,
        )  # fmt: skip

    def change(self, name: str) -> Float[Tensor, "..."]:
        """θ_t - θ_s of a parameter."""
        return self.residual[_key(name)]

    def changed(
        self, generator: TriPlaneGenerator, *, shape: float = 1.0, sign: float = 1.0
    ) -> Mapping[str, Float[Tensor, "..."]]:
        """The parameters of G_t that are not those of `generator`, G_s, by name. shape: factor on
        Δs, from 0 (the shapes of G_s) to 1 ("Δs interpolation", section 3.3). sign: of all."""
        own = dict(generator.named_parameters())
        return {
            name: own[name].detach()
            + self.change(name).detach().to(own[name])
            * sign
            * (shape if self.config.layers == "linked" and name in self.geometry else 1.0)
            for name in self.names
        }

    @torch.no_grad()
    def follow(self, generator: TriPlaneGenerator, source: TriPlaneGenerator, beta: float) -> None:
        """The exponential moving average of the residuals: r ← β r + (1 - β)(θ_t - θ_s)."""
        live, start = dict(generator.named_parameters()), dict(source.named_parameters())
        for name in self.names:
            self.change(name).lerp_(live[name] - start[name], 1.0 - beta)


def _key(name: str) -> str:
    return name.replace(".", "/")


def new_style(generator: TriPlaneGenerator, layers: Layers = "linked") -> Style:
    """A style that changes nothing yet."""
    return Style(StyleConfig(generator.config, fingerprint(generator), layers))


def styled(
    generator: TriPlaneGenerator, style: Style, *, shape: float = 1.0, sign: float = 1.0,
    checked: bool = True,
) -> TriPlaneGenerator:  # fmt: skip
    """G_t: a copy of G_s with the style's weights, in evaluation mode. sign: -1 takes them off.
    checked: the weights must be those the style was trained for; False for a copy of them that was
    tuned to a photo. Raises CheckpointError."""
    if checked:
        check_style(generator, style)
    made = deepcopy(generator)
    made.load_state_dict(dict(style.changed(generator, shape=shape, sign=sign)), strict=False)
    return made.eval().requires_grad_(False)


def check_style(generator: TriPlaneGenerator, style: Style) -> None:
    """Raises CheckpointError unless the style is this generator's."""
    if style.config.fingerprint != fingerprint(generator):
        raise CheckpointError("This style was trained for another generator; train one for yours.")


def load_style(path: str | Path) -> Style:
    """A style in evaluation mode, float32, on the CPU: what `adapt train` wrote, or
    networks/style.safetensors of a run. Raises CheckpointError."""
    style = load_network(path, ("head-style", "a style"), StyleConfig, Style)
    if not all(bool(tensor.isfinite().all()) for tensor in style.state_dict().values()):
        raise CheckpointError("This style has numbers that are none; train it anew.")
    return restored(style)


def restored(style: Style) -> Style:
    """The style with the warp's fixed matrices, which no file holds."""
    config = style.config
    fresh = FrontWarp(
        config.warp, features=config.generator.plane_features, w_dim=config.generator.w_dim,
        side=config.generator.plane_size,
    )  # fmt: skip
    like = style.warp.out.weight
    style.warp.spread, style.warp.bending = fresh.spread.to(like), fresh.bending.to(like)
    return style


def save_style(
    style: Style, out: Path | str, card: Card | None = None, *, overwrite: bool = False
) -> tuple[Path, ...]:
    """Write a style and its card in 8 bits; a folder, or one .safetensors file. Raises OutputError,
    CheckpointError. The paths written."""
    made = card or Card("head-style", {})
    made = Card(**{
        **asdict(made), "model": "head-style", "config": asdict(style.config), "sha256": "",
    })  # fmt: skip
    return write_weights(out, style.state_dict(), made, storage="int8", overwrite=overwrite)
