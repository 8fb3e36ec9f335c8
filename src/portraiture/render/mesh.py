"""Mesh renderer: a bust, a camera and a light in, a `Frame` out.

bust ──scene_of──▶ Scene ──visible, 2 × 2 samples──▶ fragments ──shade──▶ colour ──shrink──▶ rgba
                     │         light ──shadows, lighting──────────┘  └─blend, outline
                     │         (pixels of one smooth surface are shaded once: `split_pixels`)
                     └──visible, pixel centres──▶ depth, normal, segmentation, uv, part
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from numpy import ndarray
from scipy.ndimage import uniform_filter

from portraiture.camera import project, world_to_camera
from portraiture.ops.kuwahara import kuwahara
from portraiture.render.alpha_test import AlphaTest, soften_hair
from portraiture.render.composite import (
    composite,
    gather_transparent,
    shrink,
)
from portraiture.render.environment import reflections
from portraiture.render.ink import draw_ink
from portraiture.render.light import studio_light
from portraiture.render.materials_numba import Lighting, Look
from portraiture.render.rasterize_numba import set_up
from portraiture.render.reflection_numba import ROUND, SQUARE, WINDOW
from portraiture.render.scene import EYE, GLASS, HAIR, MOUTH, Scene, flatten, scene_of
from portraiture.render.shade_numba import MAX_LOD, lod_of, shade, tables
from portraiture.render.shadow import Caster, key_shadow, reached, vogel_disk
from portraiture.render.split_sum import reflectance_table
from portraiture.render.texture_numba import level_table
from portraiture.render.visible import Backend, visible
from portraiture.render.wash import washed
from portraiture.render.whole_pixels_numba import split_pixels
from portraiture.types import Bust, Camera, Frame, KeyShape, Light, Segment, Shading

NEAR_M = 0.01
SHARPEN_LOD = -0.6
"""Mip bias relative to one texel per sample: finer, since supersampling averages the texels."""

WHOLE_LOD = -0.5
"""Mip bias relative to one texel per pixel where a pixel is shaded once."""

HAIR_SPREAD = 0.75
"""`AlphaTest.spread` for supersampled colour."""

OUTLINE_SHARE = 1.0 / 380.0
"""Half the width of ink silhouettes, as a fraction of the image's height."""

DOTS = 66.0
"""Halftone dots along the image's height."""

HATCHES = 84.0
"""Pencil strokes along the image's height."""

PENCIL_SHARE = 0.5
"""Width of a pencil's silhouettes relative to ink's."""

BRUSH_SHARE = 1.0 / 120.0
"""Length of brush strokes, as a fraction of the image's height."""

LOOKS: dict[Shading, Look] = {
    "natural": Look(scatter=1.0, warmth=0.0, specular=1.0, rim=0.06, bands=0, spread=1.0),
    "soft": Look(scatter=2.6, warmth=0.9, specular=0.9, rim=0.5, bands=0, spread=2.3),
    "toon": Look(scatter=1.0, warmth=0.0, specular=1.0, rim=0.0, bands=3, spread=1.0),
    "ink": Look(scatter=1.0, warmth=0.0, specular=1.0, rim=0.0, bands=2, spread=0.7),
    "paint": Look(scatter=1.6, warmth=1.3, specular=0.4, rim=0.25, bands=0, spread=1.6),
    "pencil": Look(scatter=1.0, warmth=0.0, specular=1.0, rim=0.0, bands=2, spread=0.7),
    "wash": Look(scatter=2.4, warmth=1.0, specular=0.15, rim=0.2, bands=0, spread=2.0),
}


OUTLINES: dict[KeyShape, int] = {"square": SQUARE, "round": ROUND, "window": WINDOW}
KEY_SIZE = 0.12
"""Tangent of the angular radius of a key light without an environment."""


class Lit(NamedTuple):
    """A bust under a light, which any number of cameras may see."""

    scene: Scene
    lighting: Lighting
    shading: Shading


class View(NamedTuple):
    """A scene projected by one camera.

    points: (V, 3) homogeneous pixels. lod: (F,) mip levels. eye: (3,) camera position. spread: of
    the alpha test for colour.
    """

    scene: Scene
    points: ndarray
    lod: ndarray
    size: tuple[int, int]
    eye: ndarray
    backend: Backend
    spread: float


