"""What is learned of how people go together: tables of looks, faces, skin and expressions.

annotated portraits ─▶ tables: probabilities of looks given sex, age and tone of skin
fitted portraits ─┬──▶ the mean face of women less that of men
                  ├──▶ directions of face shape and of skin detail that go together
                  └──▶ expressions at rest, smiling and showing teeth
Learned by ``tools/learn_people.py``, see NOTICE. Of sex, age and tone themselves nothing is
learned: those of sampled people are balanced, whatever the portraits had.

Letters: N local changes (`SHAPES`), K skin details (`DETAILS`), R pairs, A actions (`MOVED`), F
factors of an expression.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.engine.classes import CLASSES
from portraiture.engine.details import DETAILS
from portraiture.engine.shapes import SHAPES

PEOPLE_PATH = Path(__file__).parent.parent / "assets" / "people.npz"

Sex = Literal["man", "woman"]
Band = Literal["18-34", "35-49", "50-64", "65-85"]
Tone = Literal["1", "2", "3", "4", "5", "6"]
SEXES: tuple[Sex, ...] = get_args(Sex)
BANDS: tuple[Band, ...] = get_args(Band)
TONES: tuple[Tone, ...] = get_args(Tone)

YEARS = (18.0, 35.0, 50.0, 65.0, 85.0)
"""Bounds of the bands of age."""
MELANIN = (0.02, 0.15, 0.27, 0.385, 0.51, 0.635, 0.8)
"""Bounds of the tones, as `skin_melanin`: midway between the means that `fit` finds of portraits
annotated with neighbouring tones (with `skin.tone` as it was then, whose dark skin was a little
more orange); the last steps, of which there are few, as wide as the others."""

GIVEN: dict[str, tuple[str, ...]] = {
    "hair": ("sex", "band"),
    "form": ("tone", "sex"),
    "fringe": ("sex", "hair"),
    "colour": ("tone", "sex", "band"),
    "beard": ("sex", "band"),
    "glasses": ("sex", "band"),
    "clothes": ("sex", "band"),
}
"""What each look depends on: the axes of its table, before that of its classes. The form is that of
all hair, shown or not."""

AXES: dict[str, tuple[str, ...]] = {
    "sex": SEXES, "band": BANDS, "tone": TONES, "hair": CLASSES["hair"],
}  # fmt: skip

Mood = Literal["rest", "smile", "teeth"]
MOODS: tuple[Mood, ...] = get_args(Mood)
MOOD_SHARES = (0.2, 0.25, 0.55)
"""At rest, smiling with closed lips and with teeth; of official portraits most show teeth."""

PAIRED = (
    "browDown", "browOuterUp", "cheekSquint", "eyeSquint", "eyeWide", "mouthDimple", "mouthFrown",
    "mouthLowerDown", "mouthPress", "mouthSmile", "mouthStretch", "mouthUpperUp", "noseSneer",
)  # fmt: skip
MOVED = (
    *PAIRED, "browInnerUp", "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
)  # fmt: skip
"""Actions of which expressions consist, those of both sides together (`PAIRED`) first."""


@dataclass(frozen=True, eq=False)
class Population:
    """The learned tables and directions. The arrays are shared: do not modify them.

    tables: probabilities by look, with the axes of `GIVEN`. woman: (N,) mean of women less that of
    men in the prior's whitened coordinates, across `Prior.feminine`. face, skin: (R, N), (R, K)
    orthonormal directions of whitened shape and of standard normal details, each pair correlated by
    correlation: (R,). mean, factor: of the actions of each mood, (3, A) and (3, F, A).
    """

    tables: Mapping[str, Float[ndarray, "..."]]
    woman: Float[ndarray, "N"]
    face: Float[ndarray, "R N"]
    skin: Float[ndarray, "R K"]
    correlation: Float[ndarray, "R"]
    mean: Float[ndarray, "3 A"]
    factor: Float[ndarray, "3 F A"]

    def chances(self, look: str, **given: str) -> Float[ndarray, "C"]:
        """Probabilities of the classes of a look. given: a value of each of `GIVEN`."""
        at = tuple(AXES[name].index(given[name]) for name in GIVEN[look])
        return self.tables[look][at]

    def matched(
        self, shape: Float[ndarray, "N"], detail: Float[ndarray, "K"]
    ) -> Float[ndarray, "K"]:
        """Standard normal details, correlated with a standard normal shape as learned."""
        along = self.skin @ detail
        wanted = self.correlation * (self.face @ shape)
        wanted += np.sqrt(1.0 - self.correlation**2) * along
        return detail + (wanted - along) @ self.skin


def band_of(years: float) -> Band:
    """The band of an age in years."""
    return BANDS[int(np.clip(np.searchsorted(YEARS, years, "right") - 1, 0, len(BANDS) - 1))]


def save_population(population: Population, path: Path) -> None:
    """Save for `load_population`, in float32."""
    arrays = {name: getattr(population, name) for name in _ARRAYS}
    tables = {f"table_{name}": table for name, table in population.tables.items()}
    np.savez_compressed(
        path,
        names=np.array([*SHAPES, *DETAILS, *MOVED]),
        **{name: np.asarray(value, np.float32) for name, value in (arrays | tables).items()},
    )


_ARRAYS = ("woman", "face", "skin", "correlation", "mean", "factor")


@lru_cache(maxsize=1)
def load_population(path: Path = PEOPLE_PATH) -> Population:
    """Load the packaged tables. Raises ValueError if they were learned for other parameters."""
    with np.load(path, allow_pickle=False) as file:
        if [str(name) for name in file["names"]] != [*SHAPES, *DETAILS, *MOVED]:
            raise ValueError(f"{path.name} was learned for other parameters; learn it again")
        arrays = {name: file[name].astype(np.float64) for name in _ARRAYS}
        tables = {name: file[f"table_{name}"].astype(np.float64) for name in GIVEN}
    for table in tables.values():
        table /= table.sum(-1, keepdims=True)
    return Population(tables=tables, **arrays)
