"""Restyling by a sentence: the avatar, its files, and the command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from portraiture.avatar import Avatar
from portraiture.cli.restyle import Restyle
from portraiture.cli.restyle import restyle as run_command
from portraiture.engine.parameters import AvatarParameters
from portraiture.errors import AvatarError, ConceptError, OutputError
from portraiture.restyle.run import RESTYLE_FILES, restyle, restyle_files, with_concepts
from portraiture.restyle.sentence import read_sentence

PERSON = Avatar(AvatarParameters(sex=0.0, skin_melanin=0.2, hair_style="buzz"))


def test_a_sentence_changes_the_avatar() -> None:
    made = restyle(PERSON, "an old elf with red hair")
    assert made.concepts == ("elf", "old", "red_hair")
    assert made.parameters.age > 0.9
    assert made.parameters.hair_redness == 1.0
    assert made.provenance["prompt"] == "an old elf with red hair"
    again = restyle(made, "smiling")
    assert again.concepts == made.concepts
    assert again.expression["mouthSmileLeft"] > 0.5


def test_a_photo_keeps_its_skin_in_the_new_tone() -> None:
    albedo = np.full((64, 64, 3), 150, np.uint8)
    photo = replace(PERSON, albedo=albedo)
    kept = with_concepts(photo, ("elf",))
    assert kept.albedo is not None
    np.testing.assert_array_equal(kept.albedo, albedo)
    paler = replace(photo, parameters=replace(photo.parameters, skin_haemoglobin=0.1))
    flushed = with_concepts(paler, ("dwarf",))
    assert flushed.albedo is not None
    red = flushed.albedo.astype(int).mean((0, 1))
    assert red[0] - red[1] > 3


def test_an_unknown_editor_is_refused() -> None:
    with pytest.raises(ConceptError, match="auto or engine"):
        restyle(PERSON, "an elf", editor="paint")  # type: ignore[arg-type]


def test_the_command_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(ConceptError, match="whom, what and where"):
        run_command(Restyle(person="3", out=tmp_path / "out"))


def test_nothing_is_written_of_a_sentence_without_concepts(tmp_path: Path) -> None:
    with pytest.raises(ConceptError):
        restyle_files(PERSON, "qqq zzz xxx", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_files_are_those_of_an_avatar(tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = restyle_files(PERSON, "a demon", out)
    assert sorted(path.name for path in out.iterdir()) == sorted(RESTYLE_FILES)
    loaded = Avatar.load(out / "avatar.json")
    assert loaded == made.avatar
    assert b"horns" in (out / "avatar.glb").read_bytes()
    assert b"horns" in (out / "avatar.vrm").read_bytes()
    assert "a demon" in (out / "report.html").read_text()
    with pytest.raises(OutputError):
        restyle_files(PERSON, "a demon", out)


def test_reading_is_in_the_order_of_the_sentence() -> None:
    assert read_sentence("an angry orc with a beard").concepts == ("angry", "orc", "bearded")


def test_restyling_again_makes_the_later_wish() -> None:
    avatar = Avatar.sample(4)
    gold = with_concepts(with_concepts(avatar, ["marble"]), ["gold"])
    assert gold.concepts == ("gold",)
    again = with_concepts(gold, ["marble"])
    assert again.concepts == ("marble",)
    natural = with_concepts(with_concepts(avatar, ["pink_hair"]), ["red_hair"])
    assert natural.makeover is None or natural.makeover.hair is None
    dyed = with_concepts(with_concepts(avatar, ["red_hair"]), ["pink_hair"])
    assert dyed.makeover is not None and dyed.makeover.hair is not None


def test_a_concept_twice_is_no_avatar() -> None:
    with pytest.raises(AvatarError, match="once"):
        replace(Avatar.sample(4), concepts=("elf", "elf"))
