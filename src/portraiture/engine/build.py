"""Build a `Bust` from parameters: the engine's main function.

parameters ─▶ shape_head ─▶ style warp, makeover ─▶ skin, eyes, lashes, mouth, hair, wear ─▶
   makeover of the parts ─▶ Bust                     ▲ albedo (from a photo, if given)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray
from scipy.spatial import KDTree

from portraiture.engine.actions import ACTIONS
from portraiture.engine.concepts.makeover import Makeover, made_over
from portraiture.engine.face.beard import make_beard, paint_beard
from portraiture.engine.face.brows import make_brows, paint_brows
from portraiture.engine.face.closest import closest_on_mesh
from portraiture.engine.face.eyes import make_eyes
from portraiture.engine.face.lashes import make_lashes
from portraiture.engine.face.mouth import make_mouth
from portraiture.engine.hair.build import make_hair, paint_scalp
from portraiture.engine.hair.color import hair_rgb
from portraiture.engine.head import HeadModel
from portraiture.engine.landmarks import landmark_positions
from portraiture.engine.packs.assets import Asset, AssetKind, fit_asset, skin_albedo
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape, shape_head
from portraiture.engine.skin.paint import SkinTextures, make_skin, paint_skin
from portraiture.engine.style.parts import STYLE_MAKERS, restyle_part, restyled
from portraiture.engine.style.recipes import recipe_of, restyle_parameters
from portraiture.engine.style.skin import style_skin
from portraiture.engine.style.warp import bend_head
from portraiture.engine.wear.clothes import make_clothes
from portraiture.engine.wear.glasses import make_glasses
from portraiture.engine.wear.hats import hair_hidden, make_hat
from portraiture.errors import AvatarError
from portraiture.types import Bust, Part, Style

SCALP_CHANGE = 25.0
"""Albedo change (of 255) at which the painted scalp reaches maximum roughness."""
COVERED_MARGIN_M = 0.03
"""How far covered skin is kept under a garment's edge."""
COVERED_M = 0.02
COVERED_COSINE = 0.8
"""Largest distance of cloth that covers skin, and the least cosine between the way to it and the
skin's normal: skin beside an edge is not covered."""
STYLE_SKIN_SIZE = 512
STYLE_ROUGHNESS = 118
"""Resolution and roughness (of 255) of the skin in styles but natural."""
CLOTHES = ("clothes", "shirt", "tie")
"""Names of the parts that are clothes."""

Maker = Callable[[AvatarParameters, HeadShape], Part | Sequence[Part] | None]
Run = Callable[..., Any]
"""Runs one step: ``run(step, parameters, *others)`` gives ``step(parameters, *others)``, or what it
gave before; see `engine.memo`."""


