"""Assess a photo: sharpness, exposure, occlusion, and notes for the user.

Everything is measured on the aligned crop, where faces are upright and of one size. The scores for
glasses and occlusion are heuristics on luminance and colour, not classifiers:

- ``glasses`` detects the frame's bridge, a thin line across the nose between the eyes, and its ends
  beside the nose. Sunglasses and thick frames score as thin ones do. A wrinkle across the bridge or
  a sharp nose can raise it to about 0.5; blurred rimless glasses are missed.
- ``occlusion`` is the share of the face whose colour differs from its upper skin. Masks, hair over
  the face, dark sunglasses and microphones count; so do dark beards. A hand of the same skin colour
  does not.

Dimension letters: L landmarks (478), n and m rows and columns of a sampled patch.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from PIL import Image
from scipy.ndimage import gaussian_filter, gaussian_filter1d, laplace, map_coordinates
from scipy.spatial import KDTree

from portraiture.engine.landmarks import (
    CONTOUR,
    IRISES,
    LEFT_BROW,
    LEFT_EYE,
    OUTER_LIPS,
    RIGHT_BROW,
    RIGHT_EYE,
)
from portraiture.types import Quality

LUMA = np.array([0.2126, 0.7152, 0.0722])
RIGHT_IRIS, LEFT_IRIS, BRIDGE, LOW_BRIDGE, NOSE_TIP = 468, 473, 168, 6, 1
INNER_CORNERS = (133, 362)

# Logistic regression on the logarithms of the contrasts of `glasses_lines`, fitted on 168 portraits
# (25 with glasses, labelled by eye), with balanced classes.
_GLASSES = (4.1, 2.9, 16.0)

CROWN_HEIGHT, CROWN_HALF_WIDTH = (0.95, 1.7), 0.8
"""Region of the crown, above the midpoint of the eyes and to both sides, in inter-ocular
distances."""

CROWN_SEEN = 0.6
"""Share of the crown below which a photo does not show whether there is hair on it."""

SHARP, SOFT = 60.0, 15.0
"""Variances of the Laplacian below which a photo is reported as a little soft, and as blurred."""


def assess(
    crop: UInt8[ndarray, "s s 3"],
    landmarks: Float[ndarray, "L _"],
    points: Float[ndarray, "L 3"],
    *,
    face_px: float,
    angles: tuple[float, float, float],
    inside: float = 1.0,
    crown: float = 1.0,
    notes: tuple[str, ...] = (),
) -> Quality:
    """The quality report of an aligned crop.

    landmarks: pixels of the crop. points: the mean face, metres. angles: yaw, pitch, roll of the
    head, radians. inside, crown: shares of the landmarks and of the crown within the photo. notes:
    sentences to put first.
    """
    sharp, light = sharpness(crop), exposure(crop, landmarks)
    covered, spectacles = occlusion(crop, landmarks, points), glasses(crop, landmarks)
    sentences = (
        *notes,
        *_notes(face_px, sharp, light, angles, inside, crown),
        *_hints(covered, spectacles),
    )
    yaw, pitch, roll = angles
    return Quality(face_px, sharp, light, yaw, pitch, roll, covered, spectacles, sentences)


def crown_share(landmarks: Float[ndarray, "L _"], size: tuple[int, int]) -> float:
    """Share in [0, 1] of the crown that is within a photo of `size` (height, width).

    landmarks: pixels of the photo.
    """
    right, left = landmarks[[*RIGHT_EYE], :2].mean(0), landmarks[[*LEFT_EYE], :2].mean(0)
    across = (left - right).astype(np.float64)
    up = np.array([across[1], -across[0]])
    x = np.linspace(-CROWN_HALF_WIDTH, CROWN_HALF_WIDTH, 17)
    y = np.linspace(*CROWN_HEIGHT, 17)
    at = (right + left) / 2 + x[:, None, None] * across + y[:, None] * up
    return float(((at >= 0) & (at < [size[1], size[0]])).all(-1).mean())


def sharpness(crop: UInt8[ndarray, "s s 3"]) -> float:
    """Variance of the Laplacian (4 neighbours) of the luminance, 0 to 255, in the centre of the
    crop at 256²."""
    small = Image.fromarray(crop).resize((256, 256), Image.Resampling.BOX)
    edges = laplace(np.asarray(small, np.float64) @ LUMA, mode="nearest")
    return float(edges[32:224, 32:224].var())


def exposure(crop: UInt8[ndarray, "s s 3"], landmarks: Float[ndarray, "L _"]) -> float:
    """Mean luminance of the face in [0, 1] (Rec. 709 weights on sRGB values), at its landmarks."""
    smooth = gaussian_filter(crop @ LUMA, 4.0, mode="nearest")
    return float(_sample(smooth, landmarks[:468, :2]).mean() / 255)


def glasses(crop: UInt8[ndarray, "s s 3"], landmarks: Float[ndarray, "L _"]) -> float:
    """Score in [0, 1] for glasses; see the module's docstring."""
    bridge, pads, bias = _GLASSES
    lines = glasses_lines(crop, landmarks)
    score = bridge * np.log(lines[0] + 0.02) + pads * np.log(lines[1] + 0.02) + bias
    return float(1.0 / (1.0 + np.exp(-score)))