def render_bust(
    bust: Bust,
    camera: Camera,
    *,
    size: int | tuple[int, int] = 512,
    light: Light | None = None,
    background: Float[ndarray, "3"] | tuple[float, float, float] | None = None,
    supersample: int = 2,
    shading: Shading = "natural",
    backend: Backend = "auto",
) -> Frame:
    """Render `bust` in its expression.

    size: pixels, a number or (height, width). light: `studio_light()` by default. background:
    sRGB in [0, 1], or None for a transparent image. supersample: samples along each axis of a
    pixel for colour and alpha. depth, normal, segmentation, uv and part are those of the single
    surface at the pixel's centre; there, clear glass affects only the segmentation, and other
    transparent parts are included where their opacity reaches their material's cutoff.
    shading: "natural", "soft" (large light, strong warm scattering), "toon" (flat tones), "ink"
    (flat tones, ink lines, halftone shadows) or "paint" (warm light in brush strokes).
    backend: of `render.rasterize`.
    Colours up to 0.7 in linear light are preserved (see `brdf_numba.tone`).
    Raises ValueError on an unknown shading or backend and on a size or supersample below 1.
    """
    image = render_rgba(
        bust, camera, size=size, light=light, background=background, supersample=supersample,
        shading=shading, backend=backend,
    )  # fmt: skip
    shape = (image.shape[0], image.shape[1])
    return Frame(
        rgba=image,
        landmarks=project(bust.landmarks, camera, shape)[:, :2].astype(np.float32),
        **_maps(view_of(scene_of(bust), camera, shape, backend)),
    )


def render_rgba(
    bust: Bust,
    camera: Camera,
    *,
    size: int | tuple[int, int] = 512,
    light: Light | None = None,
    background: Float[ndarray, "3"] | tuple[float, float, float] | None = None,
    supersample: int = 2,
    shading: Shading = "natural",
    backend: Backend = "auto",
) -> Float32[ndarray, "h w 4"]:
    """`Frame.rgba` of `render_bust` alone, faster."""
    return render_lit(
        lit(bust, light=light, shading=shading), camera, size=size, background=background,
        supersample=supersample, backend=backend,
    )  # fmt: skip


def lit(bust: Bust, *, light: Light | None = None, shading: Shading = "natural") -> Lit:
    """A bust under a light, for `render_lit`; see `render_bust`."""
    if shading not in LOOKS:
        raise ValueError(f"shading must be one of {', '.join(LOOKS)}, not {shading!r}")
    scene = scene_of(bust)
    return Lit(scene, lighting_of(scene, light or studio_light(), LOOKS[shading]), shading)


def render_lit(
    seen: Lit,
    camera: Camera,
    *,
    size: int | tuple[int, int] = 512,
    background: Float[ndarray, "3"] | tuple[float, float, float] | None = None,
    supersample: int = 2,
    backend: Backend = "auto",
) -> Float32[ndarray, "h w 4"]:
    """`render_rgba` of what one light serves, such as the frames of a video."""
    scene, lighting, shading = seen
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width, supersample) < 1:
        raise ValueError(f"size {size} and supersample {supersample} must be at least 1")
    fine = view_of(scene, camera, (height, width), backend, supersample)
    image = _colour(fine, lighting, shading, supersample)
    under = None if background is None else np.asarray(background, np.float64)
    rgba = shrink(image, supersample, under)
    if shading not in ("paint", "wash"):
        return rgba
    maps = _maps(view_of(scene, camera, (height, width), backend))
    fine = np.append(np.isin(scene.kind, (EYE, MOUTH)), False)[maps["part"]]
    brushed = _brushed(rgba, fine | (maps["segmentation"] == Segment.GLASSES))
    return washed(brushed) if shading == "wash" else brushed


def _brushed(
    rgba: Float32[ndarray, "h w 4"], fine: Bool[ndarray, "h w"]
) -> Float32[ndarray, "h w 4"]:
    """The image in brush strokes, without them near what is `fine`; its outline is unchanged."""
    radius = max(round(rgba.shape[0] * BRUSH_SHARE), 1)
    alpha = rgba[..., 3:]
    flat = np.concatenate([alpha * rgba[..., :3], alpha], axis=2)
    kept = np.clip(2.0 * uniform_filter(fine.astype(np.float32), 2 * radius + 1), 0.0, 1.0)
    strokes = kuwahara(flat, radius)
    strokes += kept[..., None] * (flat - strokes)
    rgb = strokes[..., :3] / np.maximum(strokes[..., 3:], 1e-3)
    return np.concatenate([np.clip(rgb, 0.0, 1.0), alpha], axis=2).astype(np.float32)


