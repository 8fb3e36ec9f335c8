"""A neural head: everything that shows it from any side again, in one small file.

    ws, F*, residual ─planes─┐
    photo ─▶ invert ─▶ Head ─┼─render(yaw, pitch)─▶ image
                             ├─export─▶ .glb .ply .mp4
                             └─save ⇄ load─▶ head.safetensors

Tensors are kept as float16, and a head in memory has what its file has, so that it loads to the
bit. Letters: N rows of w+, D w dimension, C channels and P side of a plane, M photos, K channels
and S side of a refined feature map F*.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isfinite, radians
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from portraiture.camera import eg3d_orbit
from portraiture.checkpoints import shipped
from portraiture.errors import HeadError, OutputError
from portraiture.export.surface import write_surface_glb, write_surface_ply
from portraiture.export.video import swing
from portraiture.media import atomic_path, write_video
from portraiture.meshing.bake_texture import PosedImage, TexturedMesh
from portraiture.meshing.head_mesh import MeshConfig, mesh_head, render_head
from portraiture.models import Models, default_models
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.ops.resize import resized
from portraiture.paths import check_name
from portraiture.people.glasses import GLASSES, Glasses, fit_glasses, put_on
from portraiture.pixels import squared
from portraiture.types import as_uint8

VERSION = 2
MAX_BYTES = 500_000_000
DIMENSIONS = {"ws": 3, "planes": 5, "features": 4, "visible": 5, "residual": 5}
MAX_PHOTOS = 16
"""That one head may be made of."""
WORN = 0.5
"""The amount of the edit "glasses" from which on a head wears them."""
WHITE = (1.0, 1.0, 1.0)
VIDEO_FRAMES, VIDEO_FPS, SWING = 72, 24.0, radians(40.0)
TUNED = "tuned."
"""Prefix of a tuned generator's tensors in the file."""


