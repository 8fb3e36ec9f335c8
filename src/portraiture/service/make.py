"""What a worker makes: the files of one avatar or head, in a folder of its own, and exports.

photo or seed ─▶ avatar.json, avatar.glb, avatar.vrm, front.png      (a version's folder)
folder, GlbOptions or Picture ─▶ one file more
photo or seed ─▶ head.safetensors, front.png
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from portraiture.avatar import Avatar
from portraiture.create.run import create, sample_files
from portraiture.export.gltf import write_glb
from portraiture.export.vrm import VrmMeta
from portraiture.generate.run import sample
from portraiture.head import Head, head_image
from portraiture.invert.run import invert
from portraiture.media import staged_folder, write_image
from portraiture.progress import Progress, raise_if_cancelled
from portraiture.service.changes import changed_parameters
from portraiture.service.queries import EXPRESSIONS, Picture

TITLE = "title"
"""In an avatar's provenance: of its VRM files."""
HEAD_FILES = ("head.safetensors", "front.png")


def make_avatar(
    payload: Mapping[str, Any], photo: Path | None, out: Path, progress: Progress
) -> dict[str, Any]:
    """Write `create.run.SEED_FILES` of an avatar into the folder `out`.

    payload: style, and face or seed. Returns facts for the job's result. Raises PortraitureError.
    """
    style = payload.get("style", "natural")
    if photo is None:
        avatar = Avatar.sample(int(payload["seed"]), style=style)
    else:
        avatar = create(photo, style=style, face=payload.get("face"), progress=progress)
    title = payload.get("title", "Avatar")
    avatar = replace(avatar, provenance={**avatar.provenance, TITLE: title})
    sample_files(avatar, out, meta=VrmMeta(title=title), progress=progress)
    return {"style": avatar.style}


def edit_avatar(
    changes: Mapping[str, Any], old: Path, out: Path, progress: Progress
) -> dict[str, Any]:
    """The avatar of the version's folder `old` with changes, written into the folder `out`."""
    avatar = changed(Avatar.load(old / "avatar.json"), changes)
    meta = VrmMeta(title=avatar.provenance.get(TITLE))
    sample_files(avatar, out, meta=meta, progress=progress)
    return {"style": avatar.style}


def changed(avatar: Avatar, changes: Mapping[str, Any]) -> Avatar:
    """An avatar with changes that `changes.check_changes` accepts."""
    return replace(
        avatar,
        parameters=changed_parameters(avatar.parameters, changes),
        style=changes.get("style", avatar.style),
        expression={**avatar.expression, **changes.get("expression", {})},
    )


def export_glb(folder: Path, options: Any, path: Path) -> None:
    """Write an avatar's GLB with `GlbOptions`."""
    avatar = Avatar.load(folder / "avatar.json")
    bust = avatar.bust(expression=avatar.expression)
    write_glb(bust, path, options)


def export_picture(folder: Path, asked: Picture, path: Path) -> None:
    """Write a render of the avatar in `folder` as PNG."""
    avatar = Avatar.load(folder / "avatar.json")
    own = asked.expression == "own"
    expression = avatar.expression if own else EXPRESSIONS[asked.expression]
    image = avatar.render(yaw=asked.yaw, pitch=asked.pitch, size=asked.size, expression=expression)
    write_image(path, _over(image, asked.background))


def make_head(
    payload: Mapping[str, Any], photo: Path | None, out: Path, progress: Progress
) -> dict[str, Any]:
    """Write `HEAD_FILES` of a head into the folder `out`. payload: face or seed. Raises
    PortraitureError."""
    if photo is None:
        progress.stage("Sample the head")
        head = sample(int(payload["seed"]))
    else:
        head = invert(photo, face=payload.get("face"), progress=progress)
    with staged_folder(out, HEAD_FILES) as folder:
        progress.stage("Write the head")
        raise_if_cancelled(progress)
        head.save(folder / "head.safetensors")
        write_image(folder / "front.png", head_image(head))
    return {"method": head.method}


def export_head(folder: Path, asked: Picture | None, path: Path) -> None:
    """Write a head's surface (.glb, .ply), turntable (.mp4) or, of `asked`, a picture (.png)."""
    head = Head.load(folder / "head.safetensors")
    if asked is None:
        head.export(path)
        return
    image = head.render(yaw=asked.yaw, pitch=asked.pitch, size=asked.size)
    write_image(path, _over(image, asked.background))


def _over(
    image: Float32[ndarray, "h w 4"], background: tuple[int, int, int] | None
) -> Float32[ndarray, "h w c"]:
    """An image with straight alpha, laid over an sRGB colour in [0, 255] where one is given."""
    if background is None:
        return image
    color, alpha = image[..., :3], image[..., 3:]
    return color * alpha + np.array(background, np.float32) / 255.0 * (1.0 - alpha)
