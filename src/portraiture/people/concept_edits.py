"""Pairs of a person and the same person under a concept of the engine (`engine.concepts`), for
`people.edit_pairs`.

seed, index ─▶ person, light, side, concept(s) ─┬─ as they are ─▶ before
                                                └─ changed ─▶ after, sentences that ask for it
"""

from __future__ import annotations

import numpy as np

from portraiture.camera import eg3d_orbit
from portraiture.engine.build import build_bust
from portraiture.engine.concepts.change import changed, conflicts
from portraiture.engine.concepts.makeover import makeover_of
from portraiture.engine.concepts.table import CONCEPTS
from portraiture.engine.sample import sample_parameters
from portraiture.engine.style.recipes import style_shading
from portraiture.people.edit_pairs import EditPair
from portraiture.people.synthetic import sample_expression
from portraiture.people.views import head_frame, over, render_view
from portraiture.render.light import sample_light

TEXTURE_SIZE = 512
REACH = 0.52
"""Largest yaw and pitch, radians: those of FF3D's views."""
TWO = 0.15
"""Share of pairs with two concepts."""
TEMPLATES = ("{}", "make the person {}", "show the person {}")
NOUN = ("a ", "an ")
OF_NOUNS = ("turn the head into {}", "change the person into {}", "show them as {}")
"""Also of phrases that begin with an article."""


def render_concept(seed: int, index: int, size: int) -> EditPair:
    """Pair `index` of a seed; its concept is `index` modulo their number. before and after share
    person, light and camera."""
    rng = np.random.default_rng([seed, index])
    names = [list(CONCEPTS)[index % len(CONCEPTS)]]
    if rng.random() < TWO:
        other = str(rng.choice(list(CONCEPTS)))
        if other != names[0] and not conflicts(CONCEPTS[names[0]], CONCEPTS[other]):
            names.append(other)
    parameters = sample_parameters(int(rng.integers(1 << 62)))
    mood, light = sample_expression(rng), sample_light(rng)
    camera = eg3d_orbit(*(float(x) for x in rng.uniform(-REACH, REACH, 2)))
    after = changed(parameters, names, expression=mood)
    plain = build_bust(parameters, expression=mood, texture_size=TEXTURE_SIZE)
    bust = build_bust(
        after.parameters, expression=after.expression, style=after.style,
        makeover=makeover_of(after.names), texture_size=TEXTURE_SIZE,
    )  # fmt: skip
    frame = head_frame(plain.landmarks)
    shadings = (style_shading("natural"), style_shading(after.style))
    views = [
        render_view(one, frame, camera, size=size, light=light, shading=shading)
        for one, shading in zip((plain, bust), shadings, strict=True)
    ]
    before, edited = (over(view.rgba, 1.0) for view in views)
    return EditPair(before, edited, sentences_of(names), "+".join(names))


def sentences_of(names: list[str]) -> tuple[str, ...]:
    """Every phrase of the concepts in every template; of two concepts, their first phrases."""
    if len(names) == 1:
        concept = CONCEPTS[names[0]]
        phrases = [concept.phrase, *concept.others]
    else:
        asked = [CONCEPTS[name].phrase for name in names]
        phrases = [", ".join(sorted(asked, key=lambda text: not text.startswith(NOUN)))]
    return tuple(
        template.format(phrase)
        for phrase in phrases
        for template in (*TEMPLATES, *OF_NOUNS * phrase.startswith(NOUN))
    )
