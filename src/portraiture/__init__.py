"""Portraiture: one photo or seed in, an editable 3D portrait out.

The verbs `create`, `invert`, `edit` and `restyle` are functions and have folders of the same names:
here they are the functions, whatever was imported before. `from portraiture.invert.run import …`
and `from portraiture.invert import run` reach into the folders; `import portraiture.invert.run as
run` cannot.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

from portraiture.cache import keep_kernels
from portraiture.version import __version__

keep_kernels()
__all__ = [
    "Avatar",
    "AvatarParameters",
    "Bust",
    "Camera",
    "Head",
    "Models",
    "Photo",
    "PortraitureError",
    "__version__",
    "convert_file",
    "create",
    "distil_avatar",
    "edit",
    "invert",
    "load_generator",
    "load_image_generator",
    "restyle",
    "sample",
    "save_generator",
]

if TYPE_CHECKING:
    from portraiture.avatar import Avatar
    from portraiture.checkpoints import load_generator, load_image_generator, save_generator
    from portraiture.convert.run import convert_file
    from portraiture.create.run import create
    from portraiture.edit.run import edit
    from portraiture.engine.parameters import AvatarParameters
    from portraiture.errors import PortraitureError
    from portraiture.generate.run import sample
    from portraiture.head import Head
    from portraiture.invert.distil.avatar import distil_avatar
    from portraiture.invert.run import invert
    from portraiture.models import Models
    from portraiture.restyle.run import restyle
    from portraiture.types import Bust, Camera, Photo

_HOMES = {
    "Avatar": "portraiture.avatar",
    "AvatarParameters": "portraiture.engine.parameters",
    "Bust": "portraiture.types",
    "Camera": "portraiture.types",
    "Head": "portraiture.head",
    "Models": "portraiture.models",
    "Photo": "portraiture.types",
    "PortraitureError": "portraiture.errors",
    "convert_file": "portraiture.convert.run",
    "create": "portraiture.create.run",
    "distil_avatar": "portraiture.invert.distil.avatar",
    "edit": "portraiture.edit.run",
    "invert": "portraiture.invert.run",
    "load_generator": "portraiture.checkpoints",
    "load_image_generator": "portraiture.checkpoints",
    "restyle": "portraiture.restyle.run",
    "sample": "portraiture.generate.run",
    "save_generator": "portraiture.checkpoints",
}


class _Package(ModuleType):
    """This package: importing one of its folders does not hide the function of that name."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> object:
    """Import a public name's module when it is first asked for, so that importing stays cheap."""
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module 'portraiture' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
