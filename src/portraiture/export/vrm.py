"""A `Bust` as VRM 1.0: the GLB of `export.gltf` plus humanoid, expressions, gaze and licence.

Specification: VRMC_vrm-1.0 of the VRM Consortium. Materials are plain PBR, or MToon where a style's
finish is flat (`export.flat`).
VRM's rest pose is a T-pose, so the arms are levelled first (`export.skeleton.t_posed`).
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from portraiture.errors import AvatarError, ExportError
from portraiture.export.binary import GltfBuilder
from portraiture.export.expressions import BLINK_OVERRIDE, MOUTH_OVERRIDE, VRM_PRESETS
from portraiture.export.gltf import Scene, add_bust
from portraiture.export.options import AS_BUILT, GlbOptions
from portraiture.export.skeleton import grounded
from portraiture.export.tailor import tailored
from portraiture.media import atomic_path
from portraiture.paths import check_name
from portraiture.types import Bust, Licence, Part, Skeleton

LICENSE_URL = "https://vrm.dev/licenses/1.0/"

REQUIRED_BONES = (
    "hips", "spine", "head", "leftUpperArm", "leftLowerArm", "leftHand", "rightUpperArm",
    "rightLowerArm", "rightHand", "leftUpperLeg", "leftLowerLeg", "leftFoot", "rightUpperLeg",
    "rightLowerLeg", "rightFoot",
)  # fmt: skip
OPTIONAL_BONES = (
    "chest", "upperChest", "neck", "leftEye", "rightEye", "leftShoulder", "rightShoulder",
)  # fmt: skip

GAZE_INWARD_DEG, GAZE_OUTWARD_DEG = 14.0, 13.0
GAZE_UP_DEG, GAZE_DOWN_DEG = 9.0, 10.0
"""How far the look actions turn an eye at weight 1; a gaze beyond stops there."""


OWNER = "Owner of this avatar"
"""The author where none is named; VRM requires one."""


@dataclass(frozen=True)
class VrmLicence:
    """The settings of the VRM Public License 1.0; the defaults are its strictest.

    other_url: of another licence that holds as well.
    """

    avatar_permission: Literal["onlyAuthor", "onlySeparatelyLicensedPerson", "everyone"] = (
        "onlyAuthor"
    )
    commercial_usage: Literal["personalNonProfit", "personalProfit", "corporation"] = (
        "personalNonProfit"
    )
    credit_notation: Literal["required", "unnecessary"] = "required"
    modification: Literal["prohibited", "allowModification", "allowModificationRedistribution"] = (
        "prohibited"
    )
    allow_redistribution: bool = False
    allow_violent: bool = False
    allow_sexual: bool = False
    allow_political_or_religious: bool = False
    allow_antisocial_or_hate: bool = False
    other_url: str | None = None


_PUBLIC = VrmLicence(
    avatar_permission="everyone",
    commercial_usage="corporation",
    modification="allowModificationRedistribution",
    allow_redistribution=True,
)
_UNRESTRICTED = replace(
    _PUBLIC,
    allow_violent=True,
    allow_sexual=True,
    allow_political_or_religious=True,
    allow_antisocial_or_hate=True,
)
LICENCES: Mapping[Licence, VrmLicence] = {
    "private": VrmLicence(
        commercial_usage="corporation",
        credit_notation="unnecessary",
        modification="allowModification",
    ),
    "vrm-public": _PUBLIC,
    "cc-by": replace(_UNRESTRICTED, other_url="https://creativecommons.org/licenses/by/4.0/"),
    "cc0": replace(
        _UNRESTRICTED,
        credit_notation="unnecessary",
        other_url="https://creativecommons.org/publicdomain/zero/1.0/",
    ),
}
"""private: the owner alone, who may do business with the avatar and change it; an avatar made from
a photo is a likeness. vrm-public: everybody may use, change and share it with credit, but not for
violent, sexual, political, religious or hateful content. cc-by and cc0 restrict no use."""


@dataclass(frozen=True)
class VrmMeta:
    """Whose avatar a VRM file is, and what others may do with it."""

    title: str | None = None
    """Title in the VRM file; the name of the photo or folder by default."""
    author: str | None = None
    """Author in the VRM file; "Owner of this avatar" by default."""
    licence: Licence = "private"
    """Licence in the VRM file. private: only you may use (also commercially) and edit it.
    vrm-public: anyone may use, edit and share it with credit; no violence, sex, politics or hate.
    cc-by: anything is allowed with credit.
    cc0: anything is allowed."""

    def check(self) -> VrmMeta:
        """Itself. Raises AvatarError when title or author cannot be shown by applications."""
        for what, text in (("title", self.title), ("author", self.author)):
            if text is not None:
                check_name(text, AvatarError)
                if not text.strip():
                    raise AvatarError(f"The {what} of a VRM must not be blank; give one or none.")
        return self

    def titled(self, title: str) -> str:
        """The title, or else this one."""
        return self.title or title.strip() or "Avatar"


def write_vrm(
    bust: Bust,
    path: Path | str,
    *,
    name: str,
    author: str | None = None,
    licence: Licence | VrmLicence = "private",
    thumbnail: UInt8[ndarray, "h w 3"] | None = None,
    options: GlbOptions = AS_BUILT,
) -> None:
    """Write `bust` to `path`, whole or not at all.

    name: the avatar's title. author: who made it. licence: what others may do, by name or setting
    by setting. thumbnail: a square image for lists of avatars. options: those that `check_options`
    lets pass. The same arguments give the same bytes. Raises OutputError; AvatarError when name or
    author is blank; ExportError for other options; ValueError when the skeleton lacks a bone that
    VRM requires.
    """
    data = vrm_bytes(
        bust, name=name, author=author, licence=licence, thumbnail=thumbnail, options=options
    )
    with atomic_path(path) as partial:
        partial.write_bytes(data)


def check_options(options: GlbOptions) -> None:
    """Raise ExportError for options that VRM 1.0 does not allow."""
    if options.meshopt:
        raise ExportError("A VRM cannot be compressed with meshopt; write a .glb for that.")
    if options.texture_format == "webp":
        raise ExportError("A VRM's textures are PNG or JPEG; choose one of them, or write a .glb.")
    if options.pose == "A":
        raise ExportError("The rest pose of a VRM is the T-pose; leave the pose out.")


def vrm_bytes(
    bust: Bust,
    *,
    name: str,
    author: str | None = None,
    licence: Licence | VrmLicence = "private",
    thumbnail: UInt8[ndarray, "h w 3"] | None = None,
    options: GlbOptions = AS_BUILT,
) -> bytes:
    """What `write_vrm` writes."""
    check_options(options)
    missing = [bone for bone in REQUIRED_BONES if bone not in bust.skeleton.names]
    if missing:
        raise ValueError(f"VRM requires bones that the skeleton lacks: {', '.join(missing)}")
    bust = tailored(grounded(bust), replace(options, pose="T"))
    builder = GltfBuilder()
    scene = add_bust(builder, bust, toning="mtoon", options=options)
    terms = licence if isinstance(licence, VrmLicence) else LICENCES[licence]
    meta = _meta(name, OWNER if author is None else author, terms)
    if thumbnail is not None:
        meta["thumbnailImage"] = builder.image(_jpeg(thumbnail), "thumbnail")
    builder.use_extensions("VRMC_vrm")
    builder.document["extensions"] = {
        "VRMC_vrm": {
            "specVersion": "1.0",
            "meta": meta,
            "humanoid": {"humanBones": _human_bones(scene)},
            "firstPerson": {"meshAnnotations": _annotations(bust, scene)},
            "lookAt": _look_at(bust.skeleton),
            "expressions": _expressions(bust, scene, options.morph_names()),
        }
    }
    return builder.glb()


def _meta(name: str, author: str, licence: VrmLicence) -> dict[str, Any]:
    VrmMeta(name, author).check()
    other = {} if licence.other_url is None else {"otherLicenseUrl": licence.other_url}
    return {
        "name": name,
        "version": "1.0",
        "authors": [author],
        "licenseUrl": LICENSE_URL,
        **other,
        "avatarPermission": licence.avatar_permission,
        "allowExcessivelyViolentUsage": licence.allow_violent,
        "allowExcessivelySexualUsage": licence.allow_sexual,
        "commercialUsage": licence.commercial_usage,
        "allowPoliticalOrReligiousUsage": licence.allow_political_or_religious,
        "allowAntisocialOrHateUsage": licence.allow_antisocial_or_hate,
        "creditNotation": licence.credit_notation,
        "allowRedistribution": licence.allow_redistribution,
        "modification": licence.modification,
    }


def _human_bones(scene: Scene) -> dict[str, dict[str, int]]:
    names = (*REQUIRED_BONES, *OPTIONAL_BONES)
    return {bone: {"node": scene.bones[bone]} for bone in names if bone in scene.bones}


def _annotations(bust: Bust, scene: Scene) -> list[dict[str, Any]]:
    """What a player sees of the own avatar: nothing that hangs on the head alone."""
    names = bust.skeleton.names
    head = {names.index("head")}
    for joint, parent in enumerate(bust.skeleton.parents):
        if parent in head:
            head.add(joint)
    out = []
    for part in bust.parts:
        if part.name not in scene.meshes:
            continue
        share = (part.weights * np.isin(part.joints, list(head))).sum(1)
        if share.min(initial=1.0) > 0.5:
            kind = "thirdPersonOnly"
        else:
            kind = "both" if share.max(initial=0.0) <= 0.0 else "auto"
        out.append({"node": scene.meshes[part.name], "type": kind})
    return out


def _look_at(skeleton: Skeleton) -> dict[str, Any]:
    """Gaze by expressions, not eye bones: the look actions move the lids along with the eyes."""
    heads = dict(zip(skeleton.names, skeleton.heads.astype(np.float64), strict=True))
    offset = np.array([0.0, 0.06, 0.0])
    if "leftEye" in heads and "rightEye" in heads:
        offset = 0.5 * (heads["leftEye"] + heads["rightEye"]) - heads["head"]
    limits = {
        "rangeMapHorizontalInner": GAZE_INWARD_DEG,
        "rangeMapHorizontalOuter": GAZE_OUTWARD_DEG,
        "rangeMapVerticalDown": GAZE_DOWN_DEG,
        "rangeMapVerticalUp": GAZE_UP_DEG,
    }
    ranges = {key: {"inputMaxValue": deg, "outputScale": 1.0} for key, deg in limits.items()}
    return {"type": "expression", "offsetFromHeadBone": offset.tolist(), **ranges}


def _expressions(bust: Bust, scene: Scene, names: Sequence[str]) -> dict[str, Any]:
    """All presets, of the morph targets that there are, and each target by its own name."""
    presets = {}
    for preset, mixture in VRM_PRESETS.items():
        record = _expression(bust.parts, scene, mixture, names)
        record["overrideBlink"] = BLINK_OVERRIDE.get(preset, "none")
        record["overrideMouth"] = MOUTH_OVERRIDE.get(preset, "none")
        record["overrideLookAt"] = "none"
        presets[preset] = record
    custom = {name: _expression(bust.parts, scene, {name: 1.0}, names) for name in names}
    return {"preset": presets, "custom": custom}


def _expression(
    parts: tuple[Part, ...], scene: Scene, mixture: Mapping[str, float], names: Sequence[str]
) -> dict[str, Any]:
    """A record with one bind for every part that an action of `mixture` moves."""
    binds = [
        {"node": scene.meshes[part.name], "index": names.index(name), "weight": weight}
        for name, weight in mixture.items()
        if name in names
        for part in parts
        if name in part.morphs and part.name in scene.meshes
    ]
    return {"isBinary": False, **({"morphTargetBinds": binds} if binds else {})}


def _jpeg(image: ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", quality=90)
    return out.getvalue()
