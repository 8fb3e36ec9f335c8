"""Addresses in the names of hosted services give the options that they mean, the same options the
same file; values that do not exist are refused in a sentence that names them."""

from __future__ import annotations

from math import radians

import pytest

from portraiture.errors import ExportError
from portraiture.export.arkit import ARKIT_NAMES
from portraiture.export.options import GlbOptions
from portraiture.service.problems import ProblemError
from portraiture.service.queries import (
    Picture,
    glb_options,
    glb_options_of,
    key_of,
    picture,
    picture_of,
    record_of,
)

EVERYTHING = {
    "lod": "1",
    "textureSizeLimit": "512",
    "textureAtlas": "1024",
    "textureFormat": "webp",
    "textureChannels": "baseColor,normal",
    "morphTargets": "ARKit,mouthOpen",
    "pose": "T",
    "useMeshOptCompression": "true",
}


def test_nothing_asked_is_the_file_as_it_was_written() -> None:
    assert glb_options({}) == GlbOptions()
    assert glb_options({"v": "3", "utm_source": "x"}) == GlbOptions()


def test_every_name_of_a_glb() -> None:
    assert glb_options(EVERYTHING) == GlbOptions(
        lod=1, texture_size=512, texture_atlas=1024, texture_format="webp",
        texture_channels=frozenset({"baseColor", "normal"}),
        morphs=(*ARKIT_NAMES, "mouthOpen"), pose="T", meshopt=True,
    )  # fmt: skip
    assert glb_options({"morphTargets": "none"}).morphs == ()
    assert glb_options({"textureAtlas": "none"}).texture_atlas is None
    assert glb_options({"meshLod": "2"}).lod == 2


def test_names_override_a_quality() -> None:
    low = glb_options({"quality": "low"})
    assert low.lod == 2 and low.texture_atlas == 256
    assert glb_options({"quality": "low", "lod": "0"}).lod == 0
    assert glb_options({"quality": "low", "lod": "0"}).texture_atlas == 256


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lod", "3"), ("lod", "one"), ("lod", ""), ("textureSizeLimit", "1000"),
        ("textureAtlas", "0"), ("textureFormat", "gif"), ("textureChannels", "colour"),
        ("pose", "sitting"), ("useMeshOptCompression", "yes"), ("quality", "best"),
    ],
)  # fmt: skip
def test_values_that_do_not_exist(name: str, value: str) -> None:
    with pytest.raises(ProblemError, match=f"^{name}: .*[.]$") as caught:
        glb_options({name: value})
    assert caught.value.status == 422


def test_morphs_that_do_not_exist() -> None:
    with pytest.raises(ExportError, match="mouthOpem"):
        glb_options({"morphTargets": "mouthOpem"})


def test_a_picture() -> None:
    asked = picture(
        {"size": "256", "yaw": "90", "pitch": "-10", "expression": "lol", "background": "1,2,255"}
    )
    assert asked == Picture(256, radians(90), radians(-10), "lol", (1, 2, 255))
    assert picture({}, largest=512).size == 512


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", "15"), ("size", "1025"), ("size", "nan"), ("yaw", "181"), ("yaw", "inf"),
        ("pitch", "-46"), ("expression", "smug"), ("background", "1,2"), ("background", "red"),
        ("background", "1,2,256"), ("camera", "fullbody"), ("camera", "top"),
    ],
)  # fmt: skip
def test_pictures_that_cannot_be(name: str, value: str) -> None:
    with pytest.raises(ProblemError, match=f"^{name}: .*[.]$"):
        picture({name: value})


def test_options_go_through_a_job_and_come_back() -> None:
    options, asked = glb_options(EVERYTHING), picture({"background": "0,0,0"})
    assert glb_options_of(record_of(options)) == options
    assert picture_of(record_of(asked)) == asked


def test_a_key_tells_all_options_apart() -> None:
    keys = {key_of(GlbOptions())}
    for name, value in EVERYTHING.items():
        key = key_of(glb_options({name: value}))
        assert key not in keys, name
        assert key == key_of(glb_options({name: value}))
        keys.add(key)
    assert key_of(picture({})) not in keys
