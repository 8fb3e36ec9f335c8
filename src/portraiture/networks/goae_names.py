"""The published encoder's tensors under the names of transformers' SwinV2.

All other names are the same. Its tables of positions and masks are derived from the sizes and
dropped; the tables also show which windows normalise the position bias (`pretrained_windows`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

PUBLISHED = "swin_model.patch_embed.proj.weight"
"""A tensor that only published checkpoints have."""

STAGES = 4
_TABLE = re.compile(r"swin_model\.layers\.([0-3])\.blocks\.\d+\.attn\.relative_coords_table")
_DERIVED = re.compile(r".*\.(relative_coords_table|relative_position_index|attn_mask)")
_BLOCK = re.compile(r"swin_model\.layers\.(\d+)\.blocks\.(\d+)\.(.+)")
_OUTSIDE = {
    "swin_model.patch_embed.proj.": "swin_model.embeddings.patch_embeddings.projection.",
    "swin_model.patch_embed.norm.": "swin_model.embeddings.norm.",
    "swin_model.norm.": "swin_model.layernorm.",
    "swin_model.layers.": "swin_model.encoder.layers.",
}
_INSIDE = {
    "norm1.": "layernorm_before.",
    "norm2.": "layernorm_after.",
    "attn.logit_scale": "attention.self.logit_scale",
    "attn.q_bias": "attention.self.query.bias",
    "attn.v_bias": "attention.self.value.bias",
    "attn.cpb_mlp.": "attention.self.continuous_position_bias_mlp.",
    "attn.proj.": "attention.output.dense.",
    "mlp.fc1.": "intermediate.dense.",
    "mlp.fc2.": "output.dense.",
}
_QKV = "attn.qkv.weight"
_PARTS = ("query", "key", "value")


def from_published(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Published names → those of `GoaeEncoder`. The joint projection is split into three.

    Unknown names are kept, so that strict loading refuses them.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if _DERIVED.fullmatch(name):
            continue
        inside = _BLOCK.fullmatch(name)
        if inside is None:
            found[_swapped(name, _OUTSIDE)] = tensor
            continue
        stage, block, rest = inside.groups()
        prefix = f"swin_model.encoder.layers.{stage}.blocks.{block}."
        if rest == _QKV:
            for part, piece in zip(_PARTS, tensor.chunk(3), strict=True):
                found[f"{prefix}attention.self.{part}.weight"] = piece.contiguous()
        else:
            found[prefix + _swapped(rest, _INSIDE)] = tensor
    return found


def pretrained_windows(tensors: Mapping[str, Tensor]) -> tuple[int, int, int, int]:
    """The window of each stage that normalises its position bias, from the published tables of
    relative coordinates.

    Raises ValueError for a stage without a table or with an unknown one.
    """
    found: dict[int, int] = {}
    for name, table in tensors.items():
        if (inside := _TABLE.fullmatch(name)) is None:
            continue
        stage, window = int(inside.group(1)), (table.shape[1] + 1) // 2
        reach = 2.0 ** (3.0 * float(table.max())) - 1.0
        pretrained = 1 + round(8 * (window - 1) / reach) if reach > 0.0 else 0
        if pretrained < 2 or found.setdefault(stage, pretrained) != pretrained:
            raise ValueError(f"{name} is not a table of known coordinates")
        if not torch.allclose(table, relative_coordinates(window, pretrained), atol=1e-5):
            raise ValueError(f"{name} is not a table of known coordinates")
    if len(found) != STAGES:
        raise ValueError("a stage lacks its table of relative coordinates")
    return found[0], found[1], found[2], found[3]


def relative_coordinates(window: int, pretrained: int) -> Float[Tensor, "1 S S 2"]:
    """Log-spaced coordinates of two tokens of a window, (row, column), S = 2·window - 1 (Liu et al.
    2022, section 3.3; the program scales by 8 over the pre-training window and by 1/3)."""
    apart = torch.arange(1 - window, window, dtype=torch.float32) * (8.0 / (pretrained - 1))
    spaced = apart.sign() * (apart.abs() + 1.0).log2() / 3.0
    return torch.stack(torch.meshgrid(spaced, spaced, indexing="ij"), -1)[None]


def _swapped(name: str, starts: Mapping[str, str]) -> str:
    for old, new in starts.items():
        if name.startswith(old):
            return new + name[len(old) :]
    return name