def directly(step: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Run a step without keeping its result."""
    return step(*arguments, **named)


MAKERS: tuple[tuple[str, Maker], ...] = (
    ("eyes", make_eyes),
    ("lashes", make_lashes),
    ("mouth", make_mouth),
    ("brows", make_brows),
    ("beard", make_beard),
    ("hair", make_hair),
    ("clothes", make_clothes),
    ("hat", make_hat),
    ("glasses", make_glasses),
)
"""Parts added to the skin, in drawing order; an asset of the same kind replaces each."""


def build_bust(
    parameters: AvatarParameters,
    *,
    expression: Mapping[str, float] | None = None,
    style: Style = "natural",
    albedo: UInt8[ndarray, "s s 3"] | None = None,
    assets: Sequence[Asset] = (),
    makeover: Makeover | None = None,
    model: HeadModel | None = None,
    texture_size: int = 1024,
    run: Run = directly,
) -> Bust:
    """Build one person.

    expression: ARKit weights in [0, 1]; absent names are 0. albedo: skin texture in engine UV that
    replaces the procedural one and already includes the brows. assets: assets of a MakeHuman pack;
    each replaces the procedural part of its kind. makeover: what concepts change. texture_size:
    resolution of the procedural skin; 512, which styles but natural always use, is enough for small
    images and saves a third of the time. run: how the steps are run. Raises AvatarError on an
    unknown action or a weight outside [0, 1].
    """
    expression = _check_expression(expression or {})
    parameters = restyle_parameters(parameters, style)
    shape = run(head_of, parameters, style, model, makeover)
    worn: frozenset[AssetKind] = frozenset(asset.kind for asset in assets)
    fitted = run(_fitted, parameters, tuple(assets), shape)
    if style == "natural":
        parts = [_skin(parameters, shape, albedo, assets, texture_size, run)]
        if makeover is not None and makeover.sculpted:
            parts += _styled(parameters, shape, style, worn, run)
        else:
            parts += _procedural(parameters, shape, worn, albedo is not None, run)
        parts += fitted
    else:
        parts = [run(_style_skin, parameters, shape, albedo, tuple(assets), style)]
        parts += _styled(parameters, shape, style, worn, run)
        parts += run(_restyled, parameters, fitted, style)
    if makeover is not None:
        parts = run(made_over, parameters, tuple(parts), shape, style, makeover, albedo is not None)
    skin, *others = run(_under_hat, parameters, tuple(parts), shape)
    cloth = tuple(part for part in others if part.name in CLOTHES)
    skin = run(_bared, parameters, skin, run(_uncovered, parameters, skin, cloth))
    parts = [skin, *others]
    return Bust(
        parts=tuple(sorted(parts, key=lambda part: part.material.alpha_mode == "blend")),
        skeleton=shape.model.skeleton(shape.joints),
        expression=expression,
        landmarks=landmark_positions(shape.expressed(expression), shape.model),
    )


def with_expression(
    bust: Bust, parameters: AvatarParameters, expression: Mapping[str, float], *,
    style: Style = "natural", makeover: Makeover | None = None,
) -> Bust:  # fmt: skip
    """A bust with another expression, as if it were built with it. parameters, style, makeover:
    those from which it was. Raises AvatarError as `build_bust` does."""
    shape = head_of(restyle_parameters(parameters, style), style, makeover=makeover)
    landmarks = landmark_positions(shape.expressed(_check_expression(expression)), shape.model)
    return replace(bust, expression=dict(expression), landmarks=landmarks)


def head_of(
    parameters: AvatarParameters, style: Style = "natural", model: HeadModel | None = None,
    makeover: Makeover | None = None,
) -> HeadShape:  # fmt: skip
    """The head in a style and after a makeover. parameters: restyled ones."""
    shape = bend_head(shape_head(parameters, model), parameters, style)
    return shape if makeover is None else makeover.reshape(shape)


def _skin(
    parameters: AvatarParameters,
    shape: HeadShape,
    albedo: ndarray | None,
    assets: Sequence[Asset],
    size: int,
    run: Run,
) -> Part:
    textures = run(paint_skin, parameters, shape, size=size)
    worn = {asset.kind: asset for asset in assets}
    painted = albedo
    if painted is None:
        painted = textures.albedo
        if "skin" in worn:
            painted = skin_albedo(worn["skin"], shape.model, size=size)
        if "brows" not in worn:
            painted = run(_with_brows, parameters, painted, shape, "skin" not in worn)
        painted = run(_with_beard, parameters, painted, shape)
    return run(_make_skin, parameters, painted, textures, shape)


def _with_brows(
    parameters: AvatarParameters, albedo: ndarray, shape: HeadShape, learned: bool
) -> ndarray:
    return paint_brows(albedo, parameters, shape, learned=learned)


def _with_beard(parameters: AvatarParameters, albedo: ndarray, shape: HeadShape) -> ndarray:
    return paint_beard(albedo, parameters, shape)


def _make_skin(
    parameters: AvatarParameters, albedo: ndarray, textures: SkinTextures, shape: HeadShape
) -> Part:
    painted = _with_scalp(replace(textures, albedo=albedo), parameters, shape)
    return make_skin(parameters, shape, painted)


def _restyled(
    parameters: AvatarParameters, parts: tuple[Part, ...], style: Style
) -> tuple[Part, ...]:
    return tuple(restyled(parts, style))


def _style_skin(
    parameters: AvatarParameters,
    shape: HeadShape,
    albedo: ndarray | None,
    assets: Sequence[Asset],
    style: Style,
) -> Part:
    """The skin in a style: clean albedo, no relief, even roughness."""
    worn = {asset.kind: asset for asset in assets}
    if albedo is None and "skin" in worn:
        albedo = skin_albedo(worn["skin"], shape.model, size=STYLE_SKIN_SIZE)
    elif albedo is None:
        albedo = paint_skin(parameters, shape, size=STYLE_SKIN_SIZE).albedo
    clean = style_skin(albedo, parameters, shape, style, recipe_of(style, parameters))
    even = np.full(clean.shape[:2], STYLE_ROUGHNESS, np.uint8)
    part = make_skin(parameters, shape, SkinTextures(clean, np.zeros((0, 0, 3), np.uint8), even))
    return restyle_part(replace(part, material=replace(part.material, normal=None)), style)


def _with_scalp(
    textures: SkinTextures, parameters: AvatarParameters, shape: HeadShape
) -> SkinTextures:
    """Blend hair into the albedo and roughness of the scalp."""
    albedo = paint_scalp(textures.albedo, parameters, shape)
    painted = np.abs(albedo.astype(np.float32) - textures.albedo).max(2)
    matt = np.clip(painted / SCALP_CHANGE, 0.0, 1.0)
    roughness = textures.roughness + matt * (255.0 - textures.roughness)
    return replace(textures, albedo=albedo, roughness=roughness.astype(np.uint8))


def _procedural(
    parameters: AvatarParameters, shape: HeadShape, worn: frozenset[AssetKind], photographed: bool,
    run: Run,
) -> list[Part]:  # fmt: skip
    """Procedural parts not replaced by an asset; a photo's albedo already includes the brows."""
    parts: list[Part] = []
    for kind, make in MAKERS:
        if kind in worn or (kind == "brows" and photographed):
            continue
        made = run(make, parameters, shape)
        if made is not None:
            parts += [made] if isinstance(made, Part) else made
    return [part for part in parts if part.name not in worn]


def _styled(
    parameters: AvatarParameters, shape: HeadShape, style: Style, worn: frozenset[AssetKind],
    run: Run,
) -> list[Part]:  # fmt: skip
    """The parts of a style that no asset replaces."""
    made = [run(make, parameters, shape, style) for kind, make in STYLE_MAKERS if kind not in worn]
    return [part for parts in made for part in parts if part.name not in worn]


def _fitted(
    parameters: AvatarParameters, assets: tuple[Asset, ...], shape: HeadShape
) -> tuple[Part, ...]:
    """Fit assets to this head; hair takes the person's hair colour."""
    rgb = hair_rgb(parameters.hair_melanin, parameters.hair_redness, parameters.hair_grey)
    return tuple(fit_asset(asset, shape, rgb=rgb) for asset in assets if asset.kind != "skin")


def _under_hat(
    parameters: AvatarParameters, parts: tuple[Part, ...], shape: HeadShape
) -> tuple[Part, ...]:
    """Remove hair occluded by a hat; a hat from a pack is treated as a cap."""
    if not any(part.name == "hat" for part in parts):
        return parts
    if parameters.hat_style == "none":
        parameters = replace(parameters, hat_style="cap")
    out: list[Part] = []
    for part in parts:
        if part.name == "hair":
            hidden = hair_hidden(part.vertices, shape, parameters)
            kept = ~hidden[part.faces].any(1)
            part = replace(part, faces=part.faces[kept], segment=part.segment[kept])
        if len(part.faces):
            out.append(part)
    return tuple(out)


def _uncovered(
    parameters: AvatarParameters, skin: Part, clothes: tuple[Part, ...]
) -> Bool[ndarray, "F"]:
    """Which of the skin's triangles are not deep under the clothes, where they would poke through
    when the arms are animated."""
    covered = np.zeros(len(skin.vertices), bool)
    for part in clothes:
        covered |= _covered(skin, part)
    if covered.any():
        to_open, _ = KDTree(skin.vertices[~covered]).query(skin.vertices)
        covered &= to_open > COVERED_MARGIN_M
    return ~covered[skin.faces].all(1)


def _bared(parameters: AvatarParameters, skin: Part, kept: Bool[ndarray, "F"]) -> Part:
    return replace(skin, faces=skin.faces[kept], segment=skin.segment[kept])


def _covered(skin: Part, cloth: Part) -> Bool[ndarray, "V"]:
    """Which skin vertices have cloth straight above them, at most `COVERED_M` away."""
    near = np.flatnonzero(skin.vertices[:, 1] < cloth.vertices[:, 1].max() + COVERED_M)
    face, barycentric = closest_on_mesh(skin.vertices[near], cloth.vertices, cloth.faces)
    foot = np.einsum("pk,pkc->pc", barycentric, cloth.vertices[cloth.faces[face]])
    above = foot - skin.vertices[near]
    distance = np.linalg.norm(above, axis=1)
    straight = (above * skin.normals[near]).sum(1) > COVERED_COSINE * distance
    covered = np.zeros(len(skin.vertices), bool)
    covered[near] = straight & (distance < COVERED_M)
    return covered


def _check_expression(expression: Mapping[str, float]) -> dict[str, float]:
    for name, weight in expression.items():
        if name not in ACTIONS:
            raise AvatarError(f"Unknown ARKit expression {name!r}.")
        if not 0.0 <= weight <= 1.0:
            raise AvatarError(f"The expression {name} must be from 0 to 1, not {weight!r}.")
    return {name: float(weight) for name, weight in expression.items() if weight > 0}