def segmentation_of(
    bust: Bust, camera: Camera, size: int | tuple[int, int], *, backend: Backend = "auto"
) -> UInt8[ndarray, "h w"]:
    """`Frame.segmentation` of `render_bust` alone, without colours."""
    shape = (size, size) if isinstance(size, int) else size
    return _maps(view_of(flatten(bust, lit=False), camera, shape, backend))["segmentation"]


def depth_of(
    seen: Lit, camera: Camera, size: int | tuple[int, int], *, backend: Backend = "auto"
) -> Float32[ndarray, "h w"]:
    """`Frame.depth` of `render_bust` alone, infinite for background."""
    shape = (size, size) if isinstance(size, int) else size
    view = view_of(seen.scene, camera, shape, backend)
    return nearest(view, np.flatnonzero(~_clear_glass(seen.scene)))[2]


def view_of(
    scene: Scene, camera: Camera, size: tuple[int, int], backend: Backend, supersample: int = 1
) -> View:
    T = world_to_camera(camera)
    size = (size[0] * supersample, size[1] * supersample)
    K = camera.intrinsics * np.array([[size[1]], [size[0]], [1.0]])
    points = scene.vertices @ (K @ T[:3, :3]).T + K @ T[:3, 3]
    lod = lod_of(scene.density, scene.faces, points, K[1, 1], SHARPEN_LOD)
    eye = np.ascontiguousarray(camera.T_world_cam[:3, 3], np.float64)
    spread = HAIR_SPREAD if supersample > 1 else 0.0
    return View(scene, points, lod, size, eye, backend, spread)


def lighting_of(scene: Scene, light: Light, look: Look) -> Lighting:
    """Prepare a light with its shadows for `shade`."""
    direction = np.asarray(light.key_direction, np.float64)
    direction = direction / np.linalg.norm(direction)
    ambient = np.ascontiguousarray(light.ambient, np.float64)
    solid = np.flatnonzero(scene.blend == 0)
    caster = Caster(
        scene.faces[solid],
        scene.cutoff[solid],
        scene.textures[scene.part[solid], 0],
        scene.uv,
        scene.texels,
    )
    around = light.environment
    return Lighting(
        ambient=ambient,
        reach=reached(scene.transfer, ambient).astype(np.float64),
        environment=reflections(light),
        reflectance=reflectance_table(),
        key_direction=direction,
        key_color=np.ascontiguousarray(light.key_color, np.float64),
        spread=look.spread * (KEY_SIZE if around is None else float(around.key_size)),
        outline=OUTLINES["square" if around is None else around.key_shape],
        taps=vogel_disk(16),
        **key_shadow(scene.vertices, caster, direction)._asdict(),
    )


def nearest(view: View, chosen: ndarray, spread: float = 0.0) -> tuple[ndarray, ndarray, ndarray]:
    """Nearest of the `chosen` triangles at every sample, as an index into the scene."""
    scene = view.scene
    lod, cutoff = view.lod, scene.cutoff
    if spread > 0.0:
        hair = scene.kind[scene.part] == HAIR
        lod, cutoff = soften_hair(hair, scene.vertices, scene.faces, view.eye, lod, cutoff)
    texture = level_table(scene.textures, scene.part, lod)
    alpha = AlphaTest(cutoff[chosen], texture[chosen], scene.uv, scene.texels, spread)
    triangle, bary, depth = visible(
        view.points,
        scene.faces[chosen],
        view.size,
        near=NEAR_M,
        cull=scene.cull[chosen],
        alpha=alpha,
        backend=view.backend,
    )
    if len(chosen) < len(scene.faces):
        triangle = np.append(chosen, -1)[triangle].astype(np.int32)
    return triangle, bary, depth


