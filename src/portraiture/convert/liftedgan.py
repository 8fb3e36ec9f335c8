"""LiftedGAN's .pth → `lift.networks.LiftedNetworks` (Shi et al. 2021).

The file holds a table of tensors for each network, and the state of the training. The StyleGAN2
that is lifted lies in a file of its own, rosinality's .pt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portraiture.convert.account import Converted, account, left_out, tensors_in
from portraiture.convert.layouts import layout

NETWORKS: dict[str, str] = {
    "netD.": "depth.",
    "netT.": "transformation.",
    "netSD.model_light.": "light.",
    "netSD.model_view.": "view.",
    "netSC.embed_style.": "manipulation.embed_style.",
    "netSC.embed_light.": "manipulation.embed_light.",
    "netSC.embed_view.": "manipulation.embed_view.",
    "netSC.model.": "manipulation.model.",
}
"""LiftedGAN's prefixes → ours. The paper calls them D_S, D_T, D_L, D_V and M."""
UNUSED = "netSD.model_style."
"""A branch whose output the published program throws away."""
TABLES = ("netD", "netT", "netSD", "netSC")


def lifted_names() -> dict[str, str]:
    """LiftedGAN's names → ours, of what is used."""
    names: dict[str, str] = {}
    for name in layout("liftedgan"):
        if not name.startswith(UNUSED):
            prefix = next(p for p in NETWORKS if name.startswith(p))
            names[name] = NETWORKS[prefix] + name.removeprefix(prefix)
    return names


def from_liftedgan(root: Mapping[Any, Any]) -> Converted:
    """The file's tables of tensors, all of them or none."""
    source = {
        f"{table}.{name}": view
        for table in TABLES
        for name, view in tensors_in(root.get(table, {})).items()
    }
    unused = [name for name in layout("liftedgan") if name.startswith(UNUSED) and name in source]
    rename = lifted_names()
    expected = {
        rename[name]: shape for name, shape in layout("liftedgan").items() if name in rename
    }
    used = {name: view for name, view in source.items() if name not in unused}
    tensors, dropped = account(used, rename, expected)
    config = {"size": 256, "w_dim": 512, "features": 16, "width": 512, "hidden": 512}
    left = (*unused, *dropped, *left_out(root, set(TABLES)))
    return Converted("liftedgan", config, tensors, len(rename), left)
