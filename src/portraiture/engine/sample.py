"""Sample plausible, diverse people from a seed (`sample_parameters`).

seed ─▶ sex, years, tone ─▶ look, ancestry (`sample_looks`) ─┬─▶ build, face (prior) ─▶ shape
                                                             ├─▶ skin, eyes, lips, details
                                                             ├─▶ hair, brows, beard
                                                             └─▶ glasses, hat, clothes
Sexes, ages from 18 to 85 and tones of skin are equally likely; the rest goes with them as learned
from portraits (`engine.population`). Each group of parameters has a stream of random numbers of its
own, so that changing one leaves the others of a seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.random import Generator

from portraiture.engine.ancestry import Ancestry
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.population import MELANIN, TONES, YEARS, load_population
from portraiture.engine.prior import load_prior
from portraiture.engine.sample_looks import (
    Look,
    choice,
    sample_beard,
    sample_hair,
    sample_look,
    sample_wear,
    unit,
)
from portraiture.engine.shapes import SHAPES
from portraiture.engine.skin.sample import detail_from, sample_normal

YOUNGEST = 0.42
"""Lower bound of the sampled `age`; below it, MakeHuman's macro targets look like teenagers."""

PORTRAYED = {
    "mouth_angles_up": 0.2, "eye_trans_out": -0.2, "head_scale_vert": 0.04, "chin_height": 0.04,
    "mouth_scale_horiz": 0.15, "mouth_upperlip_height": -0.4, "mouth_upperlip_volume": -0.2,
    "nose_nostrils_width": 0.1,
}  # fmt: skip
"""What is added to local changes of sampled faces, whose scans differ from people in portraits: the
corners of the mouth are lower than at rest (mean -0.30 and -0.09 of fitted portraits), eyes farther
apart (relative to them, faces are 2.5 % narrower and lower, noses 5 % and mouths 6 % narrower) and
upper lips thicker (by 0.016 inter-ocular distances)."""
POSTURE = {"measure_neck_height": -0.5, "neck_scale_vert": -0.5}
"""What is added to local changes of the neck, which scans do not cover: the base mesh stands erect.
In portraits the collar of a shirt meets the chin's outline, here it was 2 to 3 cm lower."""

AGED: dict[str, float] = {
    "eye_bag": 0.7, "eye_eyefold_angle_up": -0.6, "cheek_trans_up": -0.5, "neck_double": 0.35,
    "mouth_laugh_lines_out": 0.6, "mouth_upperlip_volume": -0.35, "mouth_lowerlip_volume": -0.25,
    "ear_scale_vert": 0.25, "ear_lobe": 0.3, "nose_point_up": -0.3, "head_age": 0.4,
}  # fmt: skip
"""What is added to local changes at 80 years, beyond the base mesh's age: skin sags at lids, cheeks
and jaw, lips thin, nose and ears lengthen (Mendelson and Wong 2012, "Changes in the facial skeleton
with aging"). It starts at `SAGGING` years."""
SAGGING = (42.0, 80.0)

BROWS_MAN = {"natural": 4.0, "straight": 2.5, "bushy": 0.9, "angled": 1.2, "rounded": 0.5}
BROWS_WOMAN = {
    "natural": 3.2, "arched": 2.2, "rounded": 1.6, "thin": 1.2, "straight": 1.2, "angled": 0.6,
}  # fmt: skip

FACE, SKIN, EYES, HAIR, BROWS, BEARD, WEAR, DETAIL = range(1, 9)
"""Second words of the seeds of the groups' streams."""


@dataclass(frozen=True)
class _Person:
    """Attributes that condition all others. woman: whether sex > 0.5. years: age in years."""

    sex: float
    age: float
    years: float
    woman: bool
    look: Look

    @property
    def ancestry(self) -> Ancestry:
        return self.look.ancestry


def sample_parameters(
    seed: int,
    *,
    sex: float | None = None,
    age: float | None = None,
    looks: Mapping[str, str] | None = None,
) -> AvatarParameters:
    """Sample a plausible adult. The same seed gives the same person.

    sex, age: if given, values in [0, 1] on which all other parameters are conditioned. looks:
    classes (`classes.CLASSES`) that are asked for, clothes for example.
    Raises AvatarError when a value is out of range or a class is unknown.
    """

    def stream(group: int) -> Generator:
        return np.random.default_rng((seed, group))

    person = _sample_person(np.random.default_rng(seed), sex, age, looks)
    look, woman, years = person.look, person.woman, person.years
    values: dict[str, Any] = {"sex": person.sex, "age": person.age}
    face, shape = _sample_face(stream(FACE), person)
    values |= face
    values |= _sample_skin(stream(SKIN), person)
    values |= _sample_eyes(stream(EYES), person)
    values |= sample_hair(stream(HAIR), look, woman=woman, years=years)
    values |= _sample_brows(stream(BROWS), person)
    values |= sample_beard(stream(BEARD), look, values)
    values |= sample_wear(stream(WEAR), look, values, woman=woman)
    details = load_population().matched(shape, sample_normal(stream(DETAIL)))
    return AvatarParameters(**values, detail=detail_from(details))


def years_of(age: float) -> float:
    """Convert the `age` parameter to years: 12 at 0, 25 at 0.5, 90 at 1."""
    return float(np.interp(age, [0.0, 0.5, 1.0], [12.0, 25.0, 90.0]))