@dataclass(frozen=True)
class Head:
    """planes: what is rendered. camera: EG3D's numbers of the first photo's. generator: name or
    path of the weights. fingerprint: of these weights (`checkpoints.fingerprint`). method: how it
    was made. ws: w+ that the planes come from and that superresolution is modulated by; None where
    they come from no w (an image-to-plane network), and then the mean of W modulates it. features:
    F* of each photo, where the method refines features. visible: how far each texel of the three
    planes shows what a photo saw, in [0, 1], where it is mixed by that. residual: what was added to
    the planes of ws, F* and visible, before the generator moved them; `planes` have it already.
    tuned: the generator's own tensors that were changed for this head (PTI). edits: amounts by
    name, see `edit.run.edit`. facts: measurements, JSON. models: where the generator comes from.

    All tensors have float16's precision; those but `tuned` are float32, on the CPU.
    """

    planes: Float[Tensor, "1 3 C P P"]
    camera: Float[Tensor, "1 25"]
    generator: str
    fingerprint: str
    method: str
    ws: Float[Tensor, "1 N D"] | None = None
    features: Float[Tensor, "M K S S"] | None = None
    visible: Float[Tensor, "M 3 1 P P"] | None = None
    residual: Float[Tensor, "1 3 C P P"] | None = None
    tuned: Mapping[str, Tensor] = field(default_factory=dict)
    edits: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    models: Models = field(default_factory=default_models, repr=False, compare=False)

    @property
    def photos(self) -> int:
        """How many photos' refined features it keeps; 1 without any."""
        return 1 if self.features is None else len(self.features)

    def save(self, path: Path | str) -> Path:
        """Write a .safetensors file, whole or not at all. Raises OutputError."""
        path = Path(path)
        tensors = {name: value.half() for name, value in self._tensors().items()}
        tensors["camera"] = self.camera.float()
        tensors |= {TUNED + name: value.half() for name, value in self.tuned.items()}
        about = {
            "version": VERSION,
            "generator": Path(self.generator).name,
            "fingerprint": self.fingerprint,
            "method": self.method,
            "edits": dict(self.edits),
            "facts": dict(self.facts),
        }
        metadata = {"head": json.dumps(about, allow_nan=False)}
        contiguous = {name: value.cpu().contiguous() for name, value in tensors.items()}
        with atomic_path(path) as partial:
            save_file(contiguous, partial, metadata=metadata)
        return path

    @staticmethod
    def load(
        path: Path | str, *, network: str | Path | None = None, models: Models | None = None
    ) -> Head:
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
        if not {"planes", "camera"} <= own.keys() <= {*DIMENSIONS, "camera"}:
            raise HeadError(f"{path} lacks parts of a head or has unknown ones.")
        models = models or default_models()
        head = Head(**own, **about, tuned=tuned, models=models)  # type: ignore[arg-type]
        head._check(path)
        return head

    def render(
        self,
        *,
        yaw: float = 0.0,
        pitch: float = 0.0,
        size: int | None = None,
        background: tuple[float, float, float] | None = None,
    ) -> Float32[ndarray, "n n 4"]:
        """A portrait from `yaw` and `pitch` (radians; positive yaw shows the person's left), as
        `Avatar.render` gives it: RGBA in [0, 1], straight alpha, or over `background`. size: pixels
        a side, the generator's own by default. Raises HeadError when the weights are others."""
        camera = eg3d_orbit(yaw, pitch)
        shown = render_head(self.network, self.modulation, self.planes, camera)
        shown = shown if self.glasses is None else put_on(shown, self.glasses, camera)
        color = squared(as_uint8(shown.image), size).astype(np.float32) / 255.0
        if background == self._ground:
            return np.concatenate([color, np.ones_like(color[..., :1])], -1)
        return _cut_out(color, _opacity_at(shown, len(color)), self._ground, background)

    def export(self, path: Path | str, *, config: MeshConfig | None = None) -> Path:
        """Write the head's textured surface as .glb or .ply, or a turntable as .mp4. config: of the
        mesh. Raises SurfaceError, HeadError, and OutputError on another suffix."""
        path = Path(path)
        if path.suffix == ".glb":
            write_surface_glb(self.mesh(config), path)
        elif path.suffix == ".ply":
            write_surface_ply(self.mesh(config), path)
        elif path.suffix == ".mp4":
            frames = swing(lambda yaw: head_image(self, yaw), frames=VIDEO_FRAMES, sweep=SWING)
            write_video(path, frames, VIDEO_FPS)
        else:
            raise OutputError(f"{path.name}: a head can be written as .glb, .ply or .mp4.")
        return path

    def mesh(self, config: MeshConfig | None = None) -> TexturedMesh:
        """The head's closed, textured surface, without glasses. Raises SurfaceError, HeadError."""
        return mesh_head(self.network, self.modulation, planes=self.planes, config=config)

    @property
    def modulation(self) -> Float[Tensor, "1 N D"]:
        """The w+ that superresolution takes: the head's own, or the mean of W."""
        if self.ws is not None:
            return self.ws
        mean = self.network.backbone.mapping.w_avg.detach().cpu()
        return mean.expand(1, self.network.num_ws, -1)

    @cached_property
    def glasses(self) -> Glasses | None:
        """Those that an edit put on. Raises HeadError or EditError."""
        if self.edits.get(GLASSES, 0.0) <= WORN or self.ws is None:
            return None
        return fit_glasses(self.network, self.ws)

    @property
    def _ground(self) -> tuple[float, float, float]:
        """What the generator shows where nothing is."""
        return WHITE if self.network.config.rendering.white_background else (0.0, 0.0, 0.0)

    @cached_property
    def network(self) -> TriPlaneGenerator:
        """The generator, with what was tuned for this head. Raises HeadError when the weights of
        that name are not those that the head was made with, or the head does not fit them."""
        generator = self.models.generator(self.generator)
        if self.models.fingerprint(self.generator) != self.fingerprint:
            raise HeadError(
                f"The weights {self.generator} are not those that this head was made with."
            )
        self._check_fit(generator)
        if not self.tuned:
            return generator
        own = deepcopy(generator)
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
            "residual": (1, 3, config.plane_features, side, side),
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
            "visible": self.visible, "residual": self.residual,
        }  # fmt: skip
        return {name: value for name, value in named.items() if value is not None}

    def _check(self, path: Path) -> None:
        """Raises HeadError if shapes or numbers cannot be those of a head."""
        fits = all(value.dim() == DIMENSIONS[name] for name, value in self._tensors().items())
        fits &= self.camera.shape == (1, 25)
        per_photo = [v for v in (self.features, self.visible) if v is not None]
        fits &= len(self.planes) == 1 and (self.ws is None or len(self.ws) == 1)
        fits &= all(len(value) == self.photos for value in per_photo)
        fits &= 1 <= self.photos <= MAX_PHOTOS
        fits &= self.residual is None or self.residual.shape == self.planes.shape
        finite = all(
            bool(torch.isfinite(v).all()) for v in (*self._tensors().values(), self.camera)
        )
        if not fits or not finite:
            raise HeadError(f"{path} has tensors that no head has.")


