from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from glb_reader import Glb
from synthetic_bust import synthetic_bust

from portraiture.errors import AvatarError
from portraiture.export.arkit import ARKIT_NAMES
from portraiture.export.expressions import VRM_PRESETS
from portraiture.export.skeleton import grounded, t_posed
from portraiture.export.vrm import REQUIRED_BONES, vrm_bytes, write_vrm
from portraiture.types import Bust, Licence

PRESETS = """
    happy angry sad relaxed surprised aa ih ou ee oh blink blinkLeft blinkRight
    lookUp lookDown lookLeft lookRight neutral
"""


@pytest.fixture(scope="module")
def bust() -> Bust:
    return synthetic_bust()


@pytest.fixture(scope="module")
def vrm(bust: Bust) -> Glb:
    return Glb(vrm_bytes(bust, name="Someone", author="Me"))


def extension(vrm: Glb) -> dict:
    assert vrm.json["extensionsUsed"] == ["VRMC_vrm"]
    return vrm.json["extensions"]["VRMC_vrm"]


def test_meta(vrm: Glb):
    record = extension(vrm)
    assert record["specVersion"] == "1.0"
    assert record["meta"]["name"] == "Someone"
    assert record["meta"]["authors"] == ["Me"]
    assert record["meta"]["licenseUrl"] == "https://vrm.dev/licenses/1.0/"


def meta_of(bust: Bust, licence: Licence) -> dict:
    return extension(Glb(vrm_bytes(bust, name="x", licence=licence)))["meta"]


def test_by_default_the_owner_may_use_and_change_it_and_others_may_not(bust: Bust):
    meta = extension(Glb(vrm_bytes(bust, name="x")))["meta"]
    assert meta == meta_of(bust, "private")
    assert meta["avatarPermission"] == "onlyAuthor"
    assert meta["modification"] == "allowModification"
    assert (meta["commercialUsage"], meta["allowRedistribution"]) == ("corporation", False)
    assert meta["creditNotation"] == "unnecessary"
    assert meta["authors"] == ["Owner of this avatar"]


@pytest.mark.parametrize(
    ("licence", "other", "credit", "anything"),
    [
        ("vrm-public", None, "required", False),
        ("cc-by", "https://creativecommons.org/licenses/by/4.0/", "required", True),
        ("cc0", "https://creativecommons.org/publicdomain/zero/1.0/", "unnecessary", True),
    ],
)
def test_open_licences(
    bust: Bust, licence: Licence, other: str | None, credit: str, anything: bool
):
    meta = meta_of(bust, licence)
    assert meta["licenseUrl"] == "https://vrm.dev/licenses/1.0/"
    assert meta.get("otherLicenseUrl") == other
    assert meta["avatarPermission"] == "everyone"
    assert meta["modification"] == "allowModificationRedistribution"
    assert (meta["commercialUsage"], meta["allowRedistribution"]) == ("corporation", True)
    assert meta["creditNotation"] == credit
    for usage in (
        "allowExcessivelyViolentUsage",
        "allowExcessivelySexualUsage",
        "allowPoliticalOrReligiousUsage",
        "allowAntisocialOrHateUsage",
    ):
        assert meta[usage] is anything


def test_blank_names_and_names_that_are_no_text_are_refused(bust: Bust):
    for changes in ({"name": " "}, {"author": ""}, {"author": "\udce9"}):
        with pytest.raises(AvatarError):
            vrm_bytes(bust, **{"name": "x", **changes})


def test_humanoid(vrm: Glb):
    bones = extension(vrm)["humanoid"]["humanBones"]
    assert set(REQUIRED_BONES) <= set(bones)
    for bone, record in bones.items():
        assert vrm.json["nodes"][record["node"]]["name"] == bone
    assert len({record["node"] for record in bones.values()}) == len(bones)


def test_a_skeleton_without_hands_is_refused(bust: Bust):
    names = tuple(name.replace("leftHand", "leftPaw") for name in bust.skeleton.names)
    odd = dataclasses.replace(bust, skeleton=dataclasses.replace(bust.skeleton, names=names))
    with pytest.raises(ValueError, match="leftHand"):
        vrm_bytes(odd, name="x")


def test_arms_are_level_and_keep_their_length(bust: Bust, vrm: Glb):
    bones = vrm.bones()
    for side, direction in (("left", 1.0), ("right", -1.0)):
        chain = [f"{side}{bone}" for bone in ("UpperArm", "LowerArm", "Hand")]
        built = [bust.skeleton.heads[bust.skeleton.names.index(name)] for name in chain]
        for k in (0, 1):
            bone = bones[chain[k + 1]] - bones[chain[k]]
            length = np.linalg.norm(built[k + 1] - built[k])
            np.testing.assert_allclose(bone, [direction * length, 0, 0], atol=1e-6)


