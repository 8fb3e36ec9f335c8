"""Directions and edits against what they are made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from edited_head import CONFIG, head
from recorded_progress import RecordedProgress

from portraiture.checkpoints import load_generator
from portraiture.edit import directions
from portraiture.edit.directions import (
    Direction,
    Directions,
    conv_styles,
    find_directions,
    known_directions,
    principal_names,
    style_widths,
)
from portraiture.edit.run import EDIT_FILES, edit, edit_files, read_amounts
from portraiture.engine.head import load_head
from portraiture.engine.landmarks import landmark_positions
from portraiture.engine.shape import shape_head
from portraiture.errors import CancelledError, EditError
from portraiture.head import Head, rounded
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.features import planes_and_features
from portraiture.networks.goae_program import ProgramWay
from portraiture.people.attributes import Attribute, neutral_landmarks, score_people
from portraiture.people.latent import (
    SINGLE_SLOTS,
    person_from_latent,
    sample_latents,
)
from portraiture.progress import Progress

__all__ = ["head"]


def _only(**of_w: Direction) -> Directions:
    return Directions({k.replace("_", "-"): v for k, v in of_w.items()}, {}, torch.zeros(1))


def test_scores_follow_what_z_says() -> None:
    z = np.tile(sample_latents(1, 8), (2, 1))
    z[:, SINGLE_SLOTS["smile"]] = (-1.0, 2.0)
    z[:, SINGLE_SLOTS["melanin"]] = (-1.0, 2.0)
    z[:, SINGLE_SLOTS["years"]] = (1.5, -1.0)
    scores = score_people(z)
    assert set(scores) == set(get_args(Attribute))
    assert scores["smile"][1] > scores["smile"][0] + 0.3
    assert scores["skin-tone"][1] > scores["skin-tone"][0]
    assert scores["age"][1] < scores["age"][0]
    many = score_people(sample_latents(200, 1))
    for name, values in many.items():
        assert values.min() >= 0.0, name
        assert values.max() <= 1.1, name
        assert values.std() > 0.01, name


def test_measures_are_of_the_heads_that_the_engine_builds() -> None:
    head, people = load_head(), [person_from_latent(z) for z in sample_latents(3, 4)]
    points = neutral_landmarks(people)
    for one, measured in zip(people, points, strict=True):
        built = landmark_positions(shape_head(one.parameters, head).vertices, head)
        known = ~np.isnan(measured[:, 0])
        assert known.sum() >= 10
        assert np.allclose(measured[known], built[known], atol=1e-5)
    z = sample_latents(3, 4)
    wide = [np.linalg.norm(p[234] - p[454]) / np.linalg.norm(p[10] - p[152]) for p in points]
    assert np.allclose(score_people(z)["face-width"], 0.5 * np.array(wide))


def test_directions_are_kept_for_the_next_edit(
    head: Head, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = find_directions(head.network, people=300)
    asked: list[int] = []

    def find(generator: TriPlaneGenerator, *, progress: Progress) -> Directions:
        asked.append(1)
        return made

    monkeypatch.setattr(directions, "find_directions", find)
    known_directions(head.network)
    again = known_directions(head.network)
    assert len(asked) == 1
    for name, one in made.of_w.items():
        assert torch.allclose(again.of_w[name].step, one.step, atol=1e-6)
    for name, change in made.of_styles.items():
        assert torch.equal(again.of_styles[name], change)
    assert torch.equal(again.spread, made.spread)
    (kept,) = (tmp_path / "cache").rglob("*.safetensors")
    kept.write_bytes(b"torn")
    known_directions(head.network)
    assert len(asked) == 2


def test_directions_of_the_shipped_heads_come_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def search(generator: TriPlaneGenerator, *, progress: Progress) -> Directions:
        pytest.fail("tools/pack_directions.py has not seen these weights")

    monkeypatch.setattr(directions, "find_directions", search)
    generator = load_generator("heads")
    known = known_directions(generator)
    assert not (tmp_path / "cache").exists()
    z = sample_latents(400, 0x5EED)
    with torch.no_grad():
        w = generator.mapping(torch.from_numpy(z), None)[:, 0]
    scores = score_people(z)
    for name in ("smile", "age", "beard"):
        along = w @ known.of_w[name].normal
        assert np.corrcoef(along.numpy(), scores[name])[0, 1] > 0.5


def test_facts_of_edits_add_up_and_measurements_go(head: Head) -> None:
    some = _only(smile=Direction(torch.ones(32) / 32**0.5, 1.0))
    first = replace(head, facts={"psnr_person_db": 20.0, "steps": 3})
    once = edit(first, {"smile": 1.0}, directions=some)
    twice = edit(once, {"smile": 0.5}, directions=some)
    assert (twice.facts, twice.edits) == ({"steps": 3}, {"smile": 1.5})


def test_directions_are_found_for_every_attribute(head: Head) -> None:
    found = find_directions(head.network, people=400)
    assert set(found.of_w) == set(get_args(Attribute)) | set(principal_names())
    assert set(found.of_styles) == set(get_args(Attribute))
    assert all(one.length > 0.0 for one in found.of_w.values())
    assert all((change != 0.0).sum() <= 20 for change in found.of_styles.values())
    other_way = find_directions(head.network, people=400, way="svm")
    for name in ("smile", "beard"):
        assert other_way.of_w[name].normal @ found.of_w[name].normal > 0.1
    torch.manual_seed(1)
    other = TriPlaneGenerator(replace(CONFIG, z_dim=8, choice_groups=()))
    with pytest.raises(EditError, match="supervised-heads"):
        find_directions(other)


def test_nothing_changes_by_an_amount_of_nothing(head: Head) -> None:
    same = edit(
        head, {"smile": 0.0}, directions=_only(smile=Direction(torch.ones(32) / 32**0.5, 3.0))
    )
    assert torch.allclose(same.planes, head.planes, atol=2e-3)
    assert same.edits == {"smile": 0.0}


def test_what_was_refined_survives_an_edit(head: Head) -> None:
    """Eq. 10, by hand."""
    step = Direction(torch.nn.functional.normalize(torch.randn(32), dim=0), 1.5)
    found = edit(head, {"age": 2.0}, directions=_only(age=step))
    ws = head.ws + 2.0 * 1.5 * step.normal
    assert torch.allclose(found.ws, ws, atol=5e-3)
    generator = head.network
    assert head.features is not None
    assert found.features is not None
    with torch.no_grad():
        difference = (
            planes_and_features(generator, ws, 16)[1]
            - planes_and_features(generator, head.ws, 16)[1]
        )
        assert torch.allclose(found.features, head.features + difference, atol=2e-2)
        plain = generator.planes(ws)
    assert torch.allclose(found.planes[..., :8], plain[..., :8], atol=2e-2)
    assert not torch.allclose(found.planes[..., 12:], plain[..., 12:], atol=5e-2)


def test_an_edit_in_the_program_s_way(head: Head) -> None:
    """Glasses are taken off in every other edit; finer blocks keep the unedited w+; the mask is
    made anew for the front plane, and the other two are F*'s."""
    age, glasses = (
        Direction(torch.nn.functional.normalize(torch.randn(32), dim=0), n) for n in (1.5, 0.5)
    )
    both, way = _only(age=age, glasses=glasses), ProgramWay()
    found = edit(head, {"age": 2.0}, directions=both, program=way)
    ws = head.ws + 2.0 * age.step - 0.8 * glasses.step
    assert torch.allclose(found.ws, ws, atol=5e-3)
    generator = head.network
    assert head.features is not None and found.features is not None and found.visible is not None
    with torch.no_grad():
        change = planes_and_features(generator, ws, 16)[1]
        change = change - planes_and_features(generator, head.ws, 16)[1]
        features = head.features + change
        synthesis, seen = generator.backbone.synthesis, []
        for w, given in ((ws, None), (head.ws, features)):
            x, image = None, None
            for side, styles in synthesis.styles(w).items():
                if side == 32 and given is None:
                    break
                x, image = getattr(synthesis, f"b{side}")(x, image, styles, "const")
                if side == 16 and given is not None:
                    x, image = given, seen[0]
            seen.append(image)
        refined = seen[1].unflatten(1, (3, 8))
    assert torch.allclose(found.features, features, atol=2e-2)
    assert (found.visible[:, 1:] == 1.0).all()
    assert torch.allclose(found.planes[:, 1:], refined[:, 1:], atol=2e-2)
    assert found.edits["age"] == 2.0
    worn = edit(head, {"glasses": 1.0}, directions=both, program=way)
    assert torch.allclose(worn.ws, head.ws + glasses.step, atol=5e-3)
    assert worn.glasses is None
    bare = edit(head, {"age": 2.0}, directions=_only(age=age), program=way)
    assert torch.allclose(bare.ws, head.ws + 2.0 * age.step, atol=5e-3)


