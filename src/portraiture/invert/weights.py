"""Weights of encoders and alignments by name or path, ours and the published ones."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from portraiture.checkpoints import filled, find_weights, read_config
from portraiture.convert.account import ModelName
from portraiture.convert.store import Card, read_weights, write_weights
from portraiture.errors import CheckpointError
from portraiture.models.goae_align import AlignmentConfig, FeatureAlignment
from portraiture.models.goae_encoder import PAPER, EncoderConfig, GoaeEncoder
from portraiture.models.goae_names import PUBLISHED, from_published


def load_encoder(name_or_path: str | Path) -> tuple[GoaeEncoder, Card]:
    """An encoder for evaluation, float32, on the CPU: a shipped one, a folder or a .safetensors
    file, or the published .pt. Its card says for which generator it is. Raises CheckpointError."""
    card, tensors = read_weights(find_weights(name_or_path))
    if card.model != "goae-encoder":
        raise CheckpointError(f"{name_or_path} holds {card.model}, not GOAE's encoder.")
    config = _encoder_config(card.config, tensors, name_or_path)
    return filled(GoaeEncoder(config), from_published(tensors), name_or_path), card


def load_alignment(name_or_path: str | Path) -> tuple[FeatureAlignment, Card]:
    """A feature alignment; otherwise like `load_encoder`."""
    card, tensors = read_weights(find_weights(name_or_path))
    if card.model != "goae-afa":
        raise CheckpointError(f"{name_or_path} holds {card.model}, not GOAE's feature alignment.")
    config = read_config(AlignmentConfig, card.config, name_or_path)
    return filled(FeatureAlignment(config), tensors, name_or_path), card


def _encoder_config(
    values: dict[str, Any], tensors: dict[str, Tensor], source: str | Path
) -> EncoderConfig:
    """A converted card has the published sizes; ours has all fields."""
    return PAPER if PUBLISHED in tensors else read_config(EncoderConfig, values, source)


def save(
    network: GoaeEncoder | FeatureAlignment, out: Path, card: Card, *, half: bool = True,
    overwrite: bool = False,
) -> tuple[Path, ...]:  # fmt: skip
    """Write a network with its card; the paths written. card: what is known of the weights; its
    model and config are the network's. half: float16. Raises OutputError."""
    model: ModelName = "goae-encoder" if isinstance(network, GoaeEncoder) else "goae-afa"
    card = replace(card, model=model, config=asdict(network.config), sha256="")
    tensors = {
        name: tensor.half() if half and tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }
    return write_weights(out, tensors, card, overwrite=overwrite)
