"""``report.html``: photo, fit, renders, a 3D view, quality and provenance in one offline file."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy import ndarray
from PIL import Image

from portraiture.export.expressions import VRM_PRESETS
from portraiture.media import atomic_path
from portraiture.types import Quality, as_uint8

IMAGE_SIDE = 900
"""Images are scaled down to this height, and to this width or, wide ones, to twice of it."""

WIDE = 1.6
"""Images of at least this width for their height get a row of their own."""

MAX_COLUMNS = 5

_SCRIPTS = ("glb.js", "shaders.js", "matrices.js", "viewer.js", "report.js")
_MOODS = ("happy", "surprised", "sad", "angry", "relaxed", "aa", "oh", "blink")
_MOOD_TITLES = {"aa": "“Ah”", "oh": "“Oh”"}
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


def write_report(
    path: Path | str,
    *,
    photo_image: ndarray | None,
    overlay: ndarray | None,
    renders: Mapping[str, ndarray],
    glb_bytes: bytes,
    quality: Quality | None,
    stages: Sequence[tuple[str, float]],
    provenance: Mapping[str, object],
    title: str = "Portrait",
    what: str = "A game-ready avatar",
    fit: str = "The fit over it",
) -> None:
    """Write the report, whole or not at all. Nothing in it is loaded from a network.

    photo_image, overlay: (H, W, 3) images of the photo and of the fitted landmarks on it, or
    None for an avatar without a photo. renders: caption to (H, W, 3 or 4) image; images are
    uint8 or float in [0, 1]. glb_bytes: what `write_glb` wrote. stages: name and seconds, in
    order. what: was made. fit: caption of `overlay`. Raises OutputError.
    """
    images: dict[str, ndarray] = {}
    if photo_image is not None:
        images["The photo"] = photo_image
    if overlay is not None:
        images[fit] = overlay
    images.update(renders)
    facts = [_quality_section(quality), _stage_section(stages), _provenance_section(provenance)]
    values = {
        "title": escape(title),
        "subtitle": escape(_subtitle(what, quality, stages)),
        "style": _asset("report.css"),
        "pictures": _image_section(images),
        "facts": "\n".join(filter(None, facts)),
        "glb": base64.b64encode(glb_bytes).decode("ascii"),
        "moods": _inline_json(
            [[_MOOD_TITLES.get(name, name.title()), VRM_PRESETS[name]] for name in _MOODS]
        ),
        "scripts": "\n".join(f"<script>{_asset(name)}</script>" for name in _SCRIPTS),
    }
    page = _PLACEHOLDER.sub(lambda match: values[match[1]], _asset("report.html"))
    with atomic_path(path) as partial:
        partial.write_text(page, encoding="utf-8")


def _asset(name: str) -> str:
    return (files("portraiture") / "assets" / "report" / name).read_text(encoding="utf-8")


def _inline_json(value: object) -> str:
    """JSON that cannot end its script element."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def _subtitle(what: str, quality: Quality | None, stages: Sequence[tuple[str, float]]) -> str:
    source = what if quality is None else f"{what} from one photo"
    if not stages:
        return source
    return f"{source}, made in {_seconds(sum(seconds for _, seconds in stages))}"


def _image_section(images: Mapping[str, ndarray]) -> str:
    if not images:
        return ""
    wide = {k: image for k, image in images.items() if _is_wide(image)}
    small = {k: image for k, image in images.items() if k not in wide}
    rows = max(math.ceil(len(small) / MAX_COLUMNS), 1)
    columns = max(math.ceil(len(small) / rows), 1)
    figures = [
        f"<figure{' class=wide' if caption in wide else ''}>"
        f'<img src="{_data_url(image)}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for caption, image in (small | wide).items()
    ]
    return f'<section class="pictures" style="--columns:{columns}">{"".join(figures)}</section>'


def _is_wide(image: ndarray) -> bool:
    return image.shape[1] >= WIDE * image.shape[0]


def _data_url(image: ndarray) -> str:
    """JPEG, or WebP where there is transparency, scaled down to `IMAGE_SIDE`."""
    pixels = np.ascontiguousarray(as_uint8(np.asarray(image)))
    if pixels.ndim == 3 and pixels.shape[2] == 4 and (pixels[..., 3] == 255).all():
        pixels = np.ascontiguousarray(pixels[..., :3])
    picture = Image.fromarray(pixels)
    width = IMAGE_SIDE * (2 if _is_wide(pixels) else 1)
    picture.thumbnail((width, IMAGE_SIDE), Image.Resampling.LANCZOS)
    kind = "webp" if picture.mode == "RGBA" else "jpeg"
    out = io.BytesIO()
    picture.save(out, kind.upper(), quality=88)
    return f"data:image/{kind};base64,{base64.b64encode(out.getvalue()).decode('ascii')}"


def _quality_section(quality: Quality | None) -> str:
    if quality is None:
        return ""
    rows = {
        "Face": f"{quality.face_px:.0f} px",
        "Sharpness": f"{quality.sharpness:.0f}",
        "Exposure": f"{100 * quality.exposure:.0f} %",
        "Turned": _turn(quality.yaw, "to the person’s left", "to the person’s right"),
        "Pitch": f"{np.degrees(quality.pitch):+.0f}°",
        "Roll": f"{np.degrees(quality.roll):+.0f}°",
        "Covered": f"{100 * quality.occlusion:.0f} %",
        "Glasses": f"{100 * quality.glasses:.0f} % likely",
    }
    notes = "".join(f"<li>{escape(note)}</li>" for note in quality.notes)
    listed = f'<ul class="notes">{notes}</ul>' if notes else ""
    return f"<section><h2>The photo’s quality</h2>{_table(rows)}{listed}</section>"


def _turn(yaw: float, left: str, right: str) -> str:
    degrees = abs(np.degrees(yaw))
    if degrees < 0.5:
        return "facing the camera"
    return f"{degrees:.0f}° {left if yaw > 0 else right}"


def _stage_section(stages: Sequence[tuple[str, float]]) -> str:
    if not stages:
        return ""
    longest = max(max(seconds for _, seconds in stages), 1e-9)
    rows = "".join(
        f"<tr><th>{escape(name)}</th>"
        f'<td><i style="width:{100 * seconds / longest:.1f}%"></i></td>'
        f"<td>{_seconds(seconds)}</td></tr>"
        for name, seconds in stages
    )
    total = _seconds(sum(seconds for _, seconds in stages))
    return (
        f'<section><h2>Where the time went</h2><table class="stages">{rows}'
        f"<tr><th>Together</th><td></td><td>{total}</td></tr></table></section>"
    )


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value < 1 else f"{value:.1f} s"


def _provenance_section(provenance: Mapping[str, object]) -> str:
    if not provenance:
        return ""
    rows = {name.replace("_", " ").capitalize(): str(value) for name, value in provenance.items()}
    return f"<section><h2>Where it comes from</h2>{_table(rows)}</section>"


def _table(rows: Mapping[str, str]) -> str:
    lines = (f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows.items())
    return f"<table>{''.join(lines)}</table>"
