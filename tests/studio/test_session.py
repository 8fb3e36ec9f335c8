"""An avatar's history and parts.

Undo, redo and gestures give back equal avatars; the page gets every part that it lacks and no
other; parts of a bundle, put together, are the bust's; work for an edit that a later one overtook
ends; the photo's skin moves with its tone and comes back to the bit.
"""

from __future__ import annotations

import gc
import json
import threading
import weakref
from dataclasses import replace

import numpy as np
import pytest
from glb_reader import Glb

from portraiture.avatar import Avatar
from portraiture.engine.hair.color import to_linear
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.skin.retone import change, toned
from portraiture.errors import AvatarError
from portraiture.studio.parts import PartFiles
from portraiture.studio.previews import moved
from portraiture.studio.session import History, Session, SupersededError

PERSON = Avatar(AvatarParameters(hair_style="buzz", neckline="bare"), style="cartoon")
"""Styles have the small textures that make a test quick."""


def opened(bundle: bytes) -> tuple[dict, dict[str, bytes]]:
    """What a bundle says, and its files by part."""
    length = int.from_bytes(bundle[:4], "little")
    about, at, files = json.loads(bundle[4 : 4 + length]), 4 + length, {}
    for part in about["parts"]:
        if part["length"]:
            assert at % 4 == 0
            files[part["name"]] = bundle[at : at + part["length"]]
            at += part["length"] + -part["length"] % 4
    assert at == len(bundle)
    return about, files


@pytest.fixture(scope="module")
def session() -> Session:
    return Session()


def test_history_goes_back_and_forth() -> None:
    people = [replace(PERSON, parameters=AvatarParameters(age=age)) for age in (0.1, 0.2, 0.3, 0.4)]
    history = History(people[0], people[0])
    history.change(people[1], "drag")
    history.change(people[2], "drag")
    history.change(people[3], "")
    history.undo()
    assert history.now is people[2]
    history.undo()
    assert history.now is people[0], "one drag is one edit"
    history.undo()
    assert history.now is people[0]
    history.redo()
    history.redo()
    history.redo()
    assert history.now is people[3]
    history.undo()
    history.change(people[1], "drag")
    history.redo()
    assert history.now is people[1], "a new edit forgets what was undone"


def test_only_parts_that_an_edit_touches_are_sent(session: Session) -> None:
    session.begin(PERSON)
    about, files = opened(session.bundle(()))
    digests = {part["digest"] for part in about["parts"]}
    assert set(files) == {part["name"] for part in about["parts"]}
    assert not opened(session.bundle(digests))[1]
    revision = session.edit({"hair_redness": 1.0, "hair_melanin": 0.3})
    about, files = opened(session.bundle(digests, revision=revision))
    assert "hair" in files or "skin" in files
    assert not {"eye_left", "teeth"} & set(files)
    assert about["parameters"]["hair_redness"] == 1.0
    assert (about["undo"], about["redo"]) == (1, 0)
    session.undo()
    assert not opened(session.bundle(digests))[1], "what was there before is the same again"


def test_files_are_the_busts_parts(session: Session) -> None:
    session.begin(PERSON)
    _, files = opened(session.bundle(()))
    bust = PERSON.bust()
    for part in bust.parts:
        glb = Glb(files[part.name])
        primitive = glb.json["meshes"][0]["primitives"][0]
        positions = glb.accessor(primitive["attributes"]["POSITION"])
        assert {row.tobytes() for row in positions} == {
            row.tobytes() for row in part.vertices[np.unique(part.faces)]
        }
        assert "_CARRIER_ROWS" in primitive["attributes"]


def test_a_later_edit_ends_earlier_work(session: Session) -> None:
    session.begin(PERSON)
    first = session.edit({"age": 0.7})
    session.edit({"age": 0.8})
    with pytest.raises(SupersededError):
        session.bundle((), revision=first)


def test_an_overtaken_edit_leaves_no_trace_in_its_thread(session: Session) -> None:
    """The server's threads do one request after the other."""
    session.begin(PERSON)
    first = session.edit({"age": 0.7})
    session.bundle((), revision=first)
    session.edit({"age": 0.8})
    with pytest.raises(SupersededError):
        session.bundle((), revision=first)
    assert session.bust(replace(PERSON, expression={"jawOpen": 0.5})).expression == {"jawOpen": 0.5}
    session.build(session.avatar)


