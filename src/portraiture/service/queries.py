"""What the address of a file asks for, in the names that users of hosted avatar services know.

/v1/avatars/ID.glb?lod=1&textureAtlas=1024&morphTargets=ARKit,Oculus Visemes ─▶ GlbOptions
/v1/avatars/ID.png?size=512&expression=happy&background=255,255,255          ─▶ Picture

Names that are not known are ignored, as web caches and old clients add their own; values that are
not known are refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import isfinite, radians
from typing import Any, Literal, TypeVar, get_args

from portraiture.export.expressions import VRM_PRESETS
from portraiture.export.options import Channel, GlbOptions, parse_morphs
from portraiture.service.problems import ProblemError

Choice = TypeVar("Choice")
Query = Mapping[str, str]

QUALITY: Mapping[str, GlbOptions] = {
    "low": GlbOptions(
        lod=2, texture_size=256, texture_atlas=256, texture_format="webp", morphs=(), meshopt=True
    ),
    "medium": GlbOptions(lod=1, texture_size=1024, texture_atlas=1024, meshopt=True),
    "high": GlbOptions(),
}
"""What `quality` stands for; names beside it override it."""

LOL = {**VRM_PRESETS["happy"], "jawOpen": 0.45, "eyeBlinkLeft": 0.4, "eyeBlinkRight": 0.4}
SCARED = {**VRM_PRESETS["surprised"], "mouthStretchLeft": 0.6, "mouthStretchRight": 0.6}
EXPRESSIONS: Mapping[str, Mapping[str, float]] = {
    "neutral": {},
    "happy": VRM_PRESETS["happy"],
    "lol": LOL,
    "sad": VRM_PRESETS["sad"],
    "scared": SCARED,
    "rage": VRM_PRESETS["angry"],
    "angry": VRM_PRESETS["angry"],
    "relaxed": VRM_PRESETS["relaxed"],
    "surprised": VRM_PRESETS["surprised"],
}
"""Of a picture, as ARKit weights; "own" beside them is the photo's."""
MAX_PICTURE, MAX_HEAD_PICTURE = 1024, 512
MAX_YAW, MAX_PITCH = 180.0, 45.0


@dataclass(frozen=True)
class Picture:
    """size: pixels of a square side. yaw, pitch: radians, of whole degrees; positive yaw shows the
    person's left.
    expression: a name of `EXPRESSIONS` or "own". background: sRGB in [0, 255]; None is
    transparent."""

    size: int = 768
    yaw: float = 0.0
    pitch: float = 0.0
    expression: str = "own"
    background: tuple[int, int, int] | None = None


def glb_options(query: Query) -> GlbOptions:
    """Of a .glb's address. Raises ProblemError 422 or ExportError, one sentence."""
    options = QUALITY[_choice(query, "quality", tuple(QUALITY), "high")]
    changes: dict[str, Any] = {}
    if "lod" in query or "meshLod" in query:
        name = "lod" if "lod" in query else "meshLod"
        changes["lod"] = _choice(query, name, (0, 1, 2), 0)
    if "textureSizeLimit" in query:
        changes["texture_size"] = _choice(query, "textureSizeLimit", (256, 512, 1024, 2048), 256)
    if "textureAtlas" in query:
        side = _choice(query, "textureAtlas", ("none", "256", "512", "1024", "2048"), "none")
        changes["texture_atlas"] = None if side == "none" else int(side)
    if "textureFormat" in query:
        changes["texture_format"] = _choice(query, "textureFormat", ("png", "jpeg", "webp"), "png")
    if "textureChannels" in query:
        changes["texture_channels"] = _channels(query["textureChannels"])
    if "morphTargets" in query:
        changes["morphs"] = parse_morphs(query["morphTargets"])
    if "pose" in query:
        changes["pose"] = _choice(query, "pose", ("rest", "A", "T"), "rest")
    if "useMeshOptCompression" in query:
        changes["meshopt"] = _flag(query, "useMeshOptCompression")
    return replace(options, **changes)


def picture(query: Query, *, largest: int = MAX_PICTURE) -> Picture:
    """Of a .png's address. Raises ProblemError 422."""
    if _choice(query, "camera", ("portrait", "fit", "fullbody"), "portrait") == "fullbody":
        raise ProblemError(422, "camera: avatars have no body below the chest yet; use portrait.")
    return Picture(
        size=round(_number(query, "size", min(768, largest), 16, largest)),
        yaw=radians(round(_number(query, "yaw", 0.0, -MAX_YAW, MAX_YAW))),
        pitch=radians(round(_number(query, "pitch", 0.0, -MAX_PITCH, MAX_PITCH))),
        expression=_choice(query, "expression", ("own", *EXPRESSIONS), "own"),
        background=_colour(query.get("background")),
    )


def key_of(options: GlbOptions | Picture) -> str:
    """A file name's stem that is the same for the same options: 32 hexadecimal digits."""
    plain = json.dumps(record_of(options), sort_keys=True)
    return hashlib.sha256(f"{type(options).__name__}{plain}".encode()).hexdigest()[:32]


def record_of(options: GlbOptions | Picture) -> dict[str, Any]:
    """Options as plain JSON values."""
    values = asdict(options)
    if isinstance(options, GlbOptions):
        values["texture_channels"] = sorted(options.texture_channels)
        values["morphs"] = None if options.morphs is None else list(options.morphs)
    else:
        values["background"] = options.background and list(options.background)
    return values


def glb_options_of(record: Mapping[str, Any]) -> GlbOptions:
    """The inverse of `record_of`."""
    values = dict(record)
    values["texture_channels"] = frozenset(values["texture_channels"])
    values["morphs"] = None if values["morphs"] is None else tuple(values["morphs"])
    return GlbOptions(**values)


def picture_of(record: Mapping[str, Any]) -> Picture:
    """The inverse of `record_of`."""
    values = dict(record)
    values["background"] = values["background"] and tuple(values["background"])
    return Picture(**values)


def _choice(query: Query, name: str, choices: tuple[Choice, ...], default: Choice) -> Choice:
    if name not in query:
        return default
    for choice in choices:
        if str(choice) == query[name]:
            return choice
    named = ", ".join(str(choice) for choice in choices)
    raise ProblemError(422, f"{name}: choose one of {named}.")


def _number(query: Query, name: str, default: float, low: float, high: float) -> float:
    try:
        value = float(query.get(name, default))
    except ValueError:
        value = float("nan")
    if not (isfinite(value) and low <= value <= high):
        raise ProblemError(422, f"{name}: give a number from {low:g} to {high:g}.")
    return value


def _flag(query: Query, name: str) -> bool:
    chosen: Literal["true", "false", "1", "0"] = _choice(
        query, name, ("true", "false", "1", "0"), "false"
    )
    return chosen in ("true", "1")


def _channels(text: str) -> frozenset[Channel]:
    names = {name.strip() for name in text.split(",") if name.strip()}
    if unknown := names - set(get_args(Channel)) - {"none"}:
        known = ", ".join(get_args(Channel))
        raise ProblemError(422, f"textureChannels: {min(unknown)} is none of {known}.")
    return frozenset(names - {"none"})  # type: ignore[arg-type]


def _colour(text: str | None) -> tuple[int, int, int] | None:
    """r,g,b in [0, 255]."""
    if text is None or text in ("", "transparent"):
        return None
    try:
        r, g, b = (int(part) for part in text.split(","))
    except ValueError:
        r = g = b = -1
    if not all(0 <= value <= 255 for value in (r, g, b)):
        raise ProblemError(
            422, "background: give red, green and blue from 0 to 255, as 255,255,255."
        )
    return r, g, b
