"""The cascade from a photo to a strict vector (Sang et al. 2022, figure 2).

photo over white ─encoder─▶ w+ ─┬─stylised generator─▶ portrait      (stage 1, `Bridge`)
                                └─mapper─▶ relaxed ─imitator─▶ image  (stage 2)
relaxed ─choice by choice, then numbers─▶ strict                      (stage 3, `strict`)
Letters: B photos, N rows of w+, W w dimension, D length of a vector, R side of an image.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.checkpoints import fingerprint, load_image_generator, load_network
from portraiture.errors import CheckpointError
from portraiture.networks.faces2d import FacesGenerator
from portraiture.networks.pyramid_encoder import PyramidConfig, PyramidEncoder
from portraiture.parametrize.networks import (
    Imitator,
    ImitatorConfig,
    Mapper,
    MapperConfig,
    Regressor,
    RegressorConfig,
    relaxed_vector,
)


@dataclass
class Bridge:
    """faces: generator in whose w+ photos are given. encoder: photo ▶ w+ - w_avg. stylised: makes
    normalised portraits, fine-tuned from faces. imitator: vector ▶ image. All frozen."""

    faces: FacesGenerator
    encoder: PyramidEncoder
    stylised: FacesGenerator
    imitator: Imitator

    def __post_init__(self) -> None:
        config = self.encoder.config
        sizes = {(g.num_ws, g.config.w_dim, g.config.size) for g in (self.faces, self.stylised)}
        if self.imitator.config.faces.size != self.stylised.config.size:
            raise CheckpointError("The imitator and the stylised generator differ in size.")
        if sizes != {(config.num_ws, config.w_dim, config.image_size)}:
            raise CheckpointError("The encoder and the generators do not fit together.")
        if config.generator not in ("", fingerprint(self.faces)):
            raise CheckpointError("The encoder was trained for another generator; give that one.")
        for network in self.networks:
            network.eval().requires_grad_(False)

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        return self.faces, self.encoder, self.stylised, self.imitator

    def fingerprint(self) -> str:
        """Which networks they are."""
        parts = "".join(fingerprint(network) for network in self.networks)
        return hashlib.sha256(parts.encode()).hexdigest()

    def to(self, device: torch.device) -> None:
        """Move all networks."""
        for network in self.networks:
            network.to(device)

    @torch.no_grad()
    def codes(self, photos: Float[Tensor, "B 3 R R"]) -> Float[Tensor, "B N W"]:
        """w+ of photos in [-1, 1], over white."""
        return self.faces.mapping.w_avg + self.encoder(photos)

    @torch.no_grad()
    def portraits(self, codes: Float[Tensor, "B N W"]) -> Float[Tensor, "B 3 R R"]:
        """Stylised portraits of w+."""
        return self.stylised.images(codes).clamp(-1.0, 1.0)


@dataclass(frozen=True)
class Relaxed:
    """What stages 1 and 2 say of photos. portrait: stylised. vector: relaxed. image: its render by
    the imitator."""

    portrait: Float[Tensor, "B 3 R R"]
    vector: Float[Tensor, "B D"]
    image: Float[Tensor, "B 3 R R"]


@dataclass
class Cascade:
    """The networks of all stages. mapper: w+ ▶ relaxed vector."""

    bridge: Bridge
    mapper: Mapper

    def __post_init__(self) -> None:
        stylised, config = self.bridge.stylised, self.mapper.config
        if (config.rows, config.w_dim) != (stylised.num_ws, stylised.config.w_dim):
            raise CheckpointError("The mapper and the stylised generator do not fit together.")
        if config.bridge not in ("", self.bridge.fingerprint()):
            raise CheckpointError("The mapper was trained between other networks; give those.")
        self.mapper.eval().requires_grad_(False)

    def to(self, device: torch.device) -> None:
        """Move all networks."""
        self.bridge.to(device)
        self.mapper.to(device)

    @property
    def size(self) -> int:
        """R."""
        return self.bridge.stylised.config.size

    @torch.no_grad()
    def relax(self, photos: Float[Tensor, "B 3 S S"]) -> Relaxed:
        """Stages 1 and 2 of photos in [-1, 1], over white."""
        side = self.size
        small = F.interpolate(photos, (side, side), mode="bilinear", antialias=True)
        codes = self.bridge.codes(small)
        vector = relaxed_vector(self.mapper(codes), float(self.mapper.beta))
        image = self.bridge.imitator(vector).clamp(-1.0, 1.0)
        return Relaxed(self.bridge.portraits(codes), vector, image)


def load_faces_encoder(path: str | Path) -> PyramidEncoder:
    """The encoder of stage 1. Raises CheckpointError."""
    kind = ("pyramid-encoder", "an encoder of photos")
    return load_network(path, kind, PyramidConfig, PyramidEncoder)  # type: ignore[arg-type]


def load_imitator(path: str | Path) -> Imitator:
    """Raises CheckpointError, also for an imitator of another engine's vectors."""
    found = load_network(path, ("imitator", "an imitator"), ImitatorConfig, Imitator)
    if found.config.inputs != ImitatorConfig().inputs:
        raise CheckpointError(f"{path} imitates another version of the engine; train it again.")
    return found


def load_mapper(path: str | Path) -> Mapper:
    """Raises CheckpointError."""
    return load_network(path, ("mapper", "a mapper"), MapperConfig, Mapper)


def load_regressor(path: str | Path) -> Regressor:
    """Raises CheckpointError."""
    return load_network(path, ("regressor", "a regressor"), RegressorConfig, Regressor)


def load_cascade(folder: Path, *, faces: FacesGenerator | None = None) -> Cascade:
    """The networks of a folder: encoder.safetensors, stylised.safetensors, imitator.safetensors and
    mapper.safetensors. faces: by default the shipped faces2d. Raises CheckpointError when one is
    missing or they do not fit."""
    bridge = load_bridge(folder, faces=faces)
    return Cascade(bridge, load_mapper(folder / "mapper.safetensors"))


def load_bridge(folder: Path, *, faces: FacesGenerator | None = None) -> Bridge:
    """The same without the mapper."""
    return Bridge(
        load_image_generator("faces2d") if faces is None else faces,
        load_faces_encoder(folder / "encoder.safetensors"),
        load_image_generator(folder / "stylised.safetensors"),
        load_imitator(folder / "imitator.safetensors"),
    )
