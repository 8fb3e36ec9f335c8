"""GOAE's .pt files → its encoder and its adaptive feature alignment, names kept.

Published are plain tables of tensors (METHODS section 1): a SwinV2 encoder with 545 tensors, and
an alignment network with 174.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portraiture.convert.account import Converted, account, left_out, tensors_in
from portraiture.convert.layouts import layout


def is_goae(root: Mapping[Any, Any]) -> bool:
    table = _table(root)
    return "swin_model.patch_embed.proj.weight" in table or "input_layer.0.weight" in table


def from_goae(root: Mapping[Any, Any]) -> Converted:
    """Either network; which of them, the names tell."""
    source = tensors_in(_table(root))
    dropped = left_out(root, {"state_dict"}) if _table(root) is not root else ()
    if "swin_model.patch_embed.proj.weight" in source:
        expected = layout("goae_encoder")
        config: dict[str, Any] = {
            "image_size": 256, "embed_dim": 128, "depths": [2, 2, 18, 2], "window": 16,
            "w_dim": 512, "num_ws": 14,
        }  # fmt: skip
    else:
        expected = layout("goae_afa")
        config = {"features": 512, "size": 32}
    tensors, _ = account(source, {name: name for name in expected}, expected)
    model = "goae-encoder" if "embed_dim" in config else "goae-afa"
    return Converted(model, config, tensors, 0, dropped)


def _table(root: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """The table of tensors, which some programs wrap together with their options."""
    inner = root.get("state_dict")
    return inner if isinstance(inner, dict) else root