def test_the_program_s_way_is_refused_where_it_has_none(head: Head) -> None:
    some, way = _only(age=Direction(torch.ones(32) / 32**0.5, 1.0)), ProgramWay()
    with pytest.raises(EditError, match="one photo"):
        edit(replace(head, features=None, visible=None), {"age": 1.0}, directions=some, program=way)
    with pytest.raises(EditError, match="style"):
        edit(head, {"style-3": 1.0}, directions=some, program=way)


def test_the_residual_survives_an_edit(head: Head) -> None:
    """With refined features or without, the planes have it once, before and after."""
    residual = torch.zeros(1, 3, 8, 32, 32)
    residual[:, :, :, 4:20, 10:30] = 0.5
    step = Direction(torch.nn.functional.normalize(torch.ones(32), dim=0), 2.0)
    for plain in (head, replace(head, features=None, visible=None)):
        projected = rounded(replace(plain, residual=residual, planes=plain.planes + residual))
        for amount in (0.0, 1.5):
            without = edit(plain, {"sex": amount}, directions=_only(sex=step))
            found = edit(projected, {"sex": amount}, directions=_only(sex=step))
            assert torch.allclose(found.planes, without.planes + residual, atol=1e-2)


def test_glasses_come_on_and_off_and_leave_the_planes_alone(head: Head, tmp_path: Path) -> None:
    nothing = _only()
    plain = head.render(yaw=0.2)
    worn = edit(head, {"glasses": 1.0}, directions=nothing)
    assert torch.equal(worn.planes, rounded(edit(head, {}, directions=nothing)).planes)
    shown = worn.render(yaw=0.2)
    assert (shown != plain).any(-1).mean() > 0.01
    worn.save(tmp_path / "worn.safetensors")
    loaded = Head.load(tmp_path / "worn.safetensors", network=head.generator)
    assert np.array_equal(loaded.render(yaw=0.2), shown)
    off = edit(worn, {"glasses": -1.0}, directions=nothing)
    assert off.glasses is None
    twice = edit(edit(head, {}, directions=nothing), {}, directions=nothing)
    assert np.array_equal(off.render(yaw=0.2), twice.render(yaw=0.2))
    assert edit(head, {"glasses": 0.3}, directions=nothing).glasses is None
    assert "glasses" in read_amounts(["glasses=1"])


