"""Pairs of a person before and after a concept: the same person, camera and light."""

from __future__ import annotations

import numpy as np

from portraiture.engine.concepts.table import CONCEPTS
from portraiture.people.concept_edits import render_concept, sentences_of


def test_a_pair_is_one_person_before_and_after() -> None:
    index = list(CONCEPTS).index("gold")
    pair = render_concept(5, index, 48)
    again = render_concept(5, index, 48)
    assert (pair.before == again.before).all() and (pair.after == again.after).all()
    assert pair.before.shape == pair.after.shape == (48, 48, 3)
    both = np.stack([pair.before, pair.after]).astype(float)
    empty = (both > 250).all(-1)
    assert (empty[0] == empty[1]).mean() > 0.97, "the same person from the same side"
    inside = ~empty.all(0)
    assert np.abs(both[0] - both[1])[inside].mean() > 10.0, "made of something else"
    red, _, blue = both[1][inside].mean(0)
    assert red > 1.3 * blue, "which is golden"
    assert any("gold" in sentence for sentence in pair.sentences)


def test_sentences_are_grammatical() -> None:
    elf = sentences_of(["elf"])
    assert "turn the head into an elf" in elf and "an elf" in elf
    both = sentences_of(["elf", "red_hair"])
    assert "make the person an elf, with red hair" in both
