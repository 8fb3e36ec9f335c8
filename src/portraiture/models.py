"""Networks on one device, loaded once, shared by all who ask, and handed in by whoever starts work.

Models("cuda").generator("heads") ─the first time─▶ read, checked, moved ─▶ the same ever after
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from portraiture.checkpoints import (
    find_weights,
    fingerprint,
    load_generator,
    load_image_generator,
)
from portraiture.errors import DeviceError
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.faces2d import FacesGenerator
from portraiture.perception.identity import IdentityNetwork
from portraiture.perception.parser import ParserNetwork
from portraiture.perception.portrait_parser import PortraitParser
from portraiture.perception.weights import load_identity, load_parser, load_portrait_parser
from portraiture.types import DeviceName
from portraiture.weights import WEIGHTS

Network = TypeVar("Network", bound=nn.Module)
KEPT = 12
"""Networks that one `Models` keeps; beyond that the one that was asked for least recently goes."""


class Models:
    """Networks by name or path, in evaluation mode, float32, on `device`. Safe to share between
    threads."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self._kept: OrderedDict[tuple[Any, ...], nn.Module] = OrderedDict()
        self._fingerprints: dict[tuple[Any, ...], str] = {}
        self._lock = threading.RLock()

    def load(self, load: Callable[[str | Path], Network], name: str | Path) -> Network:
        """What `load` (a function such as `load_generator`) reads under this name, moved to the
        device; read again only where the file has changed. Raises CheckpointError or
        ConversionError, one sentence."""
        key = (load, *_stamp(name))
        with self._lock:
            if key not in self._kept:
                self._kept[key] = load(name).to(self.device)
                if len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]  # type: ignore[return-value]

    def generator(self, name: str | Path = "heads") -> TriPlaneGenerator:
        """A tri-plane generator; see `checkpoints.load_generator`."""
        return self.load(load_generator, name)

    def image_generator(self, name: str | Path = "faces2d") -> FacesGenerator:
        """A StyleGAN2; see `checkpoints.load_image_generator`."""
        return self.load(load_image_generator, name)

    def parser(self) -> ParserNetwork:
        """The shipped face parser, whose features the perceptual distance compares."""
        return self.load(load_parser, "parser")

    def portrait_parser(self) -> PortraitParser:
        """The shipped portrait parser."""
        return self.load(load_portrait_parser, "portrait-parser")

    def identity(self) -> IdentityNetwork:
        """The shipped identity network."""
        return self.load(load_identity, "identity-synthetic")

    def fingerprint(self, name: str | Path) -> str:
        """Which weights a generator's name stands for; see `checkpoints.fingerprint`."""
        key = _stamp(name)
        with self._lock:
            if key not in self._fingerprints:
                self._fingerprints[key] = fingerprint(self.generator(name))
            return self._fingerprints[key]


@cache
def default_models() -> Models:
    """What is used where no `Models` is handed in: this process's own, on the CPU."""
    return Models()


def choose_device(name: DeviceName) -> torch.device:
    """The device of `--device`; "auto" is an accelerator where there is one. Raises DeviceError
    where there is none of that name."""
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        return torch.device("cuda" if there["cuda"] else "cpu")
    if not there[name]:
        raise DeviceError(
            f"This computer has no {name} device that torch can use; try --device cpu."
        )
    return torch.device(name)


def _stamp(name: str | Path) -> tuple[str, int, int]:
    """Which file a name stands for, and in which state it is."""
    path = find_weights(name)
    weights = path / WEIGHTS if path.is_dir() else path
    if not weights.is_file():
        return str(path), 0, 0
    about = weights.stat()
    return str(weights.resolve()), about.st_mtime_ns, about.st_size