def test_a_head_without_refined_features_is_edited_in_w(head: Head) -> None:
    bare = replace(head, features=None, visible=None)
    step = Direction(torch.nn.functional.normalize(torch.ones(32), dim=0), 2.0)
    found = edit(bare, {"sex": 1.0}, directions=_only(sex=step))
    with torch.no_grad():
        assert torch.allclose(found.planes, head.network.planes(head.ws + step.step), atol=1e-2)
    assert found.features is None


def test_a_style_channel_moves_alone_and_edits_of_styles_last(head: Head) -> None:
    """A deviation of channel 3, by hand; then an edit of w keeps it."""
    generator = head.network
    widths = style_widths(generator)
    ws = generator.mapping(torch.from_numpy(sample_latents(50, 1)), None)[:, 0]
    spread = conv_styles(generator, ws).std(0)
    assert len(spread) == sum(widths)
    known = Directions({"pc1": Direction(torch.ones(32) / 32**0.5, 1.0)}, {}, spread)
    bare = rounded(replace(head, features=None, visible=None))
    found = edit(bare, {"style-3": 2.0}, directions=known)
    assert torch.equal(found.ws, bare.ws)
    with torch.no_grad():
        styles = generator.backbone.synthesis.styles(bare.ws)
        first = generator.backbone.synthesis.resolutions[0]
        styles[first][0][:, 3] += 2.0 * spread[3]
        by_hand = generator.planes(bare.ws, styles=styles)
    assert torch.allclose(found.planes, by_hand, atol=1e-2)
    assert not torch.allclose(found.planes, generator.planes(bare.ws), atol=1e-2)
    back = edit(edit(found, {"pc1": 1.0}, directions=known), {"pc1": -1.0}, directions=known)
    assert torch.allclose(back.planes, found.planes, atol=2e-2)
    undone = edit(found, {"style-3": -2.0}, directions=known)
    assert torch.allclose(undone.planes, generator.planes(bare.ws), atol=1e-2)
    with pytest.raises(EditError, match="style channels"):
        edit(bare, {f"style-{len(spread)}": 1.0}, directions=known)


