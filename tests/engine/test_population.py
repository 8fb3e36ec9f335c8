"""Sampled people go together as the learned tables say, and are balanced.

Expected counts are closed-form: given sex, band and tone, classes are independent with the tables'
probabilities, so that a count is a sum of Bernoulli variables.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from portraiture.engine.ancestry import ANCESTRIES, tone_chances
from portraiture.engine.classes import BEARDS, HAIR_STYLES, glasses_class, lengths_of
from portraiture.engine.details import DETAILS
from portraiture.engine.population import (
    AXES,
    BANDS,
    CLASSES,
    GIVEN,
    MELANIN,
    MOOD_SHARES,
    MOODS,
    PEOPLE_PATH,
    TONES,
    YEARS,
    band_of,
    load_population,
    save_population,
)
from portraiture.engine.sample import look_of, sample_parameters, years_of
from portraiture.engine.sample_expression import (
    SQUINT,
    WITH_SMILE,
    gaze_towards,
    portrait_expression,
)
from portraiture.engine.sample_looks import sample_look
from portraiture.engine.shapes import SHAPES

COUNT = 2000
FARTHEST = 4.5
"""Standard deviations of a count from its expectation; there are some hundred counts."""


def tone_of(melanin: float) -> Tone:
    """The tone of a skin's melanin in [0, 1]."""
    found = np.searchsorted(MELANIN, melanin, "right") - 1
    return TONES[int(np.clip(found, 0, len(TONES) - 1))]


def _sampled() -> list[dict[str, str]]:
    rng = np.random.default_rng(3)
    people = []
    for _ in range(COUNT):
        woman, years = rng.random() < 0.5, rng.uniform(YEARS[0], YEARS[-1])
        look = sample_look(rng, woman=woman, years=years)
        sex = "woman" if woman else "man"
        people.append({**look.classes, "sex": sex, "band": band_of(years), "tone": look.tone})
    return people


PEOPLE = _sampled()
CHANCES = {
    name: np.array([
        load_population().chances(name, **{g: one[g] for g in GIVEN[name]}) for one in PEOPLE
    ])
    for name in CLASSES
}  # fmt: skip
SEEN = {
    name: np.array([[one[name] == c for c in CLASSES[name]] for one in PEOPLE]) for name in CLASSES
}


def _unlikely(seen: np.ndarray, chance: np.ndarray) -> float:
    """Distance of a count from its expectation in standard deviations; of rare ones, which are
    Poisson's, after the square root, which makes their variance 1/4."""
    found, expected = float(seen.sum()), float(chance.sum())
    deviation = np.sqrt((chance * (1.0 - chance)).sum())
    rare = 2.0 * abs(np.sqrt(found) - np.sqrt(expected))
    return min(abs(found - expected) / max(deviation, 1e-9), rare)


@pytest.mark.parametrize("name", CLASSES)
def test_marginals_are_those_of_the_table(name: str) -> None:
    for c in range(len(CLASSES[name])):
        assert _unlikely(SEEN[name][:, c], CHANCES[name][:, c]) < FARTHEST
        for given in GIVEN[name]:
            for value in AXES[given]:
                members = np.array([one[given] == value for one in PEOPLE])
                chance = CHANCES[name][members, c]
                assert _unlikely(SEEN[name][members, c], chance) < FARTHEST


@pytest.mark.parametrize(("first", "second"), list(combinations(CLASSES, 2)))
def test_pairs_are_those_of_the_tables(first: str, second: str) -> None:
    for a in range(len(CLASSES[first])):
        for b in range(len(CLASSES[second])):
            if first in GIVEN[second]:
                continue
            both = SEEN[first][:, a] & SEEN[second][:, b]
            assert _unlikely(both, CHANCES[first][:, a] * CHANCES[second][:, b]) < FARTHEST


def test_tables_are_probabilities_and_know_what_is_impossible() -> None:
    tables = load_population().tables
    for name, table in tables.items():
        assert table.shape == (*(len(AXES[g]) for g in GIVEN[name]), len(CLASSES[name]))
        assert (table >= 0.0).all()
        np.testing.assert_allclose(table.sum(-1), 1.0, atol=1e-12)
    clothes, bare = CLASSES["clothes"].index, [CLASSES["hair"].index(n) for n in ("bald", "buzz")]
    assert (tables["beard"][1, :, 0] == 1.0).all()
    assert (tables["clothes"][1, :, clothes("suit_tie")] == 0.0).all()
    assert (tables["clothes"][0, :, clothes("blouse_jacket")] == 0.0).all()
    assert (tables["fringe"][:, bare, 1] == 0.0).all()


def test_tables_grey_and_recede_with_age() -> None:
    tables = load_population().tables
    grey = tables["colour"][..., 6:].sum(-1)
    assert (np.diff(grey, axis=2) > 0.0).all() and (grey[..., 0] < 0.05).all()
    receding = tables["hair"][0, :, :2].sum(-1)
    assert (np.diff(receding) > 0.0).all()
    assert PEOPLE_PATH.stat().st_size < 100_000


