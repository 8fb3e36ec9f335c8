"""Usual frequencies of looks among adults, towards which `learn_people.py` smooths its tables.

Rough estimates, for what the portraits cannot say: the young, the unshaven, everyday clothes, dark
skin. Zeros are impossible combinations and remain zero. Tables have the axes of
`engine.population.GIVEN`.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.engine.ancestry import (
    ANCESTRIES,
    colour_chances,
    form_chances,
    tone_chances,
)
from portraiture.engine.population import BANDS, CLASSES, SEXES, TONES, YEARS

CONGRESS = np.array([0.03, 0.24, 0.5, 0.23])
"""Members of Congress by band of age."""
BIASED = ("beard", "clothes", "form", "colour")
"""Looks in which members of Congress are unlike other people of their sex, age and tone: official
portraits are formal, and few of the sitters are of Asian or recent African descent."""
MIDDLE = np.array([26.5, 42.5, 57.5, 75.0])
"""Middle of each band, years."""

_GREY = np.array([[0.01, 0.05, 0.22, 0.26], [0.01, 0.03, 0.13, 0.22]])
_WHITE = np.array([[0.0, 0.01, 0.12, 0.5], [0.0, 0.0, 0.04, 0.3]])
"""Share of grey and of white hair, of men and women (of whom many dye theirs) by band."""
_BALDING = np.array([0.08, 0.235, 0.4, 0.59])
"""Share of men whose hair recedes or has gone, by band."""
_MAN_HAIR = np.array([0.03, 0.0, 0.1, 0.8, 0.04, 0.03])
_BALDING_HAIR = np.array([0.27, 0.55, 0.18, 0.0, 0.0, 0.0])
_WOMAN_HAIR = np.array([
    [0.0, 0.0, 0.01, 0.17, 0.35, 0.47], [0.0, 0.0, 0.01, 0.21, 0.4, 0.38],
    [0.0, 0.0, 0.01, 0.37, 0.43, 0.19], [0.0, 0.0, 0.01, 0.48, 0.42, 0.09],
])  # fmt: skip
_FRINGED = {
    "man": {"short": 0.05, "medium": 0.1, "long": 0.05},
    "woman": {"short": 0.25, "medium": 0.36, "long": 0.36},
}
_BEARD = np.array([0.42, 0.22, 0.04, 0.1, 0.22])
_WOMAN_THICK = 0.45


def _hair() -> Float[ndarray, "2 4 6"]:
    away = _BALDING[:, None]
    men = (1.0 - away) * _MAN_HAIR + away * _BALDING_HAIR
    return np.stack([men, _WOMAN_HAIR])


def _form() -> Float[ndarray, "6 2 4"]:
    """Of the ancestries that have each tone."""
    forms = np.array([[form_chances(a, woman=woman) for a in ANCESTRIES] for woman in (0, 1)])
    return np.einsum("ta,saf->tsf", tone_chances(), forms)


def _fringe() -> Float[ndarray, "2 6 2"]:
    yes = np.array([[_FRINGED[sex].get(hair, 0.0) for hair in CLASSES["hair"]] for sex in SEXES])
    return np.stack([1.0 - yes, yes], axis=-1)


def _colour() -> Float[ndarray, "6 2 4 8"]:
    own = tone_chances() @ np.array([colour_chances(a) for a in ANCESTRIES])
    turned = (_GREY + _WHITE)[None, :, :, None]
    table = np.zeros((len(TONES), len(SEXES), len(BANDS), len(CLASSES["colour"])))
    table[..., :6] = (1.0 - turned) * own[:, None, None]
    table[..., 6], table[..., 7] = _GREY, _WHITE
    return table


def _beard() -> Float[ndarray, "2 4 5"]:
    table = np.zeros((len(SEXES), len(BANDS), len(CLASSES["beard"])))
    table[0] = _BEARD
    table[1, :, 0] = 1.0
    return table


def _glasses() -> Float[ndarray, "2 4 4"]:
    worn = np.interp(MIDDLE, [22.0, 70.0], [0.12, 0.3])
    kinds = np.array([[0.15, 0.55, 0.3], [0.15, 0.85 - _WOMAN_THICK, _WOMAN_THICK]])
    return np.stack([
        np.column_stack([1.0 - worn, worn[:, None] * kinds[k]]) for k in range(len(SEXES))
    ])  # fmt: skip


def _clothes() -> Float[ndarray, "2 4 6"]:
    formal = np.interp(MIDDLE, [20.0, 60.0], [0.5, 2.0])
    table = np.zeros((len(SEXES), len(BANDS), len(CLASSES["clothes"])))
    table[..., 2], table[..., 4], table[..., 5] = 2.4, 0.9, 4.6
    table[0, :, 0], table[0, :, 1] = 1.3 * formal, 0.7 * formal
    table[1, :, 1], table[1, :, 3], table[1, :, 5] = 0.3 * formal, 1.3 * formal, 5.8
    return table / table.sum(-1, keepdims=True)


def rules() -> dict[str, Float[ndarray, "..."]]:
    """The usual table of every look."""
    assert len(YEARS) == len(MIDDLE) + 1
    return {
        "hair": _hair(), "form": _form(), "fringe": _fringe(), "colour": _colour(),
        "beard": _beard(), "glasses": _glasses(), "clothes": _clothes(),
    }  # fmt: skip


OLD_BY_BAND = {"colour": _GREY + _WHITE, "hair": _hair()[..., :2].sum(-1) + 1e-3}
"""Share of grey or white hair, and of receding or bald heads, by sex and band."""
