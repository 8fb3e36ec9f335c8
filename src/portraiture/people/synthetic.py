"""Render the engine's people as photos with ground truth, in varied light, expression and pose.

seed, index ─▶ sample_parameters (+ pack assets) ─▶ build_bust ─┬─ expression, light, angle
                                                               ▼
                      SynthPerson ◀─ background ◀─ render_view × V
Crop and camera match those of photos aligned by `photo.align` (see `people.views`).
Letters: V views, n side of an image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from portraiture.camera import eg3d_orbit
from portraiture.engine.build import build_bust, with_expression
from portraiture.engine.hair.build import paint_scalp
from portraiture.engine.packs.assets import Asset, find_assets
from portraiture.engine.packs.dress import dress
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.sample import sample_parameters
from portraiture.engine.sample_expression import sample_portrait
from portraiture.engine.shape import shape_head
from portraiture.errors import DataError
from portraiture.people.backgrounds import sample_background
from portraiture.people.views import View, head_frame, over, render_view
from portraiture.render.light import sample_light
from portraiture.types import Bust, Light, Part, Segment

VIEWS_PER_EXPRESSION = 2
"""Views rendered per expression; a change of expression costs as much as two views."""
PACKED = 0.5
"""Fraction of people who wear assets of packs, if there are any."""
SCALP_TEXELS, SCALP_HAIR = 256, 165
"""Side of the map on which hair is painted black on white, and the level below which it is hair."""
YAW, PITCH = (0.42, 1.15), (0.15, 0.4)
"""Standard deviation and maximum of the views' yaw and pitch, radians."""


@dataclass(frozen=True)
class SynthConfig:
    """seed: of all people. views: images per person. size: their side, pixels. supersample: samples
    along each axis of a pixel. asset_folder: MakeHuman assets that half of the people wear.

    Raises DataError on out-of-range numbers.
    """

    seed: int = 0
    views: int = 4
    size: int = 256
    supersample: int = 2
    asset_folder: Path | None = None

    def __post_init__(self) -> None:
        if self.seed < 0 or self.views < 1 or not 32 <= self.size <= 2048:
            raise DataError(
                "The seed must be at least 0, there must be a view, and the size must be from 32 to"
                f" 2048 pixels, not {self.seed}, {self.views} and {self.size}."
            )


@dataclass(frozen=True)
class SynthView:
    """One image with ground truth. image: composited over its background. truth: depth,
    segmentation, landmarks, camera. expression: ARKit weights. yaw, pitch: of the camera,
    radians."""

    image: UInt8[ndarray, "n n 3"]
    truth: View
    expression: Mapping[str, float]
    light: Light
    yaw: float
    pitch: float


@dataclass(frozen=True)
class SynthPerson:
    """One person. unit_m: metres of this person per EG3D unit. assets: names of the worn assets."""

    parameters: AvatarParameters
    assets: tuple[str, ...]
    unit_m: float
    views: tuple[SynthView, ...]


def synth_person(config: SynthConfig, index: int) -> SynthPerson:
    """Sample and render person `index` of the config's seed, independently of all others.

    Raises AssetError when the asset folder cannot be used.
    """
    rng = np.random.default_rng([config.seed, index])
    seed = int(rng.integers(1 << 62))
    parameters = sample_parameters(seed)
    worn = _worn(config.asset_folder, parameters, seed, rng.random() < PACKED)
    texture_size = 1024 if config.size > 256 else 512
    bust = build_bust(parameters, assets=worn, texture_size=texture_size)
    bust = as_annotated(bust, parameters)
    frame = head_frame(bust.landmarks)
    views: list[SynthView] = []
    for k in range(config.views):
        if k % VIEWS_PER_EXPRESSION == 0:
            bust = with_expression(bust, parameters, sample_expression(rng))
        yaw, pitch = (float(np.clip(rng.normal(0.0, s), -m, m)) for s, m in (YAW, PITCH))
        light = sample_light(rng)
        truth = render_view(
            bust, frame, eg3d_orbit(yaw, pitch),
            size=config.size, light=light, supersample=config.supersample,
        )  # fmt: skip
        image = over(truth.rgba, sample_background(rng, config.size))
        views.append(SynthView(image, truth, bust.expression, light, yaw, pitch))
    return SynthPerson(parameters, tuple(a.name for a in worn), frame.scale, tuple(views))


def as_annotated(bust: Bust, parameters: AvatarParameters) -> Bust:
    """Relabel a person by the conventions of CelebAMask-HQ: skin under hair roots is hair, since
    much of short hair is painted on the scalp; beards are skin."""
    dark = replace(parameters, hair_melanin=1.0, hair_redness=0.0, hair_grey=0.0)
    blank = np.full((SCALP_TEXELS, SCALP_TEXELS, 3), 255, np.uint8)
    painted = paint_scalp(blank, dark, shape_head(parameters)).max(2)
    parts: list[Part] = []
    for part in bust.parts:
        if part.name == "skin":
            u, v = part.uv[part.faces].mean(1).T
            at = (np.stack([1.0 - v, u]) * SCALP_TEXELS).astype(int).clip(0, SCALP_TEXELS - 1)
            hair = (part.segment == Segment.SKIN) & (painted[at[0], at[1]] < SCALP_HAIR)
            segment = np.where(hair, Segment.HAIR, part.segment).astype(np.uint8)
            part = replace(part, segment=segment)
        elif part.name == "beard":
            part = replace(part, segment=np.full_like(part.segment, Segment.SKIN))
        parts.append(part)
    return replace(bust, parts=tuple(parts))


