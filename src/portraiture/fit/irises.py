"""Match the irises' pigments, and pupils, by comparing the rendered eyes with the photo's [ours].

photo ──ring between pupil and limbus──▶ colour ─┐
eyes under the fitted light ──the same ring──▶ ──┴─▶ what lids and light take away ─▶ pigments

Lids shade real eyes and the engine's alike, so the ratio of the two rings tells the pigments, where
the photo's ring alone would tell a darker iris. At the photo's own resolution both blur alike.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from skimage.color import rgb2lab
from skimage.draw import polygon2mask

from portraiture.engine.face.eyes import make_eyes
from portraiture.engine.face.iris import iris_colors
from portraiture.engine.face.lashes import make_lashes
from portraiture.engine.landmarks import LEFT_EYE, RIGHT_EYE
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.skin.paint import SkinTextures, make_skin
from portraiture.fit.compare import window_camera
from portraiture.fit.light import encode, radiance
from portraiture.fit.place import Placed
from portraiture.fit.projection import image_size
from portraiture.fit.solve import interocular
from portraiture.render.mesh import render_bust
from portraiture.types import Bust, Light, Photo, as_uint8

USUAL = (0.65, 0.2)
"""Pigments, melanin and green, where irises are not seen: a medium brown."""
FINEST_PX = 256
"""Largest side of the compared window of both eyes."""
LEAST_RADIUS_PX, LEAST_PIXELS = 1.4, 6
RING, COARSE_RING = (0.35, 0.88), (0.0, 0.7)
"""The iris without pupil and limbus, in radii; and where the photo is so coarse that the lids would
blur into it."""
COARSE_PX = 4.5
"""Radius of an iris in a photo that is coarse."""
GLOSS = 0.02
"""Radiance of the cornea's reflections between the highlights."""
SKIN = 0.35
"""Radiance of the skin around the eyes at which colours are compared."""
SHADES = (1.0, 0.9, 0.8, 0.7, 0.6)
"""Factors on an iris' colour that wider pupils and darker limbal rings come to."""
WIDEST_PUPIL = 0.8
"""`pupil_size` at the darkest of `SHADES`; the limbal ring is full there."""
LIGHTNESS, GREEN, SHADED = 0.25, 15.0, 20.0
"""Weights of the squared difference in lightness beside those in a* and b*, of green irises, the
rarest, and of shade."""


def match_irises(
    photo: Photo,
    placed: Placed,
    light: Light,
    albedo: UInt8[ndarray, "s s 3"],
    parameters: AvatarParameters,
    covered: tuple[bool, bool],
) -> AvatarParameters:
    """A copy of the parameters with the photo's irises, or usual ones where those are not seen.

    light, albedo: fitted. covered: whether the right and the left eye are. About 0.3 s.
    """
    landmarks = photo.landmarks.astype(np.float64)
    iod = interocular(landmarks)
    middle = landmarks[[*LEFT_EYE, *RIGHT_EYE]].mean(0)
    box = np.array([*(middle - iod), *(middle + iod)])
    corner = np.maximum(np.floor(box[:2]).astype(int), 0)
    end = np.ceil(box[2:]).astype(int)
    part = photo.image[corner[1] : end[1], corner[0] : end[0]]
    seen = ring_colour(radiance(part), landmarks - corner, covered)
    usual = replace(parameters, iris_melanin=USUAL[0], iris_green=USUAL[1])
    if seen is None:
        return usual
    size = min(round(2.0 * iod), FINEST_PX)
    view = window_camera(placed.camera, image_size(photo.image), box)
    frame = render_bust(
        _eyes(placed, albedo, parameters), view, size=size, light=light, supersample=2
    )
    fitted = (placed.solution.pixels - box[:2]) * (size / (2.0 * iod))
    shown = ring_colour(radiance(as_uint8(frame.rgba[..., :3])), fitted, covered)
    if shown is None:
        return usual
    now = iris_colors(parameters)[0] + GLOSS
    gain = np.maximum(shown, 1e-3) / now
    goal = np.maximum(seen, 1e-3) / gain
    usual_skin = SKIN / max(float(np.median(radiance(part))), 0.05)
    melanin, green, shade = nearest_iris(goal, usual_skin * gain)
    return replace(
        parameters,
        iris_melanin=melanin,
        iris_green=green,
        pupil_size=float(
            np.interp(shade, [SHADES[-1], 1.0], [WIDEST_PUPIL, parameters.pupil_size])
        ),
        limbal_ring=float(np.interp(shade, [SHADES[-1], 1.0], [1.0, parameters.limbal_ring])),
    )


