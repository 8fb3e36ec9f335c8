"""Names and shapes of published networks that have no model here yet, or keep their names."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from typing import Literal

LayoutName = Literal["goae_encoder", "goae_afa", "liftedgan"]


@lru_cache(maxsize=3)
def layout(name: LayoutName) -> dict[str, tuple[int, ...]]:
    """Name → shape, in the published order."""
    text = (files("portraiture") / "assets" / "layouts" / f"{name}.json").read_text("utf-8")
    return {key: tuple(shape) for key, shape in json.loads(text).items()}
