"""`AvatarParameters`: a person as named continuous and discrete parameters.

Continuous parameters lie in [0, 1]; discrete ones are Literals. The flat vector holds the
continuous values in field order, the shape changes in `SHAPES` order, one block per discrete
parameter: one-hot when strict, a probability vector when relaxed (AgileAvatar's relaxed encoding,
Sang et al. 2022, section 3.3), and the skin's details in `DETAILS` order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args, get_type_hints

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.engine.details import DETAILS
from portraiture.engine.shapes import SHAPES
from portraiture.errors import AvatarError

HairStyle = Literal[
    "bald",
    "buzz",
    "short",
    "crop",
    "side_part",
    "quiff",
    "slick_back",
    "curly",
    "afro",
    "bob",
    "long_straight",
    "long_wavy",
    "ponytail",
    "bun",
    "receding",
    "horseshoe",
    "side_swept",
    "wavy_medium",
    "layered_bob",
    "pixie",
    "curly_medium",
    "curly_long",
    "braids",
    "cornrows",
]
LONG_HAIR: tuple[HairStyle, ...] = (
    *("bob", "long_straight", "long_wavy", "ponytail", "bun"),
    *("wavy_medium", "layered_bob", "curly_medium", "curly_long", "braids"),
)
"""Styles whose hair reaches below the ears."""
BrowStyle = Literal["natural", "straight", "arched", "thin", "bushy", "angled", "rounded"]
BeardStyle = Literal[
    "none", "stubble", "moustache", "goatee", "circle", "short_beard", "full_beard", "sideburns"
]
GlassesStyle = Literal["none", "round", "rectangle", "aviator", "cat_eye", "rimless", "oval"]
HatStyle = Literal["none", "beanie", "cap"]
Neckline = Literal[
    "bare", "crew", "v_neck", "shirt", "suit_tie", "suit_open", "blouse_jacket", "knit", "dress",
    "hoodie",
]  # fmt: skip


def _number(default: float, meaning: str) -> float:
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True)
class AvatarParameters:
    """One person. See each field's ``metadata["meaning"]`` and `describe()`.

    shape: local changes of the face by name, in [0, 1]; 0.5 is the average face and the default.
    detail: learned details of the skin by name, in [0, 1]; 0.5, the default, is what is expected of
    the person's sex, age and colouring.
    Raises AvatarError on out-of-range values, unknown names and unknown choices.
    """

    sex: float = _number(0.5, "0 masculine, 1 feminine build and face")
    age: float = _number(0.5, "0 about 12 years, 0.5 25 years, 1 90 years")
    muscle: float = _number(0.5, "muscle of neck and shoulders")
    weight: float = _number(0.5, "body and face fat")
    african: float = _number(1 / 3, "weight of African ancestry in the face shape")
    asian: float = _number(1 / 3, "weight of Asian ancestry in the face shape")
    caucasian: float = _number(1 / 3, "weight of Caucasian ancestry in the face shape")

    skin_melanin: float = _number(0.3, "0 palest, 1 darkest skin")
    skin_haemoglobin: float = _number(0.5, "blood in the skin: 0 sallow, 1 ruddy")
    skin_undertone: float = _number(0.5, "0 cool and pink, 1 warm and golden")
    skin_freckles: float = _number(0.0, "density of freckles")
    skin_pores: float = _number(0.5, "depth of pores and fine relief")
    skin_wrinkles: float = _number(0.2, "depth of wrinkles and age spots")
    skin_shine: float = _number(0.4, "0 matte, 1 oily")
    lip_redness: float = _number(0.5, "0 skin coloured, 1 strongly red")
    cheek_blush: float = _number(0.4, "redness of cheeks and nose")
    under_eye: float = _number(0.3, "darkness under the eyes")
    stubble: float = _number(0.0, "beard shadow of shaved skin")

    iris_melanin: float = _number(0.6, "0 blue or grey, 0.5 hazel, 1 dark brown")
    iris_green: float = _number(0.2, "0 blue, 1 green, where melanin is low")
    iris_size: float = _number(0.5, "diameter, 10.5 to 13 mm on a real eye")
    pupil_size: float = _number(0.4, "pupil size relative to the iris")
    limbal_ring: float = _number(0.5, "darkness of the ring around the iris")
    lash_length: float = _number(0.5, "length and density of the lashes")

    hair_length: float = _number(0.5, "within the style's natural range")
    hair_volume: float = _number(0.5, "how far hair stands off the head")
    hair_curl: float = _number(0.3, "added wave or curl")
    hair_parting: float = _number(0.3, "0 the person's left, 0.5 middle, 1 right")
    hair_line: float = _number(0.4, "0 low, 1 high and receding")
    hair_fringe: float = _number(0.0, "of hanging hair: 0 none, 1 full, to the brows")
    hair_melanin: float = _number(0.7, "0 white blond, 1 black")
    hair_redness: float = _number(0.2, "pheomelanin: 0 ash, 1 ginger")
    hair_grey: float = _number(0.0, "fraction of grey hairs")
    hair_roots: float = _number(0.0, "0 even colour, 1 dark roots and fair tips; not of plaits")

    brow_thickness: float = _number(0.5, "height of the brow")
    brow_density: float = _number(0.6, "number of hairs")
    brow_darkness: float = _number(0.5, "0 lighter, 1 darker than the hair")
    beard_length: float = _number(0.4, "within the style's natural range")
    beard_density: float = _number(0.7, "number of hairs")
    beard_grey: float = _number(0.0, "fraction of grey hairs in the beard")

    glasses_size: float = _number(0.5, "width and height of the lenses")
    glasses_rim: float = _number(0.7, "thickness of the rim: 0 a metal wire, 1 bold")
    glasses_tone: float = _number(0.1, "frame: 0 black, 0.5 tortoiseshell, 1 gold or clear")
    glasses_tint: float = _number(0.0, "0 clear lenses, 1 sunglasses")
    hat_red: float = _number(0.2, "hat colour, sRGB")
    hat_green: float = _number(0.2, "hat colour, sRGB")
    hat_blue: float = _number(0.3, "hat colour, sRGB")
    cloth_red: float = _number(0.25, "colour of the clothes, of a suit's jacket, sRGB")
    cloth_green: float = _number(0.3, "colour of the clothes, of a suit's jacket, sRGB")
    cloth_blue: float = _number(0.4, "colour of the clothes, of a suit's jacket, sRGB")
    shirt_red: float = _number(0.92, "colour of the shirt or blouse under a jacket, sRGB")
    shirt_green: float = _number(0.93, "colour of the shirt or blouse under a jacket, sRGB")
    shirt_blue: float = _number(0.95, "colour of the shirt or blouse under a jacket, sRGB")
    tie_red: float = _number(0.10, "colour of the tie, sRGB")
    tie_green: float = _number(0.14, "colour of the tie, sRGB")
    tie_blue: float = _number(0.33, "colour of the tie, sRGB")

    shape: Mapping[str, float] = field(default_factory=dict)
    detail: Mapping[str, float] = field(default_factory=dict)

    hair_style: HairStyle = "short"
    brow_style: BrowStyle = "natural"
    beard_style: BeardStyle = "none"
    glasses_style: GlassesStyle = "none"
    hat_style: HatStyle = "none"
    neckline: Neckline = "crew"

    def __post_init__(self) -> None:
        for name in CONTINUOUS:
            _check_unit(name, getattr(self, name))
        for table, names in (("shape", SHAPES), ("detail", DETAILS)):
            values = getattr(self, table)
            unknown = sorted(set(values) - set(names))
            if unknown:
                raise AvatarError(f"Unknown {table} parameter {unknown[0]!r}; see `describe()`.")
            for name, value in values.items():
                _check_unit(name, value)
        for name, choices in DISCRETE.items():
            if getattr(self, name) not in choices:
                raise AvatarError(
                    f"{name} must be one of {', '.join(choices)}, not {getattr(self, name)!r}."
                )

    def local_changes(self) -> Float[ndarray, "N"]:
        """The shape parameters as the engine's local changes in [-1, 1], in `SHAPES` order."""
        return np.array([2.0 * self.shape.get(name, 0.5) - 1.0 for name in SHAPES])

    def phenotypes(self) -> Float[ndarray, "7"]:
        """sex, age, muscle, weight and the three ancestries, in `HeadModel.coefficients` order."""
        return np.array(
            [
                self.sex,
                self.age,
                self.muscle,
                self.weight,
                self.african,
                self.asian,
                self.caucasian,
            ]
        )

    def to_json(self) -> str:
        """Serialise to JSON; `from_json` restores it exactly."""
        return json.dumps(self.to_dict(), indent=1)

    def to_dict(self) -> dict[str, Any]:
        """Convert to a dict of plain numbers and strings."""
        out = {f.name: getattr(self, f.name) for f in fields(self)}
        return out | {"shape": dict(self.shape), "detail": dict(self.detail)}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> AvatarParameters:
        """Build from a dict; missing names take their default. Raises AvatarError on unknown names
        and invalid values."""
        known = {f.name for f in fields(AvatarParameters)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise AvatarError(f"Unknown avatar parameter {unknown[0]!r}.")
        tables = {name: values.get(name, {}) for name in ("shape", "detail")}
        for name, table in tables.items():
            if not isinstance(table, Mapping):
                raise AvatarError(f"The avatar parameter {name!r} must be a table of numbers.")
        return AvatarParameters(**{**values, **{k: dict(v) for k, v in tables.items()}})

    @staticmethod
    def from_json(text: str) -> AvatarParameters:
        """Parse JSON. Raises AvatarError when `text` is not a JSON object of parameters."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise AvatarError(f"The avatar file is not valid JSON: {error}.") from error
        if not isinstance(values, dict):
            raise AvatarError("The avatar file must hold one table of parameters.")
        return AvatarParameters.from_dict(values)

    def to_vector(self) -> Float[ndarray, "D"]:
        """The strict vector: continuous values, shapes, one-hot blocks, details.
        D = `vector_length()`."""
        blocks = [
            np.array([getattr(self, name) for name in CONTINUOUS]),
            np.array([self.shape.get(name, 0.5) for name in SHAPES]),
        ]
        for name, choices in DISCRETE.items():
            blocks.append(np.eye(len(choices))[choices.index(getattr(self, name))])
        blocks.append(np.array([self.detail.get(name, 0.5) for name in DETAILS]))
        return np.concatenate(blocks)

    @staticmethod
    def from_vector(vector: Float[ndarray, "D"]) -> tuple[AvatarParameters, dict[str, ndarray]]:
        """Decode a strict or relaxed vector to parameters (argmax of each block) and the relaxed
        probabilities of every discrete parameter. Raises AvatarError on a wrong length."""
        vector = np.asarray(vector, np.float64)
        if vector.shape != (vector_length(),):
            raise AvatarError(
                f"An avatar vector has {vector_length()} numbers, not {vector.shape}."
            )
        head, shapes, rest = np.split(vector, [len(CONTINUOUS), len(CONTINUOUS) + len(SHAPES)])
        values: dict[str, Any] = dict(zip(CONTINUOUS, head.tolist(), strict=True))
        values["shape"] = {
            name: value for name, value in zip(SHAPES, shapes.tolist(), strict=True) if value != 0.5
        }
        relaxed: dict[str, ndarray] = {}
        for name, choices in DISCRETE.items():
            block, rest = rest[: len(choices)], rest[len(choices) :]
            relaxed[name] = block
            values[name] = choices[int(np.argmax(block))]
        details = zip(DETAILS, rest.tolist(), strict=True)
        values["detail"] = {name: value for name, value in details if value != 0.5}
        return AvatarParameters(**values), relaxed

    def with_shape(self, **changes: float) -> AvatarParameters:
        """A copy with some shape parameters replaced."""
        return replace(self, shape={**self.shape, **changes})


def vector_length() -> int:
    """D, the length of the flat vector."""
    choices = sum(len(names) for names in DISCRETE.values())
    return len(CONTINUOUS) + len(SHAPES) + choices + len(DETAILS)


def describe() -> dict[str, str]:
    """Every parameter's meaning; discrete ones list their choices."""
    out = {f.name: f.metadata["meaning"] for f in fields(AvatarParameters) if f.metadata}
    out |= SHAPES | DETAILS
    out |= {name: " | ".join(choices) for name, choices in DISCRETE.items()}
    return out


def _check_unit(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise AvatarError(f"{name} must be a number from 0 to 1, not {value!r}.")


def _continuous_names() -> tuple[str, ...]:
    return tuple(f.name for f in fields(AvatarParameters) if f.metadata)


def _discrete_choices() -> dict[str, tuple[str, ...]]:
    hints = get_type_hints(AvatarParameters)
    return {
        f.name: get_args(hints[f.name])
        for f in fields(AvatarParameters)
        if not f.metadata and f.name not in ("shape", "detail")
    }


CONTINUOUS = _continuous_names()
DISCRETE = _discrete_choices()
