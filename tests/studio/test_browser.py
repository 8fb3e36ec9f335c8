"""The page in Chromium: see browser/studio.mjs for what is done in it.

``npm ci`` in tests/studio/browser installs playwright-core; `CHROMIUM` names the browser, by
default /usr/bin/chromium. `STUDIO_SHOTS` names a folder that keeps the screenshots.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from glb_reader import Glb
from PIL import Image

from portraiture.avatar import Avatar
from portraiture.export.gltf import glb_bytes
from portraiture.photo.demo_photo import demo_photo

BROWSER = Path(__file__).parent / "browser"
TIMEOUT_S = 1800
WEIGHT = 300_000


@pytest.fixture
def address() -> Iterator[str]:
    command = [sys.executable, "-m", "portraiture.cli", "studio", "--no-browser", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if found := re.search(r"http://\S+", line):
                    yield found[0]
                    break
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.browser
@pytest.mark.timeout(TIMEOUT_S)
def test_the_studio_in_chromium(address: str, tmp_path: Path) -> None:
    if shutil.which("node") is None or not (BROWSER / "node_modules").is_dir():
        pytest.skip("install node and run `npm ci` in tests/studio/browser first")
    out = Path(os.environ.get("STUDIO_SHOTS", tmp_path))
    done = subprocess.run(
        ["node", "studio.mjs", address, str(demo_photo()), str(out)],
        cwd=BROWSER, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    print(json.dumps(measured, indent=1))
    assert measured["problems"] == []
    assert measured["page_bytes"] < WEIGHT
    assert measured["preview_before_answer"]
    assert measured["preview_moved_mm"] > 1.0
    assert measured["preview_error_mm"] < 0.05
    assert measured["undo_error_mm"] == measured["redo_error_mm"] == 0.0
    assert "hair" in measured["sent_for_hair"]
    assert not {"clothes", "eye_left"} & set(measured["sent_for_hair"])
    assert measured["before_shows_original"]
    assert measured["jaw_open"] == pytest.approx(0.4)
    assert measured["rest"] == {"yaw": 0, "sharp": True}
    assert (measured["neutral_brow"], measured["undone_brow"]) == (0.0, 0.8)
    assert measured["undo_of_two_controls"] == 2
    assert measured["undo_of_keys"] == measured["undo_after_reload"] == 1
    assert measured["kept_by_cancel"]
    assert measured["focus_after_cancel"] == "Random person"
    assert measured["cancel_ms"] < 2000
    assert measured["first_avatar_ms"] < 5000
    assert measured["head_frames_per_s"] > 2.0
    assert measured["head_sharp_ms"] < 20_000
    assert measured["phone_overflow_px"] <= 0
    _check_files(out)


def _check_files(out: Path) -> None:
    """The downloads are whole: ARKit's expressions in the GLB, the edits in the JSON."""
    avatar = Avatar.load(out / "avatar.json")
    assert avatar.parameters.shape["nose_scale_vert"] == pytest.approx(0.95)
    assert avatar.parameters.hair_redness == pytest.approx(0.75)
    assert (out / "avatar.glb").read_bytes() == glb_bytes(avatar.bust(expression=avatar.expression))
    glb = Glb(out / "avatar.glb")
    names = {mesh["name"]: mesh for mesh in glb.json["meshes"]}
    assert {"skin", "eye_left", "hair", "clothes"} <= set(names)
    assert len(names["skin"]["extras"]["targetNames"]) == 52
    with Image.open(out / "avatar.png") as image:
        assert image.size == (1536, 1536)
        assert len(image.convert("RGB").getcolors(1536 * 1536) or []) > 10_000