def test_refined_features_survive_an_edit_of_styles(head: Head) -> None:
    spread = torch.ones(sum(style_widths(head.network)))
    known = Directions({}, {}, spread)
    found = edit(
        edit(head, {"style-5": 0.5}, directions=known), {"style-5": -0.5}, directions=known
    )
    assert torch.allclose(found.planes, head.planes, atol=2e-2)


@pytest.mark.parametrize(
    "text",
    [
        "style-x=1",
        "style-=1",
        "pc0=1",
        "pc99=1",
        "smile",
        "smile=",
        "smile=x",
        "smile=9",
        "smile=nan",
        "nose=1",
    ],
)
def test_strange_settings_are_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(EditError):
        read_amounts([text])


def test_settings_are_read_as_written() -> None:
    assert read_amounts(["smile=1.5", "hair-length=-2", "pc2=1", "style-12=3", "style-age=1"]) == {
        "smile": 1.5,
        "hair-length": -2.0,
        "pc2": 1.0,
        "style-12": 3.0,
        "style-age": 1.0,
    }


def test_an_attribute_without_a_direction_is_refused(head: Head) -> None:
    with pytest.raises(EditError, match="beard"):
        edit(head, {"beard": 1.0}, directions=_only())


def test_files_of_an_edit(head: Head, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = find_directions(head.network, people=300)
    monkeypatch.setattr(directions, "find_directions", lambda generator, progress: some)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    edited = edit_files(head, {"smile": 1.0}, tmp_path / "out", overwrite=False)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(EDIT_FILES)
    again = Head.load(tmp_path / "out" / "head.safetensors", network=head.generator)
    assert torch.equal(again.planes, edited.planes)


def test_a_head_without_w_refuses_edits_in_one_sentence(head: Head) -> None:
    bare = replace(head, ws=None, features=None, visible=None)
    assert bare.render().shape == (128, 128, 4)
    with pytest.raises(EditError, match="no latent w") as caught:
        edit(bare, {"smile": 1.0})
    assert str(caught.value).count(".") == 1


def test_edits_survive_a_file_and_add_up(head: Head, tmp_path: Path) -> None:
    step = _only(smile=Direction(torch.ones(32) / 32**0.5, 1.0))
    edit(head, {"smile": 1.0}, directions=step).save(tmp_path / "head.safetensors")
    again = Head.load(tmp_path / "head.safetensors", network=head.generator)
    assert again.edits == {"smile": 1.0}
    assert edit(again, {"smile": -0.25}, directions=step).edits == {"smile": 0.75}


def test_directions_tell_their_progress(head: Head) -> None:
    told = RecordedProgress()
    find_directions(head.network, people=700, progress=told)
    assert (told.stages, told.steps) == ([("Find directions", 700)], {"Find directions": 700})
    with pytest.raises(CancelledError):
        find_directions(head.network, people=700, progress=RecordedProgress(cancel_after=500))