def glasses_lines(
    crop: UInt8[ndarray, "s s 3"], landmarks: Float[ndarray, "L _"]
) -> tuple[float, float]:
    """Contrast of a line across the bridge of the nose, and of those between it and the eyes."""
    luma, at = crop @ LUMA, landmarks[:, :2].astype(np.float64)
    across = at[LEFT_IRIS] - at[RIGHT_IRIS]
    bridge = _line_contrast(_patch(luma, at[BRIDGE], across, 0.07, (-0.22, 0.28)))
    pads = [
        _line_contrast(_patch(luma, (at[i] + at[LOW_BRIDGE]) / 2, across, 0.06, (-0.15, 0.30)))
        for i in INNER_CORNERS
    ]
    return bridge, float(np.mean(pads))


def _patch(
    luma: Float[ndarray, "s s"],
    centre: Float[ndarray, "2"],
    across: Float[ndarray, "2"],
    half: float,
    rows: tuple[float, float],
) -> Float[ndarray, "n m"]:
    """64×24 luminances around `centre`. half: half the width; rows: range of heights, downwards;
    both in units of `across`."""
    down = np.array([-across[1], across[0]])
    s, t = np.linspace(-half, half, 24), np.linspace(*rows, 64)
    return _sample(luma, centre + s[None, :, None] * across + t[:, None, None] * down)


def _line_contrast(patch: Float[ndarray, "n m"]) -> float:
    """Contrast of the strongest thin line across the patch, with a slope of up to 1 in 3, relative
    to the patch's mean."""
    rows, columns = np.arange(patch.shape[0]), np.linspace(-1, 1, patch.shape[1])
    best = 0.0
    for slope in np.linspace(-6, 6, 7):
        sheared = [
            np.interp(rows + slope * x, rows, column)
            for x, column in zip(columns, patch.T, strict=True)
        ]
        profile = np.median(sheared, axis=0)
        line = gaussian_filter1d(profile, 1.2) - gaussian_filter1d(profile, 5.0)
        best = max(best, float(np.abs(line[4:-4]).max()))
    return best / (float(patch.mean()) + 10.0)


@lru_cache(maxsize=1)
def _bare_skin() -> Bool[ndarray, "478"]:
    """Mask of the landmarks on skin, without lids, brows, lips and outline."""
    bare = np.ones(478, bool)
    for ring in (CONTOUR, IRISES, LEFT_EYE, RIGHT_EYE, LEFT_BROW, RIGHT_BROW, OUTER_LIPS):
        bare[list(ring)] = False
    return bare