def test_hovering_sliders_costs_the_next_edit_nothing(session: Session) -> None:
    session.begin(PERSON)
    before, _ = session.build(session.avatar)
    for name in ("shape:nose_hump", "shape:ear_wing", "weight"):
        moved(session.avatar, name)
    after, _ = session.build(session.avatar)
    assert all(a is b for a, b in zip(before.parts, after.parts, strict=True))


def test_edits_from_many_threads_end_in_the_last_state(session: Session) -> None:
    session.begin(PERSON)
    session.bundle(())
    answers: dict[int, str] = {}

    def edit(k: int) -> None:
        revision = session.edit({"hat_red": k / 10}, "drag")
        try:
            about, _ = opened(session.bundle((), revision=revision))
            answers[revision] = "shown"
            assert about["revision"] == revision
        except SupersededError:
            answers[revision] = "overtaken"

    threads = [threading.Thread(target=edit, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert answers[max(answers)] == "shown"


@pytest.mark.parametrize(
    "changes",
    [
        {"age": 1.1}, {"age": "old"}, {"age": True}, {"nobody": 0.5}, {"hair_style": "mullet"},
        {"shape:nose": 0.5}, {"shape:nose_hump": -0.1}, {"detail:detail_99": 0.5},
        {"style": "noir"}, {"expression": {"jawOpen": 2.0}}, {"expression": {"wings": 0.5}},
        {"expression": 3}, {"shape": 3}, {"asset_folder": "/etc"}, {"age": float("nan")},
        {f"x{k}": 0.5 for k in range(1000)},
    ],
)  # fmt: skip
def test_impossible_edits_are_refused_in_a_sentence(session: Session, changes: dict) -> None:
    session.begin(PERSON)
    with pytest.raises(AvatarError, match=r"\.$"):
        session.edit(changes)
    assert session.avatar is PERSON


def test_without_an_avatar_a_sentence_says_so() -> None:
    for call in (Session().undo, Session().redo, Session().about, lambda: Session().edit({})):
        with pytest.raises(AvatarError, match="start with a photo"):
            call()


def test_the_photos_skin_takes_another_tone() -> None:
    before, darker = AvatarParameters(skin_melanin=0.2), AvatarParameters(skin_melanin=0.7)
    skin = np.random.default_rng(0).integers(90, 220, (8, 8, 3), np.uint8)
    assert toned(skin, before, before) is skin
    moved = toned(skin, before, darker)
    factor = change(before, darker)
    assert (factor < 1.0).all()
    expected = to_linear(skin / 255.0) * factor
    np.testing.assert_allclose(to_linear(moved / 255.0), expected, atol=0.004)


def test_the_photos_skin_comes_back_to_the_bit(session: Session) -> None:
    skin = np.full((64, 64, 3), 150, np.uint8)
    avatar = replace(PERSON, albedo=skin)
    session.begin(avatar)
    session.edit({"skin_melanin": 0.9})
    assert session.avatar.albedo is not None
    assert session.avatar.albedo.mean() < 100
    session.edit({"photo_skin": False})
    assert session.avatar.albedo is None
    session.edit({"photo_skin": True, "skin_melanin": avatar.parameters.skin_melanin})
    assert session.avatar.albedo is skin


def test_a_history_of_tones_holds_one_skin(session: Session) -> None:
    skin = np.full((64, 64, 3), 150, np.uint8)
    session.begin(replace(PERSON, albedo=skin))
    for melanin in (0.7, 0.8, 0.9):
        session.edit({"skin_melanin": melanin})
    session.undo()
    history = session.history
    assert history is not None
    assert all(one.albedo is skin for one in (history.now, *history.past, *history.future))
    assert session.avatar.albedo is not skin


def test_parts_live_no_longer_than_they_are_used() -> None:
    files = PartFiles()
    bust = PERSON.bust()
    names = [weakref.ref(part) for part in bust.parts]
    assert files.named(bust) == files.named(bust)
    del bust
    gc.collect()
    assert not any(name() for name in names)


def test_the_first_expression_is_told(session: Session) -> None:
    session.begin(replace(PERSON, expression={"jawOpen": 0.5}))
    session.edit({"expression": {}})
    about = session.about()
    assert (about["expression"], about["original_expression"]) == ({}, {"jawOpen": 0.5})