def _eyes(placed: Placed, albedo: UInt8[ndarray, "s s 3"], parameters: AvatarParameters) -> Bust:
    """Skin, eyes and lashes in the photo's expression."""
    plain = np.full((8, 8, 3), 128, np.uint8)
    skin = make_skin(parameters, placed.shape, SkinTextures(albedo, plain, plain[..., 0]))
    parts = (skin, *make_eyes(parameters, placed.shape), make_lashes(parameters, placed.shape))
    skeleton = placed.shape.model.skeleton(placed.shape.joints)
    return Bust(parts, skeleton, placed.expression, np.zeros((478, 3), np.float32))


def ring_colour(
    linear: Float[ndarray, "h w 3"], landmarks: Float[ndarray, "478 2"], covered: tuple[bool, bool]
) -> Float[ndarray, "3"] | None:
    """Median linear colour of the darker three quarters of both irises' visible rings; None where
    too few pixels show them.

    landmarks: pixels. covered: whether the right and the left eye are.
    """
    samples = []
    for first, loop, hidden in zip((468, 473), (RIGHT_EYE, LEFT_EYE), covered, strict=True):
        centre = landmarks[first]
        radius = float(np.linalg.norm(landmarks[first + 1 : first + 5] - centre, axis=1).mean())
        if hidden or radius < LEAST_RADIUS_PX:
            continue
        low = np.maximum((centre - 1.2 * radius).astype(int), 0)
        high = (centre + 1.2 * radius).astype(int) + 2
        patch = linear[low[1] : high[1], low[0] : high[0]]
        y, x = np.mgrid[low[1] : low[1] + patch.shape[0], low[0] : low[0] + patch.shape[1]] + 0.5
        lids = landmarks[[*loop]]
        lids = lids.mean(0) + 0.85 * (lids - lids.mean(0))
        open_eye = polygon2mask(patch.shape[:2], (lids - low - 0.5)[:, ::-1])
        distance = np.hypot(x - centre[0], y - centre[1]) / radius
        inner, outer = RING if radius > COARSE_PX else COARSE_RING
        ring = open_eye & (distance >= inner) & (distance < outer)
        samples.append(patch[ring])
    pixels = np.concatenate(samples) if samples else np.zeros((0, 3))
    if len(pixels) < LEAST_PIXELS:
        return None
    light = pixels.sum(1)
    return np.median(pixels[light <= np.quantile(light, 0.75)], axis=0)


def nearest_iris(
    goal: Float[ndarray, "3"], gain: Float[ndarray, "3"]
) -> tuple[float, float, float]:
    """`iris_melanin` and `iris_green` of the engine's iris nearest to a linear colour, `GLOSS`
    included, and its factor of `SHADES`, by grid search in CIELAB: in the dark, hue tells little.

    gain: what lids and light leave of each channel.
    """
    grid = product(np.linspace(0.0, 1.0, 21).tolist(), (0.0, 0.3, 0.6), SHADES)
    found = list(grid)
    irises = [
        s * iris_colors(AvatarParameters(iris_melanin=m, iris_green=g))[0] for m, g, s in found
    ]
    gap = rgb2lab(encode((np.array(irises) + GLOSS) * gain)) - rgb2lab(encode(goal * gain))
    _, green, shade = np.array(found).T
    cost = (gap**2 * [LIGHTNESS, 1.0, 1.0]).sum(1) + GREEN * green + SHADED * (1.0 - shade)
    return found[int(cost.argmin())]
