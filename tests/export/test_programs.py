"""The files in other programs: Khronos' validator, three-vrm in Node, Blender.

``npm ci`` in tests/node installs the first two; `PORTRAITURE_BLENDER_PYTHON` names a Python that
has bpy, where that is not this one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from node_programs import node
from synthetic_bust import synthetic_bust

from portraiture.export.arkit import ARKIT_NAMES
from portraiture.export.gltf import write_glb
from portraiture.export.vrm import REQUIRED_BONES, write_vrm
from portraiture.render.pose import posed

RISE = np.array([0.0, 0.81, 0.0])


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("programs")
    bust = synthetic_bust()
    write_glb(bust, folder / "a.glb")
    write_vrm(bust, folder / "a.vrm", name="Someone")
    return folder / "a.glb", folder / "a.vrm"


@pytest.mark.node
def test_the_validator_has_nothing_to_say(files):
    for report in node("validate.mjs", *files):
        issues = report["issues"]
        codes = [message["code"] for message in issues["messages"]]
        assert issues["numErrors"] == issues["numWarnings"] == issues["numHints"] == 0, codes
        allowed = ["UNSUPPORTED_EXTENSION"] if report["path"].endswith(".vrm") else []
        assert codes == allowed


@pytest.mark.node
def test_three_vrm_loads_and_moves_it(files):
    seen = node("load_vrm.mjs", files[1])
    assert seen["complaints"] == []
    assert (seen["metaVersion"], seen["name"]) == ("1", "Someone")
    assert seen["missing"] == []
    assert set(REQUIRED_BONES) <= set(seen["bones"])
    assert len(seen["presets"]) == 18
    assert seen["custom"] == list(ARKIT_NAMES)
    assert all(names == list(ARKIT_NAMES) for names in seen["targets"].values())
    assert seen["turned"] == 0
    assert seen["rest"]["head"][1] > seen["rest"]["hips"][1] > seen["rest"]["leftFoot"][1] > 0
    arm = np.array([seen["rest"][n] for n in ("leftUpperArm", "leftLowerArm", "leftHand")])
    assert np.ptp(arm[:, 1:], axis=0).max() < 1e-5
    assert (np.diff(arm[:, 0]) > 0.1).all()
    assert seen["shown"]["blink"]["skin"] == {"eyeBlinkLeft": 1, "eyeBlinkRight": 1}
    assert seen["shown"]["jawOpen"]["skin"] == {"jawOpen": 1}
    assert set(seen["shown"]["gazeLeft"]["skin"]) == {"eyeLookOutLeft", "eyeLookInRight"}


@pytest.mark.node
def test_the_report_s_reader_morphs_as_the_renderer_does(files):
    bust = synthetic_bust()
    weights = {"jawOpen": 0.7, "eyeLookInLeft": 0.4, "browInnerUp": 0.2}
    seen = node("read_glb.mjs", files[0], json.dumps(weights))
    for part in bust.parts:
        mesh = seen["meshes"][part.name]
        position = np.reshape(mesh["position"], (-1, 3))
        np.testing.assert_allclose(position, posed(part, weights) + RISE, atol=1e-5)
        assert (mesh["kind"], mesh["alphaMode"].lower()) == (
            part.material.kind,
            part.material.alpha_mode,
        )
        assert set(mesh["moving"]) == set(part.morphs)
        assert mesh["names"] == (list(ARKIT_NAMES) if part.morphs else [])
    normal = np.reshape(seen["meshes"]["skin"]["normal"], (-1, 3))
    assert np.abs(normal - bust.part("skin").normals).max() > 0.05
    np.testing.assert_allclose(seen["bones"]["head"], [0, 0.86 + 0.81, 0.02], atol=1e-6)
    assert seen["expression"] == bust.expression
    assert {image["type"] for image in seen["images"]} == {"image/png", "image/jpeg"}


@pytest.mark.blender
def test_blender_imports_armature_and_shape_keys(files, tmp_path):
    python = os.environ.get("PORTRAITURE_BLENDER_PYTHON", sys.executable)
    probe = subprocess.run([python, "-c", "import bpy"], capture_output=True)
    if probe.returncode != 0:
        pytest.skip("bpy cannot be imported; set PORTRAITURE_BLENDER_PYTHON")
    script = Path(__file__).with_name("check_blender.py")
    command = [python, str(script), str(files[0]), str(tmp_path / "seen.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen = json.loads((tmp_path / "seen.json").read_text())
    bust = synthetic_bust()
    assert len(seen["armatures"]) == 1
    assert sorted(seen["bones"]) == sorted(bust.skeleton.names)
    assert sorted(seen["meshes"]) == sorted(part.name for part in bust.parts)
    for part in bust.parts:
        mesh = seen["meshes"][part.name]
        assert mesh["armature"]
        assert mesh["images"]
        assert mesh["keys"] == (["Basis", *ARKIT_NAMES] if part.morphs else [])
        low, high = part.vertices.min(0) + RISE, part.vertices.max(0) + RISE
        np.testing.assert_allclose(mesh["low"], [low[0], -high[2], low[1]], atol=1e-4)
        np.testing.assert_allclose(mesh["high"], [high[0], -low[2], high[1]], atol=1e-4)