def _colour(view: View, lighting: Lighting, shading: Shading, supersample: int = 1) -> ndarray:
    """Premultiplied display-linear samples (H, W, 4)."""
    scene, look = view.scene, LOOKS[shading]
    if shading == "ink":
        look = look._replace(dots=view.size[0] / DOTS)
    elif shading == "pencil":
        look = look._replace(hatch=view.size[0] / HATCHES)
    triangle, bary, depth = nearest(view, np.flatnonzero(scene.blend == 0), view.spread)
    arguments = (scene, lighting, look, tables(), view.eye)
    image = np.zeros((*view.size, 4), np.float32)
    once, each = split_pixels(
        triangle, bary, depth, scene.part, _smooth(scene, look, supersample), supersample
    )
    if len(once.triangle):
        blocks = image.reshape(view.size[0] // supersample, supersample, -1, supersample, 4)
        coarser = np.float32(np.log2(supersample) + WHOLE_LOD)
        lod = np.minimum(view.lod + coarser, MAX_LOD)
        row, column = once.pixel.T
        blocks[row, :, column] = shade(*arguments, lod, *once)[:, None, None]
    image[each.pixel[:, 0], each.pixel[:, 1]] = shade(*arguments, view.lod, *each)
    if shading in ("ink", "pencil"):
        normal = _interpolate(scene.normals, scene.faces, triangle, bary)
        thin = PENCIL_SHARE if shading == "pencil" else 1.0
        radius = max(view.size[0] * OUTLINE_SHARE * thin, 1.5)
        towards = lighting.key_direction
        draw_ink(image, depth, normal, *_groups(scene, triangle), towards, radius)
    clear = np.flatnonzero(scene.blend)
    if len(clear):
        order = np.argsort(-view.points[scene.faces[clear], 2].mean(1), kind="stable")
        triangles = set_up(view.points, scene.faces, scene.cull, *view.size, NEAR_M)
        seen, weights, pixel = gather_transparent(
            triangles, clear[order].astype(np.int32), depth, NEAR_M
        )
        composite(image, shade(*arguments, view.lod, seen, weights, pixel), pixel)
    return image


def _smooth(scene: Scene, look: Look, supersample: int) -> ndarray:
    """(P,) 1 for parts of which a pixel may be shaded once: not hair and eyes, whose highlights are
    finer than a pixel, and none in flat tones."""
    fine = np.isin(scene.kind, (HAIR, EYE)) | (look.bands > 0) | (supersample == 1)
    return (~fine).astype(np.uint8)


def _maps(view: View) -> dict[str, ndarray]:
    """The fields of `Frame` that are sampled at pixel centres."""
    scene = view.scene
    glass = _clear_glass(scene)
    triangle, bary, depth = nearest(view, np.flatnonzero(~glass))
    segment = np.append(scene.segment, np.uint8(Segment.BACKGROUND))
    segmentation = segment[triangle]
    if glass.any():
        lens, _, lens_depth = nearest(view, np.flatnonzero(glass))
        segmentation = np.where(lens_depth < depth, segment[lens], segmentation)
    normal = _interpolate(scene.normals, scene.faces, triangle, bary)
    length = np.linalg.norm(normal, axis=2, keepdims=True)
    return {
        "depth": depth,
        "normal": (normal / np.maximum(length, 1e-9)).astype(np.float32),
        "segmentation": segmentation,
        "uv": _interpolate(scene.uv, scene.faces, triangle, bary),
        "part": np.append(scene.part, np.int16(-1))[triangle],
    }


def _clear_glass(scene: Scene) -> Bool[ndarray, "f"]:
    """The triangles that count as glass in the segmentation and nowhere else."""
    return (scene.kind[scene.part] == GLASS) & (scene.blend == 1)


def _interpolate(values: ndarray, faces: ndarray, triangle: ndarray, bary: ndarray) -> ndarray:
    """Interpolate vertex values (V, C) at every sample, float32, zero for background."""
    out = np.zeros((*triangle.shape, values.shape[1]), np.float32)
    hit = triangle >= 0
    corners = values[faces[triangle[hit]]]
    out[hit] = np.einsum("nk,nkc->nc", bary[hit], corners)
    return out


def _groups(scene: Scene, triangle: ndarray) -> tuple[ndarray, ndarray]:
    """Regions separated by ink lines: an id per region (parts, and the lips; nose, ears and neck
    are outlined by their creases), and a mask of hair, whose single strands are not outlined."""
    segment = scene.segment.astype(np.int32)
    for fold in (Segment.NOSE, Segment.NECK, Segment.LEFT_EAR, Segment.RIGHT_EAR):
        segment[segment == fold] = Segment.SKIN
    strands = (scene.kind[scene.part] == HAIR) & (scene.cutoff >= 0.0)
    group = np.where(strands, 0, scene.part * 32 + segment)
    hair = strands & (scene.segment == Segment.HAIR)
    return np.append(group, -1)[triangle], np.append(hair, False)[triangle]
