"""Load encoders and GOAE's alignments by name or path, ours and the published ones.

name or path ─find─▶ card, tensors ─(published names → ours)─strict─▶ network
"""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from portraiture.checkpoints import (
    built,
    check_tensors,
    filled,
    find_weights,
    fingerprint,
    read_config,
    w_fingerprint,
)
from portraiture.errors import CheckpointError
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.goae_alignment import AlignmentConfig, FeatureAlignment
from portraiture.networks.goae_encoder import PAPER, EncoderConfig, GoaeEncoder
from portraiture.networks.goae_names import PUBLISHED, from_published, pretrained_windows
from portraiture.networks.pyramid_encoder import PyramidConfig, PyramidEncoder
from portraiture.weights import Card, ModelName, Storage, read_weights, write_weights

Encoder = GoaeEncoder | PyramidEncoder
"""Photos → w+ - w_avg; all encoders have the same call signature."""

CONVERTED_ALIGNMENT = {"features", "size"}
"""The only fields in the card of a converted alignment."""
MAX_BLOCKS = 100
"""Maximum number of blocks; a card that asks for more is refused."""


def load_encoder(name_or_path: str | Path) -> Encoder:
    """Load an encoder for evaluation, float32, on the CPU: a shipped one, a folder or .safetensors
    file, or the published .pt. Raises CheckpointError or ConversionError."""
    card, tensors = read_weights(find_weights(name_or_path))
    if card.model == "pyramid-encoder":
        return _pyramid(card, tensors, name_or_path)
    if card.model != "goae-encoder":
        raise CheckpointError(f"{name_or_path} holds {card.model}, not an encoder.")
    config = _encoder_config(card.config, tensors, name_or_path)
    tensors = from_published(tensors)
    check_tensors(built(lambda: GoaeEncoder(config), name_or_path), tensors, name_or_path)
    return filled(GoaeEncoder(config), tensors, name_or_path)  # Swin has non-persistent buffers


def _pyramid(card: Card, tensors: dict[str, Tensor], source: str | Path) -> PyramidEncoder:
    config = read_config(PyramidConfig, card.config, source)
    if sum(config.units) + sum(config.rows) > MAX_BLOCKS:
        raise CheckpointError(f"{source} asks for more than {MAX_BLOCKS} blocks.")
    return filled(built(lambda: PyramidEncoder(config), source), tensors, source)


def load_alignment(name_or_path: str | Path) -> FeatureAlignment:
    """Load a feature alignment; otherwise like `load_encoder`."""
    card, tensors = read_weights(find_weights(name_or_path))
    if card.model != "goae-afa":
        raise CheckpointError(f"{name_or_path} holds {card.model}, not GOAE's feature alignment.")
    if not card.config.keys() <= CONVERTED_ALIGNMENT:
        _check_whole(AlignmentConfig, card.config, name_or_path)
    config = read_config(AlignmentConfig, card.config, name_or_path)
    return filled(built(lambda: FeatureAlignment(config), name_or_path), tensors, name_or_path)


def check_fit(generator: TriPlaneGenerator, *parts: Encoder | FeatureAlignment) -> None:
    """Raise CheckpointError if an encoder or alignment does not fit a generator, or was trained for
    another: an encoder for another mapping, an alignment for other weights."""
    for part in parts:
        if isinstance(part, Encoder):
            what, own = "encoder", w_fingerprint(generator)
            fits = part.config.num_ws == generator.num_ws
            fits &= part.config.w_dim == generator.config.w_dim
        else:
            what, own, config = "alignment", fingerprint(generator), generator.config
            size = part.config.size
            channels = min(config.channel_base // size, config.channel_max)
            fits = config.first_size <= size < config.plane_size
            fits &= part.config.features == channels
        if not fits or part.config.generator not in ("", own):
            raise CheckpointError(
                f"The {what} was not trained for this generator; give one that was."
            )


def save(
    network: Encoder | FeatureAlignment, out: Path, card: Card, *, storage: Storage = "float16",
    overwrite: bool = False,
) -> tuple[Path, ...]:  # fmt: skip
    """Write a network with its card; returns the paths. card: facts about the weights; its model
    and config are replaced by the network's. storage: see `weights`. Raises OutputError."""
    model = cast(ModelName, network.model_name)
    card = replace(card, model=model, config=asdict(network.config), sha256="")
    return write_weights(out, network.state_dict(), card, storage=storage, overwrite=overwrite)


def _encoder_config(
    values: dict[str, Any], tensors: dict[str, Tensor], source: str | Path
) -> EncoderConfig:
    """PAPER's sizes for published names, with windows from their tables; otherwise the card's."""
    if PUBLISHED in tensors:
        try:
            return replace(PAPER, pretrained_windows=pretrained_windows(tensors))
        except ValueError as error:
            raise CheckpointError(f"{source} is not GOAE's encoder: {error}.") from error
    _check_whole(EncoderConfig, values, source)
    config = read_config(EncoderConfig, values, source)
    if sum(config.depths) > MAX_BLOCKS:
        raise CheckpointError(f"{source} asks for more than {MAX_BLOCKS} blocks.")
    return config


def _check_whole(
    kind: type[EncoderConfig | AlignmentConfig], values: dict[str, Any], source: str | Path
) -> None:
    """Raise CheckpointError for a card with missing fields: weights trained before a field existed
    need not agree with its default."""
    for field in fields(kind):
        if field.name not in values:
            raise CheckpointError(
                f"{source} has a card without {field.name}; it was trained with an older version:"
                " train it again, or write into the card what it was trained with."
            )
