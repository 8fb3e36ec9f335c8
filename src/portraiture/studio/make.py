"""The studio's long work: avatars of photos and seeds, and files for download."""

from __future__ import annotations

import json
import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, get_args

from jaxtyping import UInt8
from numpy import ndarray

from portraiture.avatar import Avatar
from portraiture.avatar_files import write_turntable
from portraiture.create.run import make_avatar
from portraiture.engine.prepare import wait as wait_for_kernels
from portraiture.engine.sample import sample_parameters
from portraiture.engine.style.recipes import style_shading
from portraiture.errors import AvatarError, PhotoError
from portraiture.export.gltf import glb_bytes
from portraiture.export.video import over, studio_wall
from portraiture.export.vrm import write_vrm
from portraiture.fit.run import fit_photo
from portraiture.media import read_image
from portraiture.photo.align import align
from portraiture.progress import raise_if_cancelled
from portraiture.render.framing import portrait_camera
from portraiture.render.light import studio_light
from portraiture.render.mesh import render_rgba
from portraiture.studio.controls import group_names
from portraiture.studio.files import written
from portraiture.studio.jobs import Job, Made
from portraiture.studio.session import Session

AvatarFile = Literal["glb", "vrm", "json", "turntable"]
MAX_SEED = 2**32 - 1
THUMBNAIL = 512


def decoded(data: bytes) -> UInt8[ndarray, "h w 3"]:
    """The pixels of an uploaded photo. Raises PhotoError."""
    with TemporaryDirectory(prefix="portraiture-studio-") as folder:
        path = Path(folder) / "photo"
        path.write_bytes(data)
        try:
            return read_image(path)
        except PhotoError as error:
            sentence = str(error).replace(str(path), "The file").replace("photo ", "This file ", 1)
            raise PhotoError(sentence) from None


def from_photo(session: Session, data: bytes, job: Job) -> None:
    """The avatar of a photo becomes the session's. Raises PhotoError, CancelledError."""
    progress = job.progress
    progress.stage("Read the photo")
    image = decoded(data)
    raise_if_cancelled(progress)
    progress.stage("Find the face")
    photo = align(image)
    raise_if_cancelled(progress)
    fitted = fit_photo(photo, progress=progress)
    avatar = make_avatar(photo, fitted)
    _begin(session, avatar, job, photo=image, notes=(*photo.quality.notes, *fitted.notes))


def from_seed(session: Session, seed: int, job: Job) -> None:
    """A random person becomes the session's avatar. Raises CancelledError."""
    job.progress.stage("Sample a person")
    _begin(session, Avatar.sample(seed), job)


def from_json(session: Session, data: bytes, job: Job) -> None:
    """A saved avatar becomes the session's. Raises AvatarError, CancelledError."""
    job.progress.stage("Read the avatar")
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        raise AvatarError("This file is not a Portraiture avatar.") from None
    _begin(session, Avatar.from_dict(values), job)


def _begin(
    session: Session, avatar: Avatar, job: Job, *, photo: ndarray | None = None,
    notes: tuple[str, ...] = (),
) -> None:  # fmt: skip
    """Build and encode the avatar, so that the page can have it at once when the work has ended."""
    job.progress.stage("Build the avatar")
    wait_for_kernels(job.progress)
    raise_if_cancelled(job.progress)
    session.prepare(avatar, job.progress)
    job.commit(lambda: session.begin(avatar, photo=photo, notes=notes))


def randomised(avatar: Avatar, group: str, seed: int) -> dict[str, Any]:
    """An edit that takes one group of parameters, or all of them, from a random person. Raises
    AvatarError on an unknown group."""
    other = sample_parameters(seed)
    names = [name for key in _all_groups() for name in group_names(key)]
    names = names if group == "all" else group_names(group)
    if not names:
        raise AvatarError(f"There is no group {group[:40]!r}.")
    changes: dict[str, Any] = {}
    for name in names:
        table, colon, entry = name.partition(":")
        changes[name] = getattr(other, table).get(entry, 0.5) if colon else getattr(other, name)
    return changes


def _all_groups() -> tuple[str, ...]:
    return ("face", "skin", "hair", "brows", "eyes", "wear")


def random_seed() -> int:
    """For the start screen."""
    return random.randrange(100_000)


def avatar_file(session: Session, kind: AvatarFile, job: Job) -> Made:
    """The avatar as a file. Raises CancelledError."""
    progress, avatar = job.progress, session.avatar
    if kind == "json":
        progress.stage("Write avatar.json")
        data = json.dumps(avatar.to_dict(), indent=1).encode()
        return Made("avatar.json", "application/json", data)
    progress.stage("Build the avatar")
    bust = session.bust(avatar)
    raise_if_cancelled(progress)
    match kind:
        case "glb":
            progress.stage("Write the GLB")
            return Made("avatar.glb", "model/gltf-binary", glb_bytes(bust))
        case "vrm":
            progress.stage("Write the VRM")
            front = render_rgba(
                bust, portrait_camera(bust), size=THUMBNAIL, light=studio_light(),
                shading=style_shading(avatar.style),
            )  # fmt: skip
            raise_if_cancelled(progress)
            image = over(front, studio_wall(THUMBNAIL, THUMBNAIL))
            data = written("avatar.vrm", lambda path: write_vrm(bust, path, name="avatar",
                                                                 thumbnail=image))  # fmt: skip
            return Made("avatar.vrm", "model/gltf-binary", data)
        case "turntable":

            def write(path: Path) -> None:
                write_turntable(avatar, bust, path, progress)

            data = written("turntable.mp4", write)
            return Made("turntable.mp4", "video/mp4", data)


def avatar_file_kind(name: str) -> AvatarFile:
    """Raises AvatarError on another name."""
    for kind in get_args(AvatarFile):
        if name == kind:
            return kind
    raise AvatarError(f"An avatar cannot be downloaded as {name[:20]!r}.")