def look_of(seed: int) -> Look:
    """The classes of the person of a seed."""
    return _sample_person(np.random.default_rng(seed), None, None).look


def _sample_person(
    rng: Generator,
    sex: float | None,
    age: float | None,
    looks: Mapping[str, str] | None = None,
) -> _Person:
    woman = rng.random() < 0.5
    sampled_sex = rng.uniform(0.86, 0.99) if woman else rng.uniform(0.04, 0.2)
    years = rng.uniform(YEARS[0], YEARS[-1])
    sampled_age = max(YOUNGEST, float(np.interp(years, [12.0, 25.0, 90.0], [0.0, 0.5, 1.0])))
    sex = unit(sampled_sex) if sex is None else sex
    if age is None:
        age = unit(sampled_age)
    else:
        years = years_of(age)
    look = sample_look(rng, woman=sex > 0.5, years=years, asked=looks)
    return _Person(sex, age, years, sex > 0.5, look)


def _sample_face(rng: Generator, person: _Person) -> tuple[dict[str, Any], Float[ndarray, "N"]]:
    """Build, ancestry and face shape; and the shape in the prior's whitened coordinates."""
    african, asian, caucasian = rng.dirichlet(person.ancestry.mixture)
    muscle = rng.normal(0.5 - 0.12 * person.woman, 0.12) - 0.004 * max(person.years - 45.0, 0.0)
    weight = rng.normal(0.47, 0.13) + 0.06 * rng.random() * (person.years > 35)
    prior = load_prior()
    local = prior.sample(rng, sex=person.sex)
    whitened = prior.whitening @ (local - prior.mean)
    local = local + prior.factor @ load_population().woman * (person.sex - 0.5)
    aged = float(np.interp(person.years, SAGGING, (0.0, 1.0)))
    sagging = {name: aged * shift for name, shift in AGED.items()}
    for name, shift in (*PORTRAYED.items(), *sagging.items(), *person.ancestry.shape.items()):
        local[list(SHAPES).index(name)] += shift
    local = prior.clip(local)
    for name, shift in POSTURE.items():
        local[list(SHAPES).index(name)] += shift
    shape = zip(SHAPES, 0.5 + 0.5 * local, strict=True)
    return {
        "african": unit(african),
        "asian": unit(asian),
        "caucasian": unit(caucasian),
        "muscle": unit(muscle, 0.15, 0.85),
        "weight": unit(weight, 0.15, 0.9),
        "shape": {name: unit(value) for name, value in shape},
    }, whitened


def _sample_skin(rng: Generator, person: _Person) -> dict[str, float]:
    ancestry, years = person.ancestry, person.years
    tone = TONES.index(person.look.tone)
    melanin = float(rng.uniform(MELANIN[tone], MELANIN[tone + 1]))
    fair = max(0.0, 1.0 - melanin / 0.35)
    freckled = rng.random() < 0.08 + 0.3 * fair
    freckles = rng.uniform(0.2, 0.9) * (0.4 + 0.6 * fair) if freckled else 0.08 * rng.random()
    makeup = person.woman and rng.random() < 0.6
    return {
        "skin_melanin": melanin,
        "skin_haemoglobin": unit(rng.normal(0.8, 0.14), 0.2, 1.0),
        "skin_undertone": unit(rng.normal(*ancestry.undertone), 0.05, 0.95),
        "skin_freckles": unit(freckles * (melanin < 0.6)),
        "skin_pores": unit(rng.normal(0.52 - 0.12 * person.woman, 0.12), 0.15, 0.9),
        "skin_wrinkles": unit((years - 24.0) / 62.0 + rng.normal(0.0, 0.07), 0.02, 1.0),
        "skin_shine": unit(rng.normal(0.42 - 0.002 * (years - 40.0), 0.12), 0.1, 0.8),
        "lip_redness": unit(rng.normal(0.5, 0.12) + makeup * rng.uniform(0.1, 0.5)),
        "cheek_blush": unit(rng.normal(0.58 + 0.08 * makeup, 0.18), 0.1, 1.0),
        "under_eye": unit(rng.normal(0.14 + 0.004 * (years - 25.0), 0.12), 0.0, 0.85),
    }


def _sample_eyes(rng: Generator, person: _Person) -> dict[str, float]:
    years = person.years
    return {
        "iris_melanin": unit(rng.normal(*person.ancestry.iris), 0.03, 1.0),
        "iris_green": unit(rng.beta(1.2, 2.2)),
        "iris_size": unit(rng.normal(0.5, 0.12), 0.2, 0.8),
        "pupil_size": unit(rng.normal(0.42 - 0.002 * (years - 40.0), 0.1), 0.15, 0.75),
        "limbal_ring": unit(rng.normal(0.6 - 0.005 * (years - 25.0), 0.15), 0.05, 1.0),
        "lash_length": unit(rng.normal(0.5 if person.woman else 0.28, 0.13), 0.1, 0.95),
    }


def _sample_brows(rng: Generator, person: _Person) -> dict[str, Any]:
    woman = person.woman
    return {
        "brow_style": choice(rng, BROWS_WOMAN if woman else BROWS_MAN),
        "brow_thickness": unit(rng.normal(0.2 if woman else 0.32, 0.13), 0.05, 0.9),
        "brow_density": unit(rng.normal(0.4 if woman else 0.44, 0.12), 0.2, 0.9),
        "brow_darkness": unit(rng.normal(0.34, 0.12), 0.12, 0.8),
    }