def test_lowering_the_arms_again_restores_the_built_mesh(bust: Bust):
    """Linear blend skinning, joint by joint and vertex by vertex, with matrices made here."""
    bust = grounded(bust)
    posed = t_posed(bust)
    names, heads, flat = bust.skeleton.names, bust.skeleton.heads, posed.skeleton.heads
    back = np.tile(np.eye(4), (len(names), 1, 1))
    for side in ("left", "right"):
        upper, lower, hand = (names.index(side + n) for n in ("UpperArm", "LowerArm", "Hand"))
        for start, end in ((upper, lower), (lower, hand)):
            a = (flat[end] - flat[start]) / np.linalg.norm(flat[end] - flat[start])
            b = (heads[end] - heads[start]) / np.linalg.norm(heads[end] - heads[start])
            axis = np.cross(a, b)
            axis /= np.linalg.norm(axis)
            angle = np.arccos(a @ b)
            K = np.cross(axis, np.eye(3)).T
            R = np.eye(3) + np.sin(angle) * K + (1 - np.cos(angle)) * K @ K
            np.testing.assert_allclose(R @ a, b, atol=1e-6)
            back[start, :3, :3] = R
            back[start, :3, 3] = heads[start] - R @ flat[start]
    for built, moved in zip(bust.parts, posed.parts, strict=True):
        for v in range(0, len(built.vertices), 7):
            M = sum(w * back[j] for j, w in zip(built.joints[v], built.weights[v], strict=True))
            again = M @ np.append(moved.vertices[v], 1.0)
            np.testing.assert_allclose(again[:3], built.vertices[v], atol=2e-6)
            for name in ("browDownLeft", "jawOpen"):
                if name not in built.morphs or v not in built.morphs[name].indices:
                    continue
                k = int(np.flatnonzero(built.morphs[name].indices == v)[0])
                delta = M[:3, :3] @ moved.morphs[name].deltas[k]
                np.testing.assert_allclose(delta, built.morphs[name].deltas[k], atol=1e-6)
    skin = posed.part("skin")
    assert np.abs(skin.vertices - bust.part("skin").vertices).max() > 0.02
    np.testing.assert_allclose(np.linalg.norm(skin.normals, axis=1), 1, atol=1e-6)
    assert posed.part("hair") is bust.part("hair")


def test_all_presets_and_all_actions(bust: Bust, vrm: Glb):
    expressions = extension(vrm)["expressions"]
    assert set(expressions["preset"]) == set(PRESETS.split()) == set(VRM_PRESETS)
    assert list(expressions["custom"]) == list(ARKIT_NAMES)
    for name, record in expressions["custom"].items():
        bound = set()
        for bind in record.get("morphTargetBinds", ()):
            mesh = vrm.json["meshes"][vrm.json["nodes"][bind["node"]]["mesh"]]
            assert mesh["extras"]["targetNames"][bind["index"]] == name
            assert bind["weight"] == 1.0
            bound.add(mesh["name"])
        assert bound == {part.name for part in bust.parts if name in part.morphs}


def test_presets_mix_known_actions():
    for mixture in VRM_PRESETS.values():
        assert set(mixture) <= set(ARKIT_NAMES)
        assert all(0 < weight <= 1 for weight in mixture.values())
    assert VRM_PRESETS["neutral"] == {}
    assert VRM_PRESETS["lookLeft"] == {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0}
    mirrored = {
        name.replace("Left", "#").replace("Right", "Left").replace("#", "Right"): weight
        for name, weight in VRM_PRESETS["lookLeft"].items()
    }
    assert mirrored == VRM_PRESETS["lookRight"]


def test_gaze_and_first_person(vrm: Glb):
    record = extension(vrm)
    assert record["lookAt"]["type"] == "expression"
    np.testing.assert_allclose(record["lookAt"]["offsetFromHeadBone"], [0.0, 0.04, 0.1], atol=1e-6)
    notes = {
        vrm.json["nodes"][note["node"]]["name"]: note["type"]
        for note in record["firstPerson"]["meshAnnotations"]
    }
    assert notes["hair"] == notes["eye_left"] == "thirdPersonOnly"
    assert notes["skin"] == "auto"


def test_thumbnail_and_determinism(bust: Bust, tmp_path):
    picture = np.zeros((64, 64, 3), np.uint8)
    write_vrm(bust, tmp_path / "a.vrm", name="x", thumbnail=picture)
    write_vrm(bust, tmp_path / "b.vrm", name="x", thumbnail=picture)
    first = (tmp_path / "a.vrm").read_bytes()
    assert first == (tmp_path / "b.vrm").read_bytes()
    vrm = Glb(first)
    image = vrm.json["images"][extension(vrm)["meta"]["thumbnailImage"]]
    assert image["name"] == "thumbnail"
    assert json.dumps(vrm.json).count("thumbnailImage") == 1
