"""A neural head: everything that shows it from any side again, in one small file.

    ws, F*, painted ─planes─┐
    photo ─▶ invert ─▶ Head ─┼─render(yaw, pitch)─▶ picture
                             ├─mesh─▶ TexturedMesh
                             └─save ⇄ load─▶ head.safetensors

Tensors are kept as float16, and a head in memory has what its file has, so that it loads to the
bit. Letters: N rows of w+, D w dimension, C channels and P side of a plane, M photos, K channels
and S side of a refined feature map F*.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from portraiture.camera import eg3d_orbit
from portraiture.checkpoints import find_weights, fingerprint, load_generator, shipped
from portraiture.errors import HeadError
from portraiture.media import atomic_path
from portraiture.meshing.bake_texture import TexturedMesh
from portraiture.meshing.head_mesh import MeshConfig, head_picture, mesh_head
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.people.glasses import GLASSES, Glasses, fit_glasses, put_on
from portraiture.types import as_uint8
from portraiture.weights import WEIGHTS

VERSION = 1
MAX_BYTES = 500_000_000
DIMENSIONS = {"ws": 3, "planes": 5, "features": 4, "visible": 5, "painted": 5}
MAX_PHOTOS = 16
"""That one head may be made of."""
EDITED = "edit_"
"""Prefix of facts that tell the amounts of edits; a head wears glasses from a half on."""
TUNED = "tuned."
"""Prefix of a tuned generator's tensors in the file."""


@dataclass(frozen=True)
class Head:
    """ws: w+. planes: what is rendered. features: F* of each photo, where the method refines
    features. visible: how far each texel of the three planes shows what a photo saw, in [0, 1],
    where it is mixed by that. painted: what was painted on the planes, which have it already.
    camera: EG3D's numbers of the first photo's. generator: name or path of the weights.
    fingerprint: of these weights (`fingerprint`). tuned: the generator's own tensors that were
    changed for this head (PTI). method: how it was made. facts: measurements, JSON.

    All tensors have float16's precision; those but `tuned` are float32.
    """

    ws: Float[Tensor, "1 N D"]
    planes: Float[Tensor, "1 3 C P P"]
    camera: Float[Tensor, "1 25"]
    generator: str
    fingerprint: str
    method: str
    features: Float[Tensor, "M K S S"] | None = None
    visible: Float[Tensor, "M 3 1 P P"] | None = None
    painted: Float[Tensor, "1 3 C P P"] | None = None
    tuned: Mapping[str, Tensor] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def photos(self) -> int:
        """How many photos' refined features it keeps; 1 without any."""
        return 1 if self.features is None else len(self.features)

    def save(self, path: Path | str) -> None:
        """Write a .safetensors file, whole or not at all. Raises OutputError."""
        tensors = {name: value.half() for name, value in self._tensors().items()}
        tensors["camera"] = self.camera.float()
        tensors |= {TUNED + name: value.half() for name, value in self.tuned.items()}
        about = {
            "version": VERSION,
            "generator": Path(self.generator).name,
            "fingerprint": self.fingerprint,
            "method": self.method,
            "facts": dict(self.facts),
        }
        metadata = {"head": json.dumps(about, allow_nan=False)}
        contiguous = {name: value.cpu().contiguous() for name, value in tensors.items()}
        with atomic_path(path) as partial:
            save_file(contiguous, partial, metadata=metadata)

    @staticmethod
    def load(path: Path | str, *, network: str | Path | None = None) -> Head:
        """network: the generator's weights, where they are not shipped: a file never says which
        other file is to be read. Raises HeadError with one sentence if it is not a whole head."""
        path = Path(path)
        about, tensors = _read(path)
        if network is None and about["generator"] not in shipped():
            name = about["generator"][:80]
            raise HeadError(f"{path} was made with other weights ({name}); say where they are.")
        about["generator"] = str(network or about["generator"])
        tuned = {k.removeprefix(TUNED): v for k, v in tensors.items() if k.startswith(TUNED)}
        own = {k: v.float() for k, v in tensors.items() if not k.startswith(TUNED)}
        if not {"ws", "planes", "camera"} <= own.keys() <= {*DIMENSIONS, "camera"}:
            raise HeadError(f"{path} lacks parts of a head or has unknown ones.")
        head = Head(**own, **about, tuned=tuned)  # type: ignore[arg-type]
        head._check(path)
        return head

    def render(
        self, yaw: float = 0.0, pitch: float = 0.0, *, size: int | None = None
    ) -> UInt8[ndarray, "n n 3"]:
        """A picture from a camera of EG3D's orbit (`camera.eg3d_orbit`), radians. size: pixels a
        side, the generator's own by default. Raises HeadError when the weights are others."""
        camera = eg3d_orbit(yaw, pitch)
        shown = head_picture(self.network, self.ws, self.planes, camera)
        glasses = self.glasses
        image = shown.image if glasses is None else put_on(shown, glasses, camera)
        return at_size(as_uint8(image), size)

    def mesh(self, config: MeshConfig | None = None) -> TexturedMesh:
        """The head's closed, textured surface, without glasses. Raises SurfaceError, HeadError."""
        return mesh_head(self.network, self.ws, planes=self.planes, config=config)

    @cached_property
    def glasses(self) -> Glasses | None:
        """Those that an edit put on. Raises HeadError or EditError."""
        worn = self.facts.get(EDITED + GLASSES, 0.0)
        if not isinstance(worn, int | float) or worn <= 0.5:
            return None
        return fit_glasses(self.network, self.ws)

    @cached_property
    def network(self) -> TriPlaneGenerator:
        """The generator, with what was tuned for this head. Raises HeadError when the weights of
        that name are not those that the head was made with, or the head does not fit them."""
        generator, found = _load(self.generator, _stamp(self.generator))
        if found != self.fingerprint:
            raise HeadError(
                f"The weights {self.generator} are not those that this head was made with."
            )
        self._check_fit(generator)
        if not self.tuned:
            return generator
        own = load_generator(self.generator)
        own.load_state_dict({k: v.float() for k, v in self.tuned.items()}, strict=False)
        return own

    def _check_fit(self, generator: TriPlaneGenerator) -> None:
        """Raises HeadError where a tensor cannot be this generator's."""
        config, known = generator.config, generator.state_dict()
        side = config.plane_size
        expected = {
            "ws": (1, generator.num_ws, config.w_dim),
            "planes": (1, 3, config.plane_features, side, side),
            "visible": (self.photos, 3, 1, side, side),
            "painted": (1, 3, config.plane_features, side, side),
        }
        for name, value in self._tensors().items():
            if name in expected and tuple(value.shape) != expected[name]:
                raise HeadError(f"This head's {name} are not of its generator's sizes.")
        for name, value in self.tuned.items():
            if name not in known or known[name].shape != value.shape:
                raise HeadError(f"This head has a tuned tensor {name[:80]!r} that does not fit.")

    def _tensors(self) -> dict[str, Tensor]:
        named = {
            "ws": self.ws, "planes": self.planes, "features": self.features,
            "visible": self.visible, "painted": self.painted,
        }  # fmt: skip
        return {name: value for name, value in named.items() if value is not None}

    def _check(self, path: Path) -> None:
        """Raises HeadError if shapes or numbers cannot be those of a head."""
        fits = all(value.dim() == DIMENSIONS[name] for name, value in self._tensors().items())
        fits &= self.camera.shape == (1, 25)
        per_photo = [v for v in (self.features, self.visible) if v is not None]
        fits &= len(self.ws) == len(self.planes) == 1
        fits &= all(len(value) == self.photos for value in per_photo)
        fits &= 1 <= self.photos <= MAX_PHOTOS
        fits &= self.painted is None or self.painted.shape == self.planes.shape
        finite = all(
            bool(torch.isfinite(v).all()) for v in (*self._tensors().values(), self.camera)
        )
        if not fits or not finite:
            raise HeadError(f"{path} has tensors that no head has.")