def test_sexes_ages_and_tones_are_balanced() -> None:
    people = [sample_parameters(seed) for seed in range(600)]
    looks = [look_of(seed) for seed in range(600)]
    tones = np.array([tone_of(p.skin_melanin) for p in people])
    assert (tones == [look.tone for look in looks]).all()
    for tone in TONES:
        assert _unlikely(tones == tone, np.full(600, 1.0 / len(TONES))) < FARTHEST
    assert _unlikely(np.array([p.sex > 0.5 for p in people]), np.full(600, 0.5)) < FARTHEST
    years = np.array([years_of(p.age) for p in people])
    assert years.max() <= YEARS[-1] + 1e-9
    shares = np.diff(YEARS) / (YEARS[-1] - YEARS[0])
    for band, share in zip(BANDS, shares, strict=True):
        inside = np.array([band_of(y) == band for y in years])
        assert _unlikely(inside, np.full(600, share)) < FARTHEST


def test_styles_have_the_classes_that_were_sampled() -> None:
    for seed in range(300):
        person, look = sample_parameters(seed), look_of(seed)
        lengths = lengths_of(person.hair_style, person.hair_line, person.hair_length)
        assert look["hair"] in lengths or person.hair_style == "horseshoe"
        stubbly = person.beard_style == "none" and person.stubble >= 0.2
        assert look["beard"] == ("stubble" if stubbly else BEARDS[person.beard_style])
        assert look["glasses"] == glasses_class(person.glasses_style, person.glasses_rim)
        assert person.hair_fringe == 0.0 or look["fringe"] == "yes"
        if look["form"] in ("curly", "afro") and look["hair"] == "short":
            assert look["form"] in HAIR_STYLES[person.hair_style].forms


def test_ancestries_have_the_tones() -> None:
    chances = tone_chances()
    np.testing.assert_allclose(chances.sum(1), 1.0)
    middle = chances.argmax(1)
    assert ANCESTRIES[middle[0]].melanin[0] < 0.2 < 0.6 < ANCESTRIES[middle[-1]].melanin[0]


def test_details_go_with_the_shape_and_stay_standard_normal() -> None:
    people = load_population()
    count, rank = len(DETAILS), len(people.correlation)
    shape = np.array([people.matched(row, np.zeros(count)) for row in np.eye(len(SHAPES))])
    own = np.array([people.matched(np.zeros(len(SHAPES)), row) for row in np.eye(count)])
    np.testing.assert_allclose(shape.T @ shape + own.T @ own, np.eye(count), atol=1e-5)
    along = people.face @ shape @ people.skin.T
    np.testing.assert_allclose(along, np.diag(people.correlation), atol=1e-5)
    assert rank > 0 and (people.correlation > 0.1).all()


def test_saved_tables_are_the_loaded_ones(tmp_path: Path) -> None:
    save_population(load_population(), tmp_path / "people.npz")
    again = load_population.__wrapped__(tmp_path / "people.npz")
    for name, table in load_population().tables.items():
        np.testing.assert_allclose(again.tables[name], table, atol=1e-7)


def test_expressions_are_the_seeds_and_of_their_mood() -> None:
    assert portrait_expression(5) == portrait_expression(5) != portrait_expression(6)
    for mood, parted in (("rest", False), ("smile", False), ("teeth", True)):
        faces = [portrait_expression(seed, mood=mood) for seed in range(40)]  # type: ignore[arg-type]
        shown = np.mean([face.get("mouthUpperUpLeft", 0.0) for face in faces])
        assert shown > 0.5 if parted else shown == 0.0
        assert all(0.0 < weight <= 1.0 for face in faces for weight in face.values())
    teeth = np.array([portrait_expression(s).get("mouthUpperUpLeft", 0) > 0.2 for s in range(400)])
    assert _unlikely(teeth, np.full(400, MOOD_SHARES[MOODS.index("teeth")])) < FARTHEST


def test_a_smile_lifts_the_cheeks_and_narrows_the_eyes() -> None:
    names = ("mouthSmile", "cheekSquint", "eyeSquint")
    faces = [portrait_expression(seed, mood="teeth") for seed in range(200)]
    smile, cheek, eye = (
        np.array([0.5 * (f.get(f"{n}Left", 0.0) + f.get(f"{n}Right", 0.0)) for f in faces])
        for n in names
    )
    assert cheek.mean() > WITH_SMILE["cheekSquint"] * smile.mean() * 0.95
    assert eye.mean() > WITH_SMILE["eyeSquint"] * smile.mean() * 0.95
    assert eye.max() < 1.02 * SQUINT  # the mean of sides that are a log-normal ratio apart


def test_gaze_is_that_of_both_eyes() -> None:
    assert gaze_towards(np.array([0.0, 0.0, 1.0])) == {}
    left = gaze_towards(np.array([np.tan(0.1), 0.0, 1.0]))
    assert set(left) == {"eyeLookOutLeft", "eyeLookInRight"}
    assert left["eyeLookOutLeft"] == left["eyeLookInRight"] == pytest.approx(0.1 / np.radians(13.4))
    assert set(gaze_towards(np.array([0.0, -0.1, 1.0]))) == {"eyeLookDownLeft", "eyeLookDownRight"}
