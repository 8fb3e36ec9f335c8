"""The published encoder's tensors under the names of transformers' SwinV2.

All else is named alike. Its tables of positions and masks follow from the sizes; they are not kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

PUBLISHED = "swin_model.patch_embed.proj.weight"
"""A tensor that only the published naming has."""

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
    """Published names → those of `GoaeEncoder`. The joint projection is split into its three.

    Unknown names come out as they are, so that strict loading refuses them.
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


def _swapped(name: str, starts: Mapping[str, str]) -> str:
    for old, new in starts.items():
        if name.startswith(old):
            return new + name[len(old) :]
    return name
