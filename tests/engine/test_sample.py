"""Sampled people: the same for a seed, adult, coherent, diverse."""

from collections import Counter

import numpy as np
import pytest

from portraiture.engine.classes import HAIR_STYLES
from portraiture.engine.details import DETAIL_RANGE
from portraiture.engine.prior import load_prior
from portraiture.engine.sample import (
    AGED,
    POSTURE,
    SAGGING,
    YOUNGEST,
    sample_parameters,
    years_of,
)
from portraiture.engine.shapes import SHAPES
from portraiture.engine.skin.appearance import load_appearance
from portraiture.engine.skin.sample import DETAIL_SPREAD
from portraiture.errors import AvatarError

PEOPLE = [sample_parameters(seed) for seed in range(600)]


def _mean(values) -> float:
    values = list(values)
    assert values
    return float(np.mean(values))


def test_the_same_seed_is_the_same_person():
    assert sample_parameters(11).to_json() == sample_parameters(11).to_json()
    assert sample_parameters(11) != sample_parameters(12)


def test_sex_is_bimodal_and_everyone_is_adult():
    assert all(p.sex < 0.25 or p.sex > 0.75 for p in PEOPLE)
    assert 0.42 < _mean(p.sex > 0.5 for p in PEOPLE) < 0.58
    assert min(p.age for p in PEOPLE) >= YOUNGEST
    years = np.array([years_of(p.age) for p in PEOPLE])
    assert years.max() > 80 and 47 < np.median(years) < 57


def test_fixed_sex_and_age():
    old_woman = sample_parameters(5, sex=1.0, age=0.9)
    assert (old_woman.sex, old_woman.age) == (1.0, 0.9)
    assert old_woman.beard_style == "none" and old_woman.stubble == 0.0
    assert sample_parameters(5, sex=0.1).skin_melanin == sample_parameters(5, sex=0.9).skin_melanin
    with pytest.raises(AvatarError):
        sample_parameters(5, age=1.5)


def test_women_have_no_beards_and_men_no_cat_eyes():
    assert all(p.beard_style == "none" and p.stubble == 0 for p in PEOPLE if p.sex > 0.5)
    assert not any(p.glasses_style == "cat_eye" for p in PEOPLE if p.sex < 0.5)


def test_hair_greys_and_skin_wrinkles_with_age():
    young = [p for p in PEOPLE if years_of(p.age) < 33]
    old = [p for p in PEOPLE if years_of(p.age) > 60]
    assert _mean(p.hair_grey for p in young) < 0.05 < 0.3 < _mean(p.hair_grey for p in old)
    assert _mean(p.skin_wrinkles for p in old) > _mean(p.skin_wrinkles for p in young) + 0.35


def test_colours_go_with_ancestry():
    african = [p for p in PEOPLE if p.african > 0.8]
    asian = [p for p in PEOPLE if p.asian > 0.8]
    pale = [p for p in PEOPLE if p.skin_melanin < 0.15 and p.caucasian > 0.7]
    assert min(p.skin_melanin for p in african) > 0.45
    assert min(p.iris_melanin for p in african) > 0.7
    assert _mean(p.hair_curl > 0.65 for p in african if p.sex < 0.5) > 0.9
    assert _mean(p.hair_curl > 0.65 for p in asian) < 0.05
    assert _mean(p.iris_melanin < 0.5 for p in pale) > 0.5
    assert not any(p.hair_style == "afro" for p in asian)
    everyone = np.array([[p.african, p.asian, p.caucasian] for p in PEOPLE])
    np.testing.assert_allclose(everyone.sum(1), 1.0, atol=1e-9)
    assert (np.bincount(everyone.argmax(1)) > 100).all()


def test_wear_is_as_common_as_it_should_be():
    assert 0.12 < _mean(p.glasses_style != "none" for p in PEOPLE) < 0.28
    assert 0.003 < _mean(p.hat_style != "none" for p in PEOPLE) < 0.05
    assert _mean(p.glasses_tint > 0.5 for p in PEOPLE) < 0.04
    suits = [p.neckline in ("suit_tie", "suit_open", "blouse_jacket") for p in PEOPLE]
    old = [years_of(p.age) > 50 for p in PEOPLE]
    young_share = _mean(suit for suit, o in zip(suits, old, strict=True) if not o)
    assert 0.1 < young_share < _mean(suit for suit, o in zip(suits, old, strict=True) if o) < 0.5
    assert not any(p.neckline == "suit_tie" for p in PEOPLE if p.sex > 0.5)
    assert not any(p.neckline == "blouse_jacket" for p in PEOPLE if p.sex < 0.5)
    hair = Counter(p.hair_style for p in PEOPLE)
    assert len(hair) >= 20 and max(hair.values()) < 0.2 * len(PEOPLE)


def test_faces_stay_within_the_prior_and_differ():
    prior = load_prior()
    local = np.array([p.local_changes() for p in PEOPLE])
    local -= [POSTURE.get(name, 0.0) for name in SHAPES]
    assert (local >= prior.lower - 1e-9).all() and (local <= prior.upper + 1e-9).all()
    assert len(PEOPLE[0].shape) == len(SHAPES)
    firm = [years_of(p.age) < SAGGING[0] for p in PEOPLE]
    np.testing.assert_allclose(local[firm].std(0), prior.deviation, rtol=0.45)


def test_faces_sag_with_age():
    """The mean difference of old and young faces is what is added, less what bounds cut off."""
    years = np.array([years_of(p.age) for p in PEOPLE])
    local = np.array([p.local_changes() for p in PEOPLE])
    aged = np.clip((years - SAGGING[0]) / (SAGGING[1] - SAGGING[0]), 0.0, 1.0)
    old, young = years > 70.0, years < SAGGING[0]
    for name, shift in AGED.items():
        column = local[:, list(SHAPES).index(name)]
        gap = (column[old].mean() - column[young].mean()) / (shift * aged[old].mean())
        assert 0.4 < gap < 1.4, name


def test_details_are_spread_as_said_and_less_so_between_the_sides():
    values = np.array([list(p.detail.values()) for p in PEOPLE]) - 0.5
    even = load_appearance().even
    deviation = 2.0 * DETAIL_RANGE * values.std(0)
    inside = 0.95  # of the truncation
    np.testing.assert_allclose(deviation[even], DETAIL_SPREAD[0] * inside, rtol=0.12)
    np.testing.assert_allclose(deviation[~even], DETAIL_SPREAD[1] * inside, rtol=0.12)
    assert np.abs(values.mean(0)).max() < 0.03


def test_looks_that_are_asked_for() -> None:
    asked = {"hair": "long", "clothes": "suit_tie", "glasses": "thick"}
    for seed in range(6):
        person = sample_parameters(seed, looks=asked)
        assert person.neckline == "suit_tie" and person.glasses_style not in ("none", "rimless")
        assert "long" in HAIR_STYLES[person.hair_style].lengths or person.hat_style != "none"
    for wrong in ({"hair": "foo"}, {"nonsense": "yes"}):
        with pytest.raises(AvatarError):
            sample_parameters(0, looks=wrong)