def occlusion(
    crop: UInt8[ndarray, "s s 3"],
    landmarks: Float[ndarray, "L _"],
    points: Float[ndarray, "L 3"],
) -> float:
    """Share in [0, 1] of the face's area without its skin's colour; see the module's docstring.

    The reference is the median of the brighter half of the skin above the tip of the nose. A
    landmark is covered if its chromaticity differs clearly (logarithms of R/G and B/G, which are
    independent of shading) or if it is far darker. Each is weighted by the area around it on the
    mean face (`points`).
    """
    inner = _inner_skin(points.tobytes())
    smooth = gaussian_filter(crop.astype(np.float64), (3, 3, 0), mode="nearest")
    colour = np.stack([_sample(smooth[..., c], landmarks[:, :2]) for c in range(3)], 1) + 6.0
    log = np.log(colour)
    chroma, value = log[:, [0, 2]] - log[:, 1:2], np.log(colour @ LUMA)
    upper = inner & (points[:, 1] > points[NOSE_TIP, 1])
    bright = upper & (value >= np.median(value[upper]))
    typical = np.median(chroma[bright], axis=0)
    spread = 1.4826 * np.median(np.abs(chroma[upper] - typical), axis=0)
    far = np.linalg.norm((chroma - typical) / np.clip(4 * spread, 0.3, 0.5), axis=1) > 1
    dark = value < np.median(value[bright]) - 1.1
    area = _areas(points)
    return float((area * (far | dark))[inner].sum() / area[inner].sum())


@lru_cache(maxsize=2)
def _inner_skin(points: bytes) -> Bool[ndarray, "478"]:
    """Bare skin without what is within 4 mm of lips and brows or 8 mm of the outline."""
    at = np.frombuffer(points).reshape(-1, 3)
    bare = _bare_skin()
    features = [*LEFT_BROW, *RIGHT_BROW, *OUTER_LIPS]
    to_features = KDTree(at[features]).query(at)[0]
    to_outline = KDTree(at[list(CONTOUR)]).query(at)[0]
    mouth = np.zeros(len(at), bool)
    lips = at[list(OUTER_LIPS)]
    mouth |= (np.abs(at[:, 0]) < lips[:, 0].max()) & (at[:, 1] < lips[:, 1].max())
    mouth &= at[:, 1] > lips[:, 1].min()
    return bare & ~mouth & (to_features > 0.004) & (to_outline > 0.008)


def _areas(points: Float[ndarray, "L 3"]) -> Float[ndarray, "L"]:
    """Relative area of each landmark: its squared distance to the third nearest."""
    return KDTree(points).query(points, k=4)[0][:, 3] ** 2


def _sample(image: Float[ndarray, "h w"], at: Float[ndarray, "... 2"]) -> Float[ndarray, "..."]:
    """Bilinear samples at pixel coordinates (pixel centres at +0.5)."""
    return map_coordinates(image, [at[..., 1] - 0.5, at[..., 0] - 0.5], order=1, mode="nearest")


def _notes(
    face_px: float,
    sharp: float,
    light: float,
    angles: tuple[float, float, float],
    inside: float,
    crown: float,
) -> list[str]:
    """Notes for the user about measurements."""
    yaw, pitch, roll = np.degrees(angles)
    notes = []
    sharp = sharp * (0.5 / max(light, 0.05)) ** 2  # contrast grows with the light
    if face_px < 160:
        notes.append(f"The face is small ({face_px:.0f} pixels); 300 or more give a finer texture.")
    if sharp < SOFT:
        notes.append("The photo is blurred; a sharp one gives a better likeness.")
    elif sharp < SHARP:
        notes.append("The photo is a little soft.")
    if light < 0.2:
        notes.append("The face is dark; light from the front helps.")
    elif light > 0.88:
        notes.append("The face is overexposed; its colours are uncertain.")
    if abs(yaw) > 25:
        side = "left" if yaw > 0 else "right"
        notes.append(
            f"The head is turned {abs(yaw):.0f}° to its {side}; "
            "the hidden side is guessed from the visible one."
        )
    if abs(pitch) > 25:
        notes.append(f"The head is tilted {'up' if pitch > 0 else 'down'} by {abs(pitch):.0f}°.")
    if abs(roll) > 60:
        notes.append("The photo lies on its side; it was rotated.")
    if inside < 0.97:
        notes.append("Part of the face lies outside the photo; that part is guessed.")
    if crown < CROWN_SEEN:
        notes.append(
            "The top of the head lies outside the photo; the hair is guessed from its sides."
        )
    return notes


def _hints(covered: float, spectacles: float) -> list[str]:
    """Notes for the user about uncertain estimates."""
    hints = []
    if spectacles > 0.5:
        hints.append("The person seems to wear glasses.")
    if covered > 0.3:
        hints.append("Part of the face seems covered (hair, beard, hand, mask or shadow).")
    return hints