def at_size(image: UInt8[ndarray, "n n 3"], size: int | None) -> UInt8[ndarray, "m m 3"]:
    """A picture with `size` pixels a side, or as it is."""
    if size is None or size == len(image):
        return image
    resized = Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(resized, np.uint8)


def rounded(head: Head) -> Head:
    """The head as its file would give it back."""
    half = {name: value.half().float() for name, value in head._tensors().items()}
    tuned = {name: value.half() for name, value in head.tuned.items()}
    return replace(head, **half, tuned=tuned)  # type: ignore[arg-type]


def _stamp(name: str) -> tuple[str, int, int]:
    """Which file a name stands for, and in which state it is."""
    path = find_weights(name)
    weights = path / WEIGHTS if path.is_dir() else path
    if not weights.is_file():
        raise HeadError(f"There are no weights {name}, with which this head was made.")
    about = weights.stat()
    return str(weights.resolve()), about.st_mtime_ns, about.st_size


@lru_cache(maxsize=2)
def _load(name: str, stamp: tuple[str, int, int]) -> tuple[TriPlaneGenerator, str]:
    generator = load_generator(name)
    return generator, fingerprint(generator)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What a head's file says and holds."""
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        raise HeadError(f"{path} is not the file of a head.")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get("head", "")
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        about = json.loads(text)
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise HeadError(f"{path} is not a whole head; make it again.") from error
    texts = ("generator", "fingerprint", "method")
    whole = isinstance(about, dict) and about.pop("version", None) == VERSION
    whole = whole and about.keys() == {*texts, "facts"}
    if not whole or not all(isinstance(about[name], str) for name in texts):
        raise HeadError(f"{path} is not a head of this version.")
    facts = about["facts"]
    if not isinstance(facts, dict) or not all(_plain(value) for value in facts.values()):
        raise HeadError(f"{path} has facts of an unknown kind.")
    return about, tensors


def _plain(value: object) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    return value is None or isinstance(value, str | int | bool)
