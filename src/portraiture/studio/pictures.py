"""Small pictures of what can be chosen: hair styles, brows, beards, glasses, hats and clothes.

Each is rendered the first time that it is asked for and kept in the user's cache folder.
"""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import replace
from threading import Lock
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from portraiture.cache import cache_path
from portraiture.camera import orbit
from portraiture.engine.build import build_bust
from portraiture.engine.memo import Memo
from portraiture.engine.parameters import DISCRETE, AvatarParameters
from portraiture.engine.style.recipes import STYLES, style_shading
from portraiture.errors import AvatarError, OutputError
from portraiture.export.video import over
from portraiture.media import atomic_path
from portraiture.recent import Recent
from portraiture.render.framing import FOCAL, portrait_camera
from portraiture.render.light import studio_light
from portraiture.render.mesh import render_rgba
from portraiture.types import Bust, Camera
from portraiture.version import __version__

SIZE = 160
BACKDROP = (226, 222, 217)
QUALITY = 82
YAW = 0.25
"""Radians; of hair twice as much."""
PERSON = AvatarParameters(
    sex=0.5, skin_melanin=0.3, hair_melanin=0.6, hair_style="crop", neckline="bare",
    skin_pores=0.2, skin_wrinkles=0.05,
)  # fmt: skip
CLOSE = {
    "hair_style": (-0.005, 0.36), "brow_style": (0.012, 0.10), "beard_style": (-0.06, 0.16),
    "glasses_style": (0.0, 0.19),
}  # fmt: skip
"""Height above the eyes of the middle of close pictures, and their own height, metres."""

_lock = Lock()
_memo = Memo()
_pictures: Recent[tuple[str, str], bytes] = Recent(256)


def picture(kind: str, choice: str) -> bytes:
    """A JPEG of a choice. kind: a discrete parameter or "style". Raises AvatarError."""
    choices = STYLES if kind == "style" else DISCRETE.get(kind, ())
    if choice not in choices:
        raise AvatarError(f"There is no {kind[:20]!r} called {choice[:20]!r}.")
    return _pictures.get((kind, choice), lambda: _kept(kind, choice))


def _kept(kind: str, choice: str) -> bytes:
    """From the cache folder, or rendered and put there where it can be written."""
    try:
        path = cache_path("studio", f"{__version__}-{SIZE}-{kind}-{choice}.jpg")
    except OutputError:
        return _jpeg(_rendered(kind, choice))
    with _lock:
        if path.is_file():
            return path.read_bytes()
        data = _jpeg(_rendered(kind, choice))
        with suppress(OutputError, OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as partial:
                partial.write_bytes(data)
        return data


def _rendered(kind: str, choice: str) -> UInt8[ndarray, "s s 3"]:
    style: Any = choice if kind == "style" else "natural"
    person = PERSON if kind == "style" else replace(PERSON, **{kind: choice, **_with(kind)})
    bust = build_bust(person, style=style, texture_size=512, run=_memo.call)
    rgba = render_rgba(
        bust, _camera(bust, kind), size=SIZE, light=studio_light(), shading=style_shading(style)
    )
    wall = np.broadcast_to(np.array(BACKDROP, np.uint8), (SIZE, SIZE, 3))
    return over(rgba, np.ascontiguousarray(wall))


def _with(kind: str) -> dict[str, Any]:
    """What shows a choice well."""
    match kind:
        case "hair_style":
            return {"neckline": "crew"}
        case "beard_style":
            return {"sex": 0.0, "hair_style": "short"}
        case "brow_style":
            return {"brow_darkness": 0.9}
        case "hat_style":
            return {"hair_style": "short"}
        case _:
            return {}


def _camera(bust: Bust, kind: str) -> Camera:
    if kind not in CLOSE:
        return portrait_camera(bust, yaw=YAW)
    heads = dict(zip(bust.skeleton.names, bust.skeleton.heads, strict=True))
    above, height = CLOSE[kind]
    centre = 0.5 * (heads["leftEye"] + heads["rightEye"]) + np.array([0.0, above, 0.0])
    yaw = 2.0 * YAW if kind == "hair_style" else YAW
    return orbit(yaw, 0.0, target=centre.astype(np.float64), distance=FOCAL * height, focal=FOCAL)


def _jpeg(image: ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
