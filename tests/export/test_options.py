"""Options: what is written without them, how they are asked for, and what is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from itertools import pairwise

import numpy as np
import pytest
from glb_reader import Glb
from PIL import Image
from synthetic_bust import synthetic_bust

from portraiture.errors import ExportError
from portraiture.export.arkit import ARKIT_NAMES
from portraiture.export.gltf import glb_bytes, write_glb
from portraiture.export.options import AS_BUILT, GlbOptions, parse_morphs
from portraiture.export.skeleton import A_POSE, grounded
from portraiture.export.tailor import tailored
from portraiture.export.visemes import MIXTURES, VISEME_NAMES
from portraiture.export.vrm import vrm_bytes
from portraiture.types import Bust

OCULUS = "sil PP FF TH DD kk CH SS nn RR aa E I O U"


@pytest.fixture(scope="module")
def bust() -> Bust:
    return synthetic_bust()


def test_without_options_the_document_is_the_one_of_before_there_were_any(bust: Bust):
    """The hash is that of the exporter without options; sizes of images depend on their encoder."""
    document = Glb(glb_bytes(bust)).json
    for name in ("bufferViews", "buffers"):
        del document[name]
    for accessor in document["accessors"]:
        accessor.pop("min", None), accessor.pop("max", None)
    text = json.dumps(document, sort_keys=True).encode()
    assert hashlib.sha256(text).hexdigest()[:16] == "33c3114105808ec2"
    assert glb_bytes(bust, GlbOptions()) == glb_bytes(bust)


def test_without_options_a_bust_stays_as_it_is(bust: Bust):
    stood = grounded(bust)
    same = tailored(stood, AS_BUILT)
    assert all(a is b for a, b in zip(same.parts, stood.parts, strict=True))
    assert same.skeleton is stood.skeleton


def test_groups_and_names_combine():
    assert parse_morphs("ARKit") == ARKIT_NAMES
    assert parse_morphs("oculus  visemes") == VISEME_NAMES
    assert parse_morphs("none") == ()
    both = parse_morphs("ARKit, Oculus Visemes,mouthOpen, jawOpen")
    assert both == (*ARKIT_NAMES, *VISEME_NAMES, "mouthOpen")
    assert tuple("viseme_" + name for name in OCULUS.split()) == VISEME_NAMES


@pytest.mark.parametrize("text", ["", "jawopen", "ARKit,none", "viseme_pp", "a" * 500, "jawOpen,,"])
def test_unknown_names_are_refused_in_a_sentence(text: str):
    with pytest.raises(ExportError) as refusal:
        parse_morphs(text)
    assert len(str(refusal.value)) < 120
    assert str(refusal.value)[-1] in ".?"


@pytest.mark.parametrize(
    "values",
    [
        {"lod": 3}, {"lod": True}, {"texture_size": 100}, {"texture_format": "gif"},
        {"texture_atlas": 4096}, {"texture_channels": frozenset({"color"})}, {"pose": "X"},
        {"morphs": ("jawOpen", "jawOpen")}, {"morphs": ("nose",)},
    ],
)  # fmt: skip
def test_values_that_do_not_exist_are_refused(values: dict):
    with pytest.raises(ExportError):
        GlbOptions(**values)


def test_mixtures_are_sums_of_actions(bust: Bust):
    options = GlbOptions(morphs=("viseme_O", "jawOpen", "viseme_sil"))
    glb = Glb(glb_bytes(bust, options))
    mesh = glb.mesh("skin")
    assert mesh["extras"]["targetNames"] == list(options.morphs or ())
    skin = bust.part("skin")
    expected = np.zeros((2, *skin.vertices.shape))
    for name, weight in MIXTURES["viseme_O"].items():
        if name in skin.morphs:
            expected[0, skin.morphs[name].indices] += weight * skin.morphs[name].deltas
    expected[1, skin.morphs["jawOpen"].indices] = skin.morphs["jawOpen"].deltas
    targets = [glb.accessor(t["POSITION"]) for t in mesh["primitives"][0]["targets"]]
    np.testing.assert_allclose(targets[:2], expected, atol=1e-6)
    assert not targets[2].any()
    assert all(set(m) <= set(ARKIT_NAMES) for m in MIXTURES.values())
    assert all(0.0 < w <= 1.0 for m in MIXTURES.values() for w in m.values())


def test_none_writes_no_targets(bust: Bust):
    for mesh in Glb(glb_bytes(bust, GlbOptions(morphs=()))).json["meshes"]:
        assert "targets" not in mesh["primitives"][0] and "weights" not in mesh


def formats(glb: Glb) -> dict[str, Image.Image]:
    images = {}
    for record in glb.json["images"]:
        image = Image.open(io.BytesIO(glb.view(record["bufferView"])))
        assert record["mimeType"] == f"image/{(image.format or '').lower()}"
        images[record["name"]] = image
    return images


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_texture_formats_and_sizes(bust: Bust, form):
    big = bust.part("hair").material
    wide = np.repeat(np.repeat(big.base_color, 3, 0), 5, 1)
    hair = dataclasses.replace(
        bust.part("hair"), material=dataclasses.replace(big, base_color=wide)
    )
    parts = tuple(hair if part.name == "hair" else part for part in bust.parts)
    options = GlbOptions(texture_format=form, texture_size=256)
    glb = Glb(glb_bytes(dataclasses.replace(bust, parts=parts), options))
    images = formats(glb)
    assert images["hair_color"].size == (256, 153)
    assert images["skin_normal"].size == (128, 128)
    for name, image in images.items():
        alpha = name in ("hair_color", "glasses_lenses_color")
        assert image.format == ("PNG" if alpha and form == "jpeg" else form.upper())
        assert image.mode == "RGBA" if alpha else image.mode in ("RGB", "L")
    assert ("EXT_texture_webp" in glb.json.get("extensionsRequired", ())) == (form == "webp")
    skin = np.array(images["skin_color"], float)
    assert np.abs(skin - bust.part("skin").material.base_color[..., :3]).mean() < 1.5


def test_channels_left_out_become_factors(bust: Bust):
    glb = Glb(glb_bytes(bust, GlbOptions(texture_channels=frozenset({"emissive"}))))
    skin, hair = glb.material("skin"), glb.material("hair")
    assert "normalTexture" not in skin
    assert "TANGENT" not in glb.mesh("skin")["primitives"][0]["attributes"]
    surface = skin["pbrMetallicRoughness"]
    assert not {"baseColorTexture", "metallicRoughnessTexture"} & set(surface)
    material = bust.part("skin").material
    assert surface["roughnessFactor"] == pytest.approx(material.roughness.mean() / 255, abs=1e-6)
    mean = material.base_color[..., :3].reshape(-1, 3).mean(0) / 255
    np.testing.assert_allclose(surface["baseColorFactor"][:3], mean**2.2, atol=0.03)
    assert "baseColorTexture" in hair["pbrMetallicRoughness"]


@pytest.mark.parametrize(("pose", "down"), [("A", A_POSE), ("T", 0.0)])
def test_arms_hang_at_the_pose_s_angle(bust: Bust, pose, down: float):
    bones = Glb(glb_bytes(bust, GlbOptions(pose=pose))).bones()
    before = Glb(glb_bytes(bust)).bones()
    for side, sign in (("left", 1.0), ("right", -1.0)):
        joints = [f"{side}{name}" for name in ("UpperArm", "LowerArm", "Hand")]
        for start, end in pairwise(joints):
            bone = bones[end] - bones[start]
            length = np.linalg.norm(before[end] - before[start])
            expected = length * np.array([sign * np.cos(down), -np.sin(down), 0.0])
            np.testing.assert_allclose(bone, expected, atol=1e-6)


def test_write_glb_takes_options(bust: Bust, tmp_path):
    options = GlbOptions(lod=2, meshopt=True)
    write_glb(bust, tmp_path / "a.glb", options)
    assert (tmp_path / "a.glb").read_bytes() == glb_bytes(bust, options)


def test_a_vrm_takes_what_it_allows(bust: Bust):
    for refused in (
        GlbOptions(meshopt=True), GlbOptions(texture_format="webp"), GlbOptions(pose="A"),
    ):  # fmt: skip
        with pytest.raises(ExportError):
            vrm_bytes(bust, name="x", options=refused)
    options = GlbOptions(morphs=("viseme_aa", "eyeBlinkLeft"), texture_atlas=256)
    vrm = Glb(vrm_bytes(bust, name="x", options=options)).json
    expressions = vrm["extensions"]["VRMC_vrm"]["expressions"]
    assert list(expressions["custom"]) == ["viseme_aa", "eyeBlinkLeft"]
    (blink,) = expressions["preset"]["blink"]["morphTargetBinds"]
    assert blink["index"] == 1
    assert vrm["nodes"][blink["node"]]["name"] == "skin"
    assert "morphTargetBinds" not in expressions["preset"]["ou"]