def sample_expression(rng: np.random.Generator) -> dict[str, float]:
    """Sample an expression: mostly as in portraits, neutral or smiling, else talking, surprised,
    angry or sad, with a random gaze and sometimes half-closed eyes."""
    moods = (sample_portrait, _calm, _smile, _talk, _surprise, _cross, _sad)
    weights = moods[int(rng.choice(7, p=[0.3, 0.14, 0.16, 0.16, 0.08, 0.09, 0.07]))](rng)
    side, up = rng.normal(0.0, 0.16), rng.normal(0.0, 0.12)
    weights |= _pair("eyeLookOut", "eyeLookIn", side)
    weights |= {"eyeLookUpLeft": up, "eyeLookUpRight": up}
    weights |= {"eyeLookDownLeft": -up, "eyeLookDownRight": -up}
    lids = rng.beta(1.2, 7.0) if rng.random() < 0.94 else rng.uniform(0.5, 1.0)
    weights |= {"eyeBlinkLeft": lids - 0.1, "eyeBlinkRight": lids - 0.1}
    kept = {name: float(np.clip(weight, 0.0, 1.0)) for name, weight in weights.items()}
    return {name: weight for name, weight in kept.items() if weight > 0.01}


def _pair(outward: str, inward: str, side: float) -> dict[str, float]:
    """Weights for both eyes looking to the person's left (side > 0) or right."""
    return {
        f"{outward}Left": side, f"{inward}Right": side,
        f"{outward}Right": -side, f"{inward}Left": -side,
    }  # fmt: skip


def _both(rng: np.random.Generator, name: str, weight: float) -> dict[str, float]:
    """Weights of an action on both sides, with slight random asymmetry."""
    left, right = weight * np.exp(rng.normal(0.0, 0.12, 2))
    return {f"{name}Left": float(left), f"{name}Right": float(right)}


def _calm(rng: np.random.Generator) -> dict[str, float]:
    return _both(rng, "mouthSmile", rng.uniform(-0.1, 0.2)) | _both(
        rng, "mouthPress", rng.uniform(-0.3, 0.3)
    )


def _smile(rng: np.random.Generator) -> dict[str, float]:
    smile = rng.uniform(0.25, 1.0)
    return (
        _both(rng, "mouthSmile", smile)
        | _both(rng, "cheekSquint", smile * rng.uniform(0.2, 0.8))
        | _both(rng, "eyeSquint", smile * rng.uniform(0.0, 0.5))
        | _both(rng, "mouthUpperUp", rng.uniform(-0.2, 0.5))
        | {"jawOpen": smile * rng.uniform(-0.2, 0.35)}
    )


def _talk(rng: np.random.Generator) -> dict[str, float]:
    weights = {"jawOpen": rng.uniform(0.05, 0.5)}
    weights |= {"mouthFunnel": rng.uniform(-0.4, 0.6), "mouthPucker": rng.uniform(-0.6, 0.6)}
    return weights | _both(rng, "mouthLowerDown", rng.uniform(-0.2, 0.6))


def _surprise(rng: np.random.Generator) -> dict[str, float]:
    strength = rng.uniform(0.3, 1.0)
    weights = {"browInnerUp": strength, "jawOpen": strength * rng.uniform(0.1, 0.7)}
    return weights | _both(rng, "browOuterUp", strength) | _both(rng, "eyeWide", strength)


def _cross(rng: np.random.Generator) -> dict[str, float]:
    strength = rng.uniform(0.3, 1.0)
    return (
        _both(rng, "browDown", strength)
        | _both(rng, "noseSneer", strength * rng.uniform(-0.3, 0.8))
        | _both(rng, "eyeSquint", strength * rng.uniform(0.0, 0.7))
        | _both(rng, "mouthPress", rng.uniform(-0.2, 0.5))
    )


def _sad(rng: np.random.Generator) -> dict[str, float]:
    strength = rng.uniform(0.3, 1.0)
    weights = {"browInnerUp": strength, "mouthShrugLower": strength * rng.uniform(0.0, 0.6)}
    return weights | _both(rng, "mouthFrown", strength)


def _worn(
    folder: Path | None, parameters: AvatarParameters, seed: int, packed: bool
) -> Sequence[Asset]:
    if folder is None or not packed:
        return ()
    found = [(path, path.stat()) for path in sorted(folder.rglob("*"))]
    stamp = tuple((path, about.st_mtime_ns, about.st_size) for path, about in found)
    return dress(parameters, _assets(folder, stamp), seed)


@lru_cache(maxsize=2)
def _assets(folder: Path, stamp: tuple[tuple[Path, int, int], ...]) -> tuple[Asset, ...]:
    """Find assets, cached. stamp: path, modification time and size of all files."""
    return tuple(find_assets(folder))
