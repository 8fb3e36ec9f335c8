"""LiftedGAN's .pth → its five networks under one prefix (Shi et al. 2021).

The file holds a table of tensors for each network, and the state of the training. The StyleGAN2
that is lifted lies in a file of its own, rosinality's .pt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portraiture.convert.account import Converted, account, left_out, tensors_in
from portraiture.convert.layouts import layout

NETWORKS: dict[str, str] = {
    "netD.": "lift.depth.",
    "netT.": "lift.transformation.",
    "netSD.model_style.": "lift.style.",
    "netSD.model_light.": "lift.light.",
    "netSD.model_view.": "lift.view.",
    "netSC.embed_style.": "lift.manipulation.embed_style.",
    "netSC.embed_light.": "lift.manipulation.embed_light.",
    "netSC.embed_view.": "lift.manipulation.embed_view.",
    "netSC.model.": "lift.manipulation.model.",
}
"""LiftedGAN's prefixes → ours. The paper calls them D_S, D_T, D_L, D_V and M; netSD also has a
branch for the style."""
TABLES = ("netD", "netT", "netSD", "netSC")


def lifted_names() -> dict[str, str]:
    """LiftedGAN's names → ours."""
    names: dict[str, str] = {}
    for name in layout("liftedgan"):
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
    rename = lifted_names()
    expected = {rename[name]: shape for name, shape in layout("liftedgan").items()}
    tensors, dropped = account(source, rename, expected)
    config = {"image_size": 256, "w_dim": 512}
    return Converted(
        "liftedgan", config, tensors, len(rename), (*dropped, *left_out(root, set(TABLES)))
    )
