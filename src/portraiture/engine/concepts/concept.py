"""What a concept ("an elf", "made of marble", "smiling") changes of a person: plain frozen records.

Places are canonical millimetres, as in `skin.detail`: the origin midway between the eyes of the
average head, x to the person's left, y up, z forward; the eyes are at x = ±31.3, the tip of the
nose near (0, -42, 36), the mouth at y = -73, the chin at y = -108, the crown at y = 115. What has a
place beside the middle (x > 0) is on both sides. Colours are sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from portraiture.types import Style

Point = tuple[float, float, float]
Rgb = tuple[float, float, float]
Kind = Literal["creature", "material", "look", "attribute"]
Region = Literal[
    "all", "skin", "lips", "cheeks", "lids", "sockets", "nose", "ears", "muzzle", "upper", "neck"
]
"""Parts of the skin. skin: all but lips, eyes and the inside of the mouth. sockets: around the
eyes. muzzle: below the nose. upper: above the mouth."""
Pupil = Literal["round", "slit", "none"]
GrowthKind = Literal[
    "horns", "ram_horns", "antennae", "fangs", "tusks", "cat_ears", "bolts", "halo", "whiskers",
    "dog_ears",
]  # fmt: skip
Pattern = Literal["plain", "veined", "grained", "speckled", "cracked", "patina", "mottled"]
HairChange = Literal["longer", "shorter", "curlier", "straighter", "fringe", "off_ears"]


@dataclass(frozen=True)
class Bend:
    """A smooth deformation of space, which expressions follow: near `at`, points move `by` mm and
    are scaled about it by `scale`; at the distance `radius`, mm, to 1/e."""

    at: Point
    radius: float
    by: Point = (0.0, 0.0, 0.0)
    scale: Point = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Ears:
    """Ears whose tips are drawn out. up, back, out: of the tips, mm. point: 0 keeps their form, 1
    tapers to a tip. size: factor about where they grow."""

    up: float = 0.0
    back: float = 0.0
    out: float = 0.0
    point: float = 1.0
    size: float = 1.0


@dataclass(frozen=True)
class Tint:
    """A region in another colour that keeps its light and dark. share: of the new colour. contrast:
    exponent on the light and dark that is kept."""

    rgb: Rgb
    region: Region = "skin"
    share: float = 1.0
    contrast: float = 1.0


@dataclass(frozen=True)
class Blotches:
    """Irregular patches. size: mm. cover: share of the region. share: of their colour."""

    rgb: Rgb
    size: float = 14.0
    cover: float = 0.4
    share: float = 0.6
    soft: float = 0.5
    region: Region = "skin"
    seed: int = 1


@dataclass(frozen=True)
class Spots:
    """Round spots, at most one in a cell of `size` mm. chance: that a cell has one."""

    rgb: Rgb
    size: float = 3.0
    chance: float = 0.5
    share: float = 0.7
    region: Region = "skin"
    seed: int = 3


@dataclass(frozen=True)
class Scales:
    """Cells with dark borders of `size` mm, darker than their middles by `depth`."""

    size: float = 5.0
    depth: float = 0.5
    region: Region = "skin"


@dataclass(frozen=True)
class Fur:
    """Short hairs that lie along the face: streaks of `rgb`. length: mm."""

    rgb: Rgb
    length: float = 9.0
    share: float = 0.7
    region: Region = "skin"


@dataclass(frozen=True)
class Ellipse:
    """Paint within an ellipse as seen from the front. radii, soft: mm. turn: radians. rim: mm of a
    ring that alone is painted; 0 for all of it. behind: how far behind the eyes it reaches."""

    at: tuple[float, float]
    radii: tuple[float, float]
    rgb: Rgb
    share: float = 1.0
    soft: float = 1.5
    turn: float = 0.0
    rim: float = 0.0
    behind: float = 60.0


@dataclass(frozen=True)
class Stroke:
    """A painted line as seen from the front. width, soft: mm. mirrored: on both sides."""

    points: tuple[tuple[float, float], ...]
    rgb: Rgb
    width: float = 1.2
    share: float = 0.9
    soft: float = 0.6
    mirrored: bool = True
    behind: float = 90.0


@dataclass(frozen=True)
class Creases:
    """Wrinkles as shade. Where the skin is a photo's alone; the painted skin has its own."""

    strength: float = 1.0