def head_image(
    head: Head, yaw: float = 0.0, pitch: float = 0.0, *, size: int | None = None
) -> UInt8[ndarray, "n n 3"]:
    """`Head.render` over white, 8 bits a channel."""
    return as_uint8(head.render(yaw=yaw, pitch=pitch, size=size, background=WHITE)[..., :3])


def _opacity_at(shown: PosedImage, size: int) -> Float32[ndarray, "n n 1"]:
    """How opaque the head is in each pixel, in [0, 1]."""
    assert shown.opacity is not None
    opacity = torch.from_numpy(np.asarray(shown.opacity, np.float32))[None, None]
    return resized(opacity, size)[0, 0].clamp(0.0, 1.0).numpy()[..., None]


def _cut_out(
    color: Float32[ndarray, "n n 3"], alpha: Float32[ndarray, "n n 1"],
    ground: tuple[float, float, float], background: tuple[float, float, float] | None,
) -> Float32[ndarray, "n n 4"]:  # fmt: skip
    """The head's own colours with straight alpha, out of an image over `ground`; over `background`
    where one is given."""
    behind = np.array(ground, np.float32)
    if background is not None:
        over = color + (1.0 - alpha) * (np.array(background, np.float32) - behind)
        return np.concatenate([over.clip(0.0, 1.0), np.ones_like(alpha)], -1)
    own = (color - (1.0 - alpha) * behind) / np.maximum(alpha, 1.0 / 255.0)
    return np.concatenate([own.clip(0.0, 1.0), alpha], -1)


def rounded(head: Head) -> Head:
    """The head as its file would give it back, on the CPU."""
    half = {name: value.half().float().cpu() for name, value in head._tensors().items()}
    tuned = {name: value.half().cpu() for name, value in head.tuned.items()}
    return replace(head, **half, camera=head.camera.cpu(), tuned=tuned)  # type: ignore[arg-type]


def on_device(head: Head, device: torch.device) -> Head:
    """The head with its tensors, but for `tuned`, on another device."""
    moved = {name: value.to(device) for name, value in head._tensors().items()}
    return replace(head, **moved, camera=head.camera.to(device))  # type: ignore[arg-type]


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What a head's file says and holds."""
    check_name(path, HeadError)
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
    whole = whole and about.keys() == {*texts, "edits", "facts"}
    if not whole or not all(isinstance(about[name], str) for name in texts):
        raise HeadError(f"{path} is not a head of this version.")
    edits = about["edits"]
    if not isinstance(edits, dict) or not all(_amount(value) for value in edits.values()):
        raise HeadError(f"{path} has edits of an unknown kind.")
    facts = about["facts"]
    if not isinstance(facts, dict) or not all(_plain(value) for value in facts.values()):
        raise HeadError(f"{path} has facts of an unknown kind.")
    return about, tensors


def _amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _plain(value: object) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    return value is None or isinstance(value, str | int | bool)
