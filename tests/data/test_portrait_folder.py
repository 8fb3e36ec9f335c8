"""Folders of portraits and renders: who is held out, what rows and parameters say of looks."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from portraiture.data.portrait_folder import (
    Portrait,
    held_out,
    labelled_images,
    labelled_portraits,
    looks_from_parameters,
    looks_from_row,
    read_portraits,
)
from portraiture.engine.parameters import AvatarParameters
from portraiture.errors import DataError
from portraiture.perception.looks import LOOKS, NAMES
from portraiture.photo.demo_photo import demo_photo
from portraiture.types import Segment

ENGINE = ("hair", "form", "beard", "glasses")


def _words(looks: np.ndarray) -> dict[str, str]:
    return {name: LOOKS[name][k] for name, k in zip(NAMES, looks, strict=True) if k >= 0}


def _portrait(name: str, person: str = "") -> Portrait:
    return Portrait(name, Path(f"{name}.jpg"), Path(f"{name}.png"), person)


def test_every_tenth_and_who_is_there_stay_out() -> None:
    people = {"03": "a", "09": "a", "04": "b", "19": "c", "21": "c", "05": "b"}
    portraits = [_portrait(f"{k:02d}", people.get(f"{k:02d}", "")) for k in range(25)]
    training, held = held_out(portraits[::-1])
    assert [p.name for p in held] == ["09", "19"]
    gone = {"03", "09", "19", "21"}
    assert [p.name for p in training] == [p.name for p in portraits if p.name not in gone]


def test_rows_of_labels() -> None:
    row = {
        "id": "1", "hair": "long", "form": "none", "fringe": "yes", "colour": "red", "skin": "6",
        "beard": "none", "glasses": "thick", "clothes": "kimono", "sex": "f",
    }  # fmt: skip
    assert _words(looks_from_row(row)) == {
        "hair": "long", "fringe": "yes", "colour": "red", "skin": "6", "beard": "none",
        "glasses": "thick", "sex": "f",
    }  # fmt: skip
    assert (looks_from_row({}) == -1).all()
    assert looks_from_row(row).dtype == np.int8


def _person(**changes: object) -> dict[str, object]:
    return replace(AvatarParameters(), **changes).to_dict()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"hair_style": "quiff"}, {"hair": "short", "beard": "none", "glasses": "none"}),
        (
            {"hair_style": "long_wavy", "beard_style": "circle", "glasses_style": "aviator"},
            {"hair": "long", "form": "wavy", "beard": "goatee", "glasses": "thin"},
        ),
        (
            {"hair_style": "afro", "glasses_style": "rectangle"},
            {"form": "afro", "beard": "none", "glasses": "thick"},
        ),
        (
            {"hair_style": "bald", "glasses_style": "oval", "glasses_rim": 0.1},
            {"hair": "bald", "beard": "none", "glasses": "thin"},
        ),
        ({"hair_style": "bun", "stubble": 0.5}, {"beard": "stubble", "glasses": "none"}),
        ({"hair_style": "bald", "beard_style": "sideburns"}, {"hair": "bald", "glasses": "none"}),
        ({"hair_style": "bob", "hat_style": "cap"}, {"beard": "none", "glasses": "none"}),
    ],
)
def test_parameters_of_the_engine(changes: dict[str, object], expected: dict[str, str]) -> None:
    found = _words(looks_from_parameters(_person(**changes)))
    assert {name: word for name, word in found.items() if name in ENGINE} == expected
    assert set(found) <= set(ENGINE)


def test_hair_of_packs_is_unknown() -> None:
    assert "hair" not in _words(looks_from_parameters(_person(hair_style="bob"), dressed=True))
    bald = _words(looks_from_parameters(_person(hair_style="bald"), dressed=True))
    assert bald["hair"] == "bald"


def test_images_of_a_synth_folder(tmp_path: Path) -> None:
    for name in ("people", "images", "segmentation", "landmarks"):
        (tmp_path / name).mkdir()
    record = {"parameters": _person(glasses_style="rimless"), "assets": [], "views": [{}, {}]}
    (tmp_path / "people" / "00003.json").write_text(json.dumps(record))
    np.save(tmp_path / "landmarks" / "00003.npy", np.zeros((2, 478, 2), np.float32))
    for k, segment in enumerate((Segment.SKIN, Segment.CLOTH)):
        name = f"00003_{k}.png"
        Image.new("RGB", (32, 32), (k, 100, 200)).save(tmp_path / "images" / name)
        Image.new("L", (32, 32), int(segment)).save(tmp_path / "segmentation" / name)
    first, second = labelled_images(tmp_path, 16)
    assert first.image.shape == (16, 16, 3)
    assert second.image[0, 0].tolist() == [1, 100, 200]
    assert (first.labels == Segment.SKIN).all()
    assert (second.labels == Segment.CLOTH).all()
    assert second.frame.tolist() == [0.5, 0.5, 1.0]
    assert _words(second.looks)["glasses"] == "rimless"
    with pytest.raises(DataError, match="no synthetic people"):
        list(labelled_images(tmp_path / "images", 16))


def _folder(folder: Path) -> Path:
    """The demo photo twice, once with a hair mask of another size, and an image of nobody."""
    for name in ("photos", "hair"):
        (folder / name).mkdir()
    shutil.copyfile(demo_photo(), folder / "photos" / "b1.png")
    shutil.copyfile(demo_photo(), folder / "photos" / "a2.png")
    Image.new("RGB", (64, 64), (90, 90, 90)).save(folder / "photos" / "c3.jpg")
    for name, side in (("b1", 512), ("a2", 100), ("c3", 64)):
        Image.new("L", (side, side)).save(folder / "hair" / f"{name}.png")
    (folder / "index.csv").write_text("id,folder,person\nb1,photos,7\na2,photos,\nc3,photos,8\n")
    (folder / "labels.csv").write_text("id,sex,hair,beard,glasses\nb1,f,bald,none,thin\n")
    return folder


def test_portraits_are_labelled(tmp_path: Path) -> None:
    portraits = read_portraits(_folder(tmp_path))
    assert [p.name for p in portraits] == ["a2", "b1", "c3"]
    assert [p.person for p in portraits] == ["", "7", "8"]
    (found,) = labelled_portraits(portraits)
    assert _words(found.looks) == {"sex": "f", "hair": "bald", "beard": "none", "glasses": "thin"}
    assert not (found.labels == Segment.HAIR).any()  # bald
    assert not (found.labels == Segment.LEFT_EYE).any()  # behind glasses
    assert (found.labels == Segment.SKIN).any()


def test_incomplete_folders_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"labels\.csv cannot be read"):
        read_portraits(tmp_path)
    _folder(tmp_path)
    (tmp_path / "hair" / "b1.png").unlink()
    with pytest.raises(DataError, match="no photo b1 or no hair mask"):
        read_portraits(tmp_path)
    (tmp_path / "index.csv").write_text("id,folder,person\n")
    with pytest.raises(DataError, match="lists no portraits"):
        read_portraits(tmp_path)
