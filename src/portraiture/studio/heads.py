"""The studio's neural head: of a photo or a seed, edited, seen from any side, written to files.

camera ─▶ sharp? ─no─▶ few rays, as many as the processor manages ─▶ small JPEG
                  └yes▶ all rays ─superresolution─▶ JPEG
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.edit.run import MAX_AMOUNT, edit, mix
from portraiture.errors import EditError, HeadError
from portraiture.export.video import swing
from portraiture.generate.run import sample
from portraiture.head import SWING, VIDEO_FPS, VIDEO_FRAMES, Head, head_image
from portraiture.invert.run import invert
from portraiture.media import write_video
from portraiture.meshing.head_mesh import pixels_of
from portraiture.people.attributes import Attribute
from portraiture.people.glasses import GLASSES
from portraiture.progress import counted, raise_if_cancelled
from portraiture.recent import Recent
from portraiture.studio.files import written
from portraiture.studio.jobs import Job, Made
from portraiture.triplane.volume import render_volume
from portraiture.types import as_uint8

HeadFile = Literal["safetensors", "ply", "mesh", "turntable"]
MAX_YAW, MAX_PITCH = 1.1, 0.55
SIDES = (32, 48, 64, 80, 96)
"""Rays a side of an image while the camera moves."""
FRAME_S = 0.085
"""Time that one such image may take, so that with sending and showing there are 8 a second."""
SAMPLES = 24
"""Samples on each ray of such an image, and as many again where something is."""
SEEDS_KEPT = 2
"""Heads that were mixed with."""
NO_HEAD = "There is no neural head yet; make one of the photo or of a seed."
NO_PHOTO = "Start with a photo first, or make the head of a seed."

SLIDERS: Mapping[Attribute, tuple[str, str, str]] = {
    "smile": ("Smile", "serious", "smiling"),
    "age": ("Age", "younger", "older"),
    "sex": ("Build", "masculine", "feminine"),
    "hair-length": ("Hair", "shorter", "longer"),
    "beard": ("Beard", "less", "more"),
    "face-width": ("Face", "narrower", "wider"),
    "eye-openness": ("Eyes", "narrower", "wider open"),
    "skin-tone": ("Skin", "paler", "darker"),
}


@dataclass(frozen=True)
class View:
    """What the page wants to see. yaw, pitch: radians. before: without edits."""

    yaw: float
    pitch: float
    sharp: bool
    before: bool = False

    @staticmethod
    def of(message: Any) -> View:
        """Raises ValueError on anything but a table with two finite angles."""
        if not isinstance(message, dict):
            raise ValueError("a view is a table")
        yaw, pitch = (float(message.get(name, 0.0)) for name in ("yaw", "pitch"))
        if not np.isfinite([yaw, pitch]).all():
            raise ValueError("angles are finite")
        yaw, pitch = (
            float(np.clip(yaw, -MAX_YAW, MAX_YAW)),
            float(np.clip(pitch, -MAX_PITCH, MAX_PITCH)),
        )
        return View(yaw, pitch, bool(message.get("sharp")), bool(message.get("before")))


@dataclass(frozen=True)
class Mix:
    """With the head of a seed. shape, look: see `edit.run.mix`."""

    seed: int
    shape: float = 0.0
    look: float = 0.0


@dataclass(eq=False)
class Heads:
    """The head and its edits. Safe to use from any thread."""

    original: Head | None = None
    now: Head | None = None
    amounts: dict[str, float] = field(default_factory=dict)
    mixed: Mix | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _editing: threading.Lock = field(default_factory=threading.Lock)
    _asked: int = 0
    _side: int = 1
    _seeds: Recent[int, Head] = field(default_factory=lambda: Recent(SEEDS_KEPT))

    def begin(self, head: Head) -> None:
        """Start from a head."""
        with self._lock:
            self.original = self.now = head
            self.amounts, self.mixed = {}, None
            self._asked += 1

    def about(self) -> dict[str, Any]:
        """What the page shows beside the image."""
        sliders = [
            {"name": name, "label": label, "low": low, "high": high}
            for name, (label, low, high) in SLIDERS.items()
        ]
        with self._lock:
            editable = self.original is not None and self.original.ws is not None
            return {
                "made": self.original is not None,
                "editable": editable,
                "amounts": dict(self.amounts),
                "mix": None if self.mixed is None else asdict(self.mixed),
                "sliders": sliders,
            }

    def edit(self, amounts: Mapping[str, float], mixed: Mix | None = None) -> bool:
        """Mix the original, then edit it by these amounts; whether no later edit has come since.
        Raises EditError, HeadError."""
        for name, amount in amounts.items():
            if name not in (*SLIDERS, GLASSES) or not abs(amount) <= MAX_AMOUNT:
                raise EditError(f"{name[:20]!r} cannot be edited by this amount.")
        chosen = {name: float(amount) for name, amount in amounts.items() if amount != 0.0}
        with self._lock:
            original = self._begun()
            self._asked += 1
            asked = self._asked
        with self._editing:
            if asked != self._asked:
                return False
            edited = original if mixed is None else self._mix(original, mixed)
            edited = edit(edited, chosen) if chosen else edited
            with self._lock:
                if asked != self._asked:
                    return False
                self.now, self.amounts, self.mixed = edited, chosen, mixed
        return True

    def _mix(self, original: Head, mixed: Mix) -> Head:
        if mixed.shape == mixed.look == 0.0:
            return original
        other = self._seeds.get(mixed.seed, lambda: sample(mixed.seed, network=original.generator))
        return mix(original, other, shape=mixed.shape, look=mixed.look)

    def jpeg(self, view: View, wanted: Callable[[], bool] = lambda: True) -> bytes | None:
        """The image of a view; None where it is not `wanted` any more. Raises HeadError."""
        with self._lock:
            head = self._begun() if view.before else (self.now or self._begun())
        if view.sharp:
            return _jpeg(head_image(head, view.yaw, view.pitch), 93) if wanted() else None
        start = time.perf_counter()
        image = coarse_image(head, view, SIDES[self._side])
        self._adapt(time.perf_counter() - start)
        return _jpeg(image, 85)

    def _adapt(self, seconds: float) -> None:
        """More rays where there is time for them, fewer where there is not."""
        if seconds > FRAME_S and self._side > 0:
            self._side -= 1
        elif self._side + 1 < len(SIDES):
            more = (SIDES[self._side + 1] / SIDES[self._side]) ** 2
            self._side += seconds * more < 0.8 * FRAME_S

    def _begun(self) -> Head:
        if self.original is None:
            raise HeadError(NO_HEAD)
        return self.original

    def current(self) -> Head:
        """The head as it is edited. Raises HeadError where there is none."""
        with self._lock:
            return self.now or self._begun()


@torch.no_grad()
def coarse_image(head: Head, view: View, side: int) -> UInt8[ndarray, "s s 3"]:
    """An image of `side` rays a side, without superresolution and glasses."""
    network = head.network
    rendering = replace(
        network.config.rendering, depth_resolution=SAMPLES, importance_resolution=SAMPLES
    )
    like = next(network.parameters())
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(view.yaw, view.pitch))).to(like)[None]
    volume = render_volume(
        head.planes.to(like), network.decoder, camera, rendering, resolution=side,
        deterministic=True,
    )  # fmt: skip
    return as_uint8(pixels_of(volume.features[:, :3]))


def _jpeg(image: ndarray, quality: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", quality=quality)
    return out.getvalue()


def head_of_photo(heads: Heads, photo: ndarray | None, job: Job) -> None:
    """The head of the photo. Raises HeadError, PhotoError, InversionError, CancelledError."""
    if photo is None:
        raise HeadError(NO_PHOTO)
    head = invert(photo, progress=job.progress)
    raise_if_cancelled(job.progress)
    _begin(heads, head, job)


def head_of_seed(heads: Heads, seed: int, job: Job) -> None:
    """A random head. Raises CancelledError."""
    job.progress.stage("Sample a head")
    head = sample(seed)
    raise_if_cancelled(job.progress)
    _begin(heads, head, job)


def _begin(heads: Heads, head: Head, job: Job) -> None:
    """Render once, so that kernels are compiled before somebody drags."""
    job.progress.stage("Render the first view")
    coarse_image(head, View(0.0, 0.0, False), SIDES[0])
    head_image(head)
    job.commit(lambda: heads.begin(head))


def head_file_kind(name: str) -> HeadFile:
    """Raises HeadError on another name."""
    for kind in get_args(HeadFile):
        if name == kind:
            return kind
    raise HeadError(f"A head cannot be downloaded as {name[:20]!r}.")


def head_file(heads: Heads, kind: HeadFile, job: Job) -> Made:
    """The head as a file. Raises HeadError, SurfaceError, CancelledError."""
    head, progress = heads.current(), job.progress
    match kind:
        case "safetensors":
            progress.stage("Write the head")
            data = written("head.safetensors", head.save)
            return Made("head.safetensors", "application/octet-stream", data)
        case "ply":
            progress.stage("Extract the mesh")
            return Made("head.ply", "application/octet-stream", written("head.ply", head.export))
        case "mesh":
            progress.stage("Extract the mesh")
            return Made("head.glb", "model/gltf-binary", written("head.glb", head.export))
        case "turntable":
            progress.stage("Render the turntable", VIDEO_FRAMES)

            def write(path: Path) -> None:
                images = swing(partial(head_image, head), frames=VIDEO_FRAMES, sweep=SWING)
                write_video(path, counted(images, progress), VIDEO_FPS)

            return Made("head.mp4", "video/mp4", written("head.mp4", write))
