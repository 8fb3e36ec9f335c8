"""GOAE's .pt files → its encoder and its adaptive feature alignment, names kept.

The published files are plain state dicts: a SwinV2 encoder with 545 tensors, and
an alignment network with 174.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from portraiture.convert.account import Converted, ModelName, account, left_out, tensors_in
from portraiture.convert.layouts import layout
from portraiture.networks.goae_alignment import AlignmentConfig
from portraiture.networks.goae_encoder import PAPER


def is_goae(root: Mapping[Any, Any]) -> bool:
    table = _table(root)
    return "swin_model.patch_embed.proj.weight" in table or "input_layer.0.weight" in table


def from_goae(root: Mapping[Any, Any]) -> Converted:
    """Either network; which of them, the names tell. Their configs are the published programs'; the
    encoder's tables of coordinates are kept, which tell its windows of pre-training
    (`goae_names.pretrained_windows`)."""
    source = tensors_in(_table(root))
    dropped = left_out(root, {"state_dict"}) if _table(root) is not root else ()
    model: ModelName
    if "swin_model.patch_embed.proj.weight" in source:
        expected = layout("goae_encoder")
        model, config = "goae-encoder", asdict(PAPER)
    else:
        expected = layout("goae_afa")
        model, config = "goae-afa", asdict(AlignmentConfig())
    tensors, _ = account(source, {name: name for name in expected}, expected)
    return Converted(model, config, tensors, 0, dropped)


def _table(root: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """The table of tensors, which some programs wrap together with their options."""
    inner = root.get("state_dict")
    return inner if isinstance(inner, dict) else root
