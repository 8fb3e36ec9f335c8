"""Edits of an avatar as the page sends them: values by name.

"hair_melanin": 0.4, "shape:nose_scale_vert": 0.7, "detail:detail_03": 0.2, "hair_style": "bob",
"style": "pixar", "expression": {"jawOpen": 0.3}, "photo_skin": false
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import UInt8
from numpy import ndarray

from portraiture.avatar import Avatar
from portraiture.engine.actions import ACTIONS
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.skin.retone import TONE, toned
from portraiture.errors import AvatarError
from portraiture.recent import Recent

TABLES = ("shape", "detail")
MAX_CHANGES = 400


@dataclass(frozen=True)
class PhotoSkin:
    """The skin of a photo, and the parameters that it was taken with."""

    albedo: UInt8[ndarray, "s s 3"]
    parameters: AvatarParameters


class Editor:
    """Applies edits to avatars. skin: that of the photo, where there is one."""

    def __init__(self, skin: PhotoSkin | None) -> None:
        self.skin = skin
        self._toned: Recent[tuple[float, ...], ndarray] = Recent(4)

    def changed(self, avatar: Avatar, changes: Mapping[str, Any]) -> Avatar:
        """The avatar with other values, its skin not yet `toned`. Raises AvatarError on unknown
        names and impossible values."""
        if len(changes) > MAX_CHANGES:
            raise AvatarError(f"At most {MAX_CHANGES} values can be changed at once.")
        values = avatar.parameters.to_dict()
        other: dict[str, Any] = {}
        photo_skin = avatar.albedo is not None
        for name, value in changes.items():
            table, colon, entry = name.partition(":")
            if name == "style":
                other["style"] = value
            elif name == "expression":
                other["expression"] = checked_expression(value)
            elif name == "photo_skin":
                photo_skin = bool(value)
            elif colon and table in TABLES:
                values[table] = {**values[table], entry: value}
            else:
                values[name] = value
        parameters = AvatarParameters.from_dict(values)
        other["albedo"] = self.skin.albedo if photo_skin and self.skin is not None else None
        return replace(avatar, parameters=parameters, **other)

    def toned(self, avatar: Avatar) -> Avatar:
        """The avatar with the photo's skin in its tone: what edits make shares the one skin, so
        that a history of them is small."""
        skin, parameters = self.skin, avatar.parameters
        if skin is None or avatar.albedo is None:
            return avatar
        key = tuple(getattr(parameters, name) for name in TONE)
        albedo = self._toned.get(key, lambda: toned(skin.albedo, skin.parameters, parameters))
        return avatar if albedo is avatar.albedo else replace(avatar, albedo=albedo)


def checked_expression(value: Any) -> dict[str, float]:
    """ARKit weights above 0. Raises AvatarError."""
    if not isinstance(value, Mapping):
        raise AvatarError("An expression is a table of weights.")
    for name, weight in value.items():
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if name not in ACTIONS or not number or not 0.0 <= weight <= 1.0:
            raise AvatarError(f"The expression {str(name)[:40]!r} must be a number from 0 to 1.")
    return {name: float(weight) for name, weight in value.items() if weight > 0}
