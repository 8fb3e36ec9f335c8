"""Files with options in other programs: Khronos' validator and three.js' loader."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from node_programs import node
from scipy.spatial import cKDTree
from synthetic_bust import synthetic_bust

from portraiture.export.gltf import write_glb
from portraiture.export.options import GlbOptions, parse_morphs
from portraiture.export.skeleton import grounded
from portraiture.export.tailor import tailored
from portraiture.export.vrm import write_vrm
from portraiture.render.pose import posed
from portraiture.types import Bust

VISEMES = parse_morphs("ARKit,Oculus Visemes,mouthOpen")
OPTIONS = {
    "default": GlbOptions(),
    "meshopt": GlbOptions(meshopt=True),
    "lod1_atlas": GlbOptions(lod=1, texture_atlas=512),
    "web": GlbOptions(lod=1, texture_atlas=1024, texture_format="webp", meshopt=True),
    "visemes": GlbOptions(lod=2, morphs=VISEMES, meshopt=True, texture_size=256, pose="A"),
    "png_T": GlbOptions(texture_format="png", pose="T", morphs=("eyesClosed", "jawOpen")),
    "bare": GlbOptions(texture_channels=frozenset(), morphs=(), texture_format="jpeg"),
    "color": GlbOptions(texture_channels=frozenset({"baseColor"}), texture_atlas=256),
}
UNKNOWN_TO_THE_VALIDATOR = {"UNSUPPORTED_EXTENSION"}
"""It knows neither VRM nor meshopt."""


@pytest.fixture(scope="module")
def bust() -> Bust:
    """The synthetic one, with a part whose texture repeats."""
    base = synthetic_bust()
    skin = base.part("skin")
    cloth = dataclasses.replace(
        skin, name="clothes", uv=3 * skin.uv - 1, morphs={}, vertices=1.05 * skin.vertices
    )
    return dataclasses.replace(base, parts=(*base.parts, cloth))


@pytest.fixture(scope="module")
def files(bust: Bust, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("options")
    inked = tuple(
        dataclasses.replace(p, material=dataclasses.replace(p.material, finish="ink"))
        for p in bust.parts
    )
    flat = dataclasses.replace(bust, parts=inked)
    out = {}
    for name, options in OPTIONS.items():
        for kind, one in (("lit", bust), ("ink", flat)):
            out[f"{kind}_{name}"] = folder / f"{kind}_{name}.glb"
            write_glb(one, out[f"{kind}_{name}"], options)
    out["vrm"] = folder / "a.vrm"
    options = GlbOptions(lod=1, texture_atlas=512, morphs=VISEMES)
    write_vrm(bust, out["vrm"], name="Someone", options=options)
    return out


@pytest.mark.node
def test_the_validator_has_nothing_to_say(files):
    for report in node("validate.mjs", *files.values()):
        issues = report["issues"]
        codes = {message["code"] for message in issues["messages"]}
        assert issues["numErrors"] == issues["numWarnings"] == 0, (report["path"], codes)
        without_use = {"UNUSED_OBJECT"} if "bare" in report["path"] else set()
        assert codes <= UNKNOWN_TO_THE_VALIDATOR | without_use, report["path"]


@pytest.mark.node
@pytest.mark.parametrize("name", ["meshopt", "web", "visemes", "lod1_atlas"])
def test_three_shows_the_bust(files, bust: Bust, name: str):
    weights = {"jawOpen": 0.6, "browInnerUp": 0.3}
    seen = node("load_glb.mjs", files[f"lit_{name}"], json.dumps(weights))
    assert seen["complaints"] == []
    options = OPTIONS[name]
    expected = tailored(grounded(bust), options)
    assert set(seen["meshes"]) == {part.name for part in expected.parts}
    if name == "web":
        assert set(seen["images"]) == {"image/webp"}
    for part in expected.parts:
        mesh = seen["meshes"][part.name]
        points = np.reshape(mesh["points"], (-1, 3))
        corners = points[np.reshape(mesh["triangles"], (-1, 3))]
        truth = posed(part, weights)[part.faces]
        assert len(corners) <= len(truth)
        for one, other in ((corners, truth), (truth, corners)):
            distance, _ = cKDTree(one.mean(1)).query(other.mean(1))
            assert distance.max() < 1e-4
        assert mesh["targets"] == (list(options.morph_names()) if part.morphs else [])
