"""Portraiture: one photo or seed in, an editable 3D portrait out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portraiture.cache import keep_kernels
from portraiture.version import __version__

keep_kernels()
__all__ = [
    "Avatar",
    "AvatarParameters",
    "Bust",
    "Camera",
    "Photo",
    "PortraitureError",
    "__version__",
    "convert_file",
    "create",
    "load_generator",
    "load_image_generator",
    "save_generator",
]

if TYPE_CHECKING:
    from portraiture.avatar import Avatar
    from portraiture.checkpoints import load_generator, load_image_generator, save_generator
    from portraiture.convert.run import convert_file
    from portraiture.create.run import create
    from portraiture.engine.parameters import AvatarParameters
    from portraiture.errors import PortraitureError
    from portraiture.types import Bust, Camera, Photo

_HOMES = {
    "Avatar": "portraiture.avatar",
    "AvatarParameters": "portraiture.engine.parameters",
    "Bust": "portraiture.types",
    "Camera": "portraiture.types",
    "Photo": "portraiture.types",
    "PortraitureError": "portraiture.errors",
    "convert_file": "portraiture.convert.run",
    "create": "portraiture.create.run",
    "load_generator": "portraiture.checkpoints",
    "load_image_generator": "portraiture.checkpoints",
    "save_generator": "portraiture.checkpoints",
}


def __getattr__(name: str) -> object:
    """Import a public name's module when it is first asked for, so that importing stays cheap."""
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module 'portraiture' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
