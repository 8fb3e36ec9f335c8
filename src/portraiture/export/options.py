"""What may be asked of a GLB: triangles, textures, morph targets, pose, compression."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, get_args

from portraiture.errors import ExportError
from portraiture.export.arkit import ARKIT_NAMES
from portraiture.export.visemes import MIXTURES, VISEME_NAMES

Lod = Literal[0, 1, 2]
TextureSide = Literal[256, 512, 1024, 2048]
TextureFormat = Literal["png", "jpeg", "webp"]
Channel = Literal["baseColor", "normal", "metallicRoughness", "emissive", "occlusion"]
Pose = Literal["rest", "A", "T"]

ALL_CHANNELS: frozenset[Channel] = frozenset(get_args(Channel))
MORPH_NAMES = (*ARKIT_NAMES, *MIXTURES)
"""Every morph target that a file may have."""

_GROUPS: dict[str, tuple[str, ...]] = {
    "arkit": ARKIT_NAMES,
    "oculus visemes": VISEME_NAMES,
    "none": (),
}


@dataclass(frozen=True)
class GlbOptions:
    """How a bust is written as GLB; the defaults leave it as it was built.

    Raises ExportError for values that do not exist.
    """

    lod: Lod = 0
    """Level of detail: 0 as built (about 60,000 triangles), 1 about 15,000, 2 about 5,000; every
    level keeps the morph targets."""
    texture_size: TextureSide | None = None
    """Longest side of any texture in pixels; larger ones are reduced."""
    texture_format: TextureFormat | None = None
    """None: JPEG, PNG where there is alpha or a small image. webp needs EXT_texture_webp. Textures
    with alpha never become JPEG."""
    texture_atlas: TextureSide | None = None
    """Pack the textures of all opaque parts into one atlas of this side and merge those parts into
    one mesh where their materials allow it."""
    texture_channels: frozenset[Channel] = ALL_CHANNELS
    """Kinds of texture to write; emissive and occlusion are accepted, but avatars have none."""
    morphs: tuple[str, ...] | None = None
    """Names of the morph targets to keep, of `MORPH_NAMES`; None: the 52 of ARKit."""
    pose: Pose = "rest"
    """Rest pose of arms and shoulders: as built (arms down), A (45° down) or T (level)."""
    meshopt: bool = False
    """Quantise (KHR_mesh_quantization) and compress (EXT_meshopt_compression) the geometry."""

    def __post_init__(self) -> None:
        _choice("LOD", self.lod, get_args(Lod))
        _choice("texture size", self.texture_size, (None, *get_args(TextureSide)))
        _choice("texture format", self.texture_format, (None, *get_args(TextureFormat)))
        _choice("texture atlas", self.texture_atlas, (None, *get_args(TextureSide)))
        _choice("pose", self.pose, get_args(Pose))
        for channel in self.texture_channels:
            _choice("texture channel", channel, get_args(Channel))
        for name in self.morphs or ():
            _check_morph(name)
        if self.morphs is not None and len(set(self.morphs)) < len(self.morphs):
            raise ExportError("A morph target is named twice; name each once.")

    def morph_names(self) -> tuple[str, ...]:
        """The morph targets of a file, in order."""
        return ARKIT_NAMES if self.morphs is None else self.morphs


def parse_morphs(text: str) -> tuple[str, ...]:
    """The morph targets that `text` asks for, each once, in its order.

    text: "ARKit", "Oculus Visemes" or names of `MORPH_NAMES`, separated by commas; or "none". The
    groups may be written in any case. Raises ExportError.
    """
    words = [word.strip() for word in text.split(",")]
    if len(words) > 1 and any(word.lower() == "none" for word in words):
        raise ExportError('Morph targets are either "none" or names; leave out one of them.')
    names: list[str] = []
    for word in words:
        group = _GROUPS.get(" ".join(word.lower().split()))
        if group is None:
            _check_morph(word)
        names += (word,) if group is None else group
    return tuple(dict.fromkeys(names))


def _check_morph(name: str) -> None:
    """Raise ExportError for a name that no morph target has, with the nearest one."""
    if name in MORPH_NAMES:
        return
    lower = {known.lower(): known for known in MORPH_NAMES}
    near = get_close_matches(name.lower(), lower, n=1)
    hint = f"did you mean {lower[near[0]]}?" if near else 'try "ARKit" or "Oculus Visemes".'
    raise ExportError(f"There is no morph target {name[:40]!r}; {hint}")


def _choice(what: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise ExportError unless `value` is one of `choices`, type included: True is no 1."""
    if not any(value == choice and type(value) is type(choice) for choice in choices):
        known = ", ".join(str(choice) for choice in choices if choice is not None)
        raise ExportError(f"There is no {what} {value!r}; choose one of {known}.")


AS_BUILT = GlbOptions()