@dataclass(frozen=True)
class Softened:
    """Skin of a photo with less of what differs over less than `size` mm."""

    size: float = 6.0
    share: float = 0.6


@dataclass(frozen=True)
class Gel:
    """Coloured light from both sides, painted: `left` and `right` by where the skin faces, `front`
    between."""

    left: Rgb
    right: Rgb
    front: Rgb
    share: float = 0.9


Paint = (
    Tint | Blotches | Spots | Scales | Fur | Ellipse | Stroke | Creases | Softened | Gel
)  # fmt: skip


@dataclass(frozen=True)
class EyeLook:
    """iris, white: None keeps them. size: factor on the iris. glow: 0 shaded, 1 as if lit."""

    iris: Rgb | None = None
    white: Rgb | None = None
    pupil: Pupil = "round"
    size: float = 1.0
    glow: float = 0.0


@dataclass(frozen=True)
class Substance:
    """What a person is made of. rgb, other: of the ground, and of veins, grain or cracks. scale:
    size of the pattern, mm. whole: hair, eyes and clothes as well, which are then sculpted. relief:
    how far light and dark of the skin show through."""

    rgb: Rgb
    other: Rgb
    pattern: Pattern
    scale: float = 30.0
    amount: float = 0.5
    roughness: float = 0.4
    metallic: float = 0.0
    whole: bool = True
    relief: float = 0.35


@dataclass(frozen=True)
class Growth:
    """A mesh of its own on the skull, the neck or the jaw. size: factor."""

    kind: GrowthKind
    rgb: Rgb
    other: Rgb | None = None
    size: float = 1.0


@dataclass(frozen=True)
class Grade:
    """All colours changed. saturation, contrast: factors. lift: added. tint: multiplied."""

    saturation: float = 1.0
    contrast: float = 1.0
    lift: float = 0.0
    tint: Rgb = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Concept:
    """One concept; each field changes one thing, and what it leaves out stays the person's.

    name: its identifier. kind: what it competes with: of materials one applies.
    phrase: how a sentence says it. others: further ways to say it.
    style: of the engine. set: parameters by name. add: added to parameters. shape: added to shape
    parameters. expression: ARKit weights. hair_change: of length and form; pointed ears are shown
    by themselves. hair: colour of hair, brows and beard.
    All else is made as the bust is built, see `makeover.Makeover`.
    """

    name: str
    kind: Kind
    phrase: str
    others: tuple[str, ...] = ()
    style: Style | None = None
    set: Mapping[str, float | str] = field(default_factory=dict)
    add: Mapping[str, float] = field(default_factory=dict)
    shape: Mapping[str, float] = field(default_factory=dict)
    expression: Mapping[str, float] | None = None
    hair_change: HairChange | None = None
    bends: tuple[Bend, ...] = ()
    ears: Ears | None = None
    paints: tuple[Paint, ...] = ()
    eyes: EyeLook | None = None
    hair: Rgb | None = None
    substance: Substance | None = None
    growths: tuple[Growth, ...] = ()
    grade: Grade | None = None
    bare: bool = False
    """Without brows and lashes."""
    undyed: bool = False
    """Hair of a natural colour, of which an earlier dye is washed out."""

    @property
    def built(self) -> bool:
        """Whether it changes more than parameters, style and expression."""
        made = (self.bends, self.paints, self.growths, self.ears, self.eyes, self.hair)
        return any(made) or bool(self.substance or self.grade or self.bare or self.undyed)
