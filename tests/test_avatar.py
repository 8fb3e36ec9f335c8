"""Avatar: one file, bit-exact; damaged files refused in one sentence."""

from __future__ import annotations

import io
import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from portraiture import Avatar, AvatarParameters, create
from portraiture.camera import orbit
from portraiture.engine.build import build_bust
from portraiture.errors import AvatarError, OutputError
from portraiture.render.light import studio_light
from portraiture.types import Bust, Style


def _avatar() -> Avatar:
    rng = np.random.default_rng(0)
    return Avatar(
        parameters=AvatarParameters(age=0.1 + 0.2, shape={"nose_hump": 1 / 3}),
        style="pixar",
        expression={"jawOpen": 0.1 + 0.2},
        albedo=rng.integers(0, 256, (64, 64, 3), dtype=np.uint8),
        camera=orbit(0.3, 0.1, target=np.array([0, 0.9, 0.1]), distance=0.8, focal=3.0),
        light=studio_light(),
        provenance={"photo": "ä.png"},
    )


def test_saving_and_loading_is_bit_exact(tmp_path: Path) -> None:
    avatar = _avatar()
    loaded = Avatar.load(avatar.save(tmp_path / "avatar.json"))
    assert loaded.parameters == avatar.parameters
    assert (loaded.style, loaded.expression) == (avatar.style, avatar.expression)
    assert loaded.provenance == avatar.provenance
    assert loaded.albedo is not None and loaded.camera is not None and loaded.light is not None
    assert avatar.albedo is not None and avatar.camera is not None and avatar.light is not None
    assert np.array_equal(loaded.albedo, avatar.albedo)
    assert np.array_equal(loaded.camera.T_world_cam, avatar.camera.T_world_cam)
    assert np.array_equal(loaded.light.ambient, avatar.light.ambient)
    again = loaded.save(tmp_path / "again.json")
    assert again.read_bytes() == (tmp_path / "avatar.json").read_bytes()


def test_same_seed_same_person_same_image() -> None:
    first, second = Avatar.sample(5), Avatar.sample(5)
    assert first.parameters == second.parameters
    assert first.parameters != Avatar.sample(6).parameters
    assert np.array_equal(first.render(size=64), second.render(size=64))


def test_views_of_an_expression_are_of_one_bust(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[object] = []

    def build(*args: Any, **options: Any) -> Bust:
        built.append(options["expression"])
        return build_bust(*args, **options)

    monkeypatch.setattr("portraiture.avatar.build_bust", build)
    avatar = replace(Avatar.sample(5), albedo=np.full((1024, 1024, 3), 128, np.uint8))
    views = [avatar.render(yaw=yaw, size=48) for yaw in (0.0, 0.4, 0.0)]
    assert built == [None]
    assert np.array_equal(views[0], views[2]) and not np.array_equal(views[0], views[1])
    smile = avatar.render(size=48, expression={"mouthSmileLeft": 1.0})
    assert avatar.albedo is not None
    avatar.albedo[:] = (180, 40, 40)
    red = avatar.render(size=48)
    assert built == [None, {"mouthSmileLeft": 1.0}, None]
    assert not np.array_equal(smile, views[0])
    assert red[24, 24, 0] > views[0][24, 24, 0] and red[24, 24, 1] < views[0][24, 24, 1]
    assert pickle.loads(pickle.dumps(avatar)).parameters == avatar.parameters


def test_render_is_a_person_on_nothing() -> None:
    image = Avatar.sample(1).render(size=96, yaw=0.5)
    assert image.shape == (96, 96, 4) and image.dtype == np.float32
    assert image.min() >= 0.0 and image.max() <= 1.0
    assert image[0, 0, 3] == 0.0 and image[48, 48, 3] == 1.0


def _damage(**changes: object) -> str:
    values = _avatar().to_dict()
    values.update(changes)
    return json.dumps({k: v for k, v in values.items() if v is not None})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "not json",
        _damage(version=99),
        _damage(style="cubist"),
        _damage(parameters={"age": 7}),
        _damage(parameters=None),
        _damage(expression=[1]),
        _damage(expression={"jawOpen": "wide"}),
        _damage(albedo_png="!!!"),
        _damage(albedo_png="AAAA"),
        _damage(camera={"T_world_cam": [[1, 2]], "intrinsics": []}),
        _damage(light={"ambient": [], "key_direction": [], "key_color": []}),
    ],
)
def test_damaged_files_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "avatar.json"
    path.write_text(text)
    with pytest.raises(AvatarError) as error:
        Avatar.load(path)
    assert "\n" not in str(error.value)


def test_missing_file_folder_and_binary_are_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x01")
    for path in (tmp_path / "none.json", tmp_path, tmp_path / "binary"):
        with pytest.raises(AvatarError):
            Avatar.load(path)


def test_unknown_export_and_expression_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        Avatar().export(tmp_path / "avatar.fbx")
    with pytest.raises(AvatarError):
        Avatar().bust(expression={"smirk": 1.0})
    with pytest.raises(AvatarError):
        Avatar().bust(expression={"jawOpen": 2.0})


def test_a_vrm_says_whose_it_is_and_shows_its_front(tmp_path: Path) -> None:
    avatar = Avatar.sample(7)
    path = avatar.export(tmp_path / "me.VRM", author="Ann", licence="cc-by")
    data = path.read_bytes()
    length = int.from_bytes(data[12:16], "little")
    document = json.loads(data[20 : 20 + length])
    meta = document["extensions"]["VRMC_vrm"]["meta"]
    assert (meta["name"], meta["authors"]) == ("me", ["Ann"])
    assert meta["otherLicenseUrl"].startswith("https://creativecommons.org/licenses/by/")
    view = document["bufferViews"][document["images"][meta["thumbnailImage"]]["bufferView"]]
    start = 28 + length + view["byteOffset"]
    with Image.open(io.BytesIO(data[start : start + view["byteLength"]])) as image:
        shown = np.asarray(image.convert("RGB"), np.float32)
    rgba = avatar.render(size=512)
    solid = rgba[..., 3] == 1.0
    assert shown.shape == (512, 512, 3) and solid.mean() > 0.2
    assert np.abs(shown[solid] - 255 * rgba[solid][:, :3]).mean() < 4.0


def test_an_unknown_style_is_refused_before_any_work(tmp_path: Path) -> None:
    missing = tmp_path / "missing.jpg"
    for make in (
        lambda: create(missing, style=cast(Style, "cubist")),
        lambda: Avatar.sample(0, style=cast(Style, "cubist")),
        lambda: Avatar(style=cast(Style, "cubist")),
    ):
        with pytest.raises(AvatarError, match=r"no style 'cubist'; choose one of natural, pixar"):
            make()
