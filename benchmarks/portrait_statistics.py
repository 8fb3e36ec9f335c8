"""Proportions and tones of faces: portraits against sampled people.

    python benchmarks/portrait_statistics.py PORTRAITS [--count 24] [--seed 7]

The portraits and the people of `stranger_sheet` with the same count and seed, at `WORKED` pixels;
portraits are twice as many, those of the people's poses and lights too. Of each measure the table
has mean and standard deviation of either, and the people's mean less the portraits' in standard
deviations of portraits. Lengths are in inter-ocular distances, read off the 478 landmarks; tones
are differences of CIE L* or a* to the median of the cheeks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tyro
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from rich.progress import track
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2lab
from skimage.draw import polygon2mask
from stranger_sheet import Shot, chosen, person
from tyro.conf import Positional

from portraiture.engine.landmarks import (
    CONTOUR,
    INNER_LIPS,
    LEFT_BROW,
    LEFT_EYE,
    OUTER_LIPS,
    RIGHT_BROW,
    RIGHT_EYE,
)
from portraiture.photo.landmarks import find_faces

BANDS = ((0.01, 0.02), (0.02, 0.04), (0.04, 0.08), (0.08, 0.16))
"""Spatial bands of skin's contrast: sigmas of two Gaussians, inter-ocular distances."""
LENGTHS = {
    "inner corners of eyes": (133, 362), "nose, length": (168, 2), "nose, width": (129, 358),
    "nostrils, width": (98, 327), "mouth, width": (61, 291), "upper lip": (0, 13),
    "lower lip": (14, 17), "gap of lips": (13, 14), "philtrum": (2, 0), "chin": (17, 152),
    "face, width": (234, 454), "jaw, width": (172, 397), "chin, width": (150, 379),
    "face, height": (10, 152),
}  # fmt: skip
"""Pairs of landmarks."""


def main(portraits: Positional[Path], *, count: int = 24, seed: int = 7) -> None:
    """Print the table. count: of sampled people."""
    shots = chosen(portraits, 2 * count, np.random.default_rng(seed))
    if len(shots) < 2 * count:
        raise SystemExit(f"{portraits} has {len(shots)} usable portraits; {2 * count} are needed.")
    seen = _measured([shot.crop for shot in shots])
    made = _measured(_people(shots[count:]))
    print(f"{'':22s}{'portraits':>18s}{'people':>18s}{'z':>7s}")
    for name, values in seen.items():
        mean, deviation = np.nanmean(values), np.nanstd(values)
        own = made[name]
        print(
            f"{name:22s}{mean:9.3f} ±{deviation:7.3f}{np.nanmean(own):9.3f} ±{np.nanstd(own):7.3f}"
            f"{(np.nanmean(own) - mean) / deviation:+7.1f}"
        )


def _people(shots: Sequence[Shot]) -> list[UInt8[ndarray, "s s 3"]]:
    return [person(k, shot) for k, shot in enumerate(track(shots, "sampled people"))]


def _measured(images: Sequence[UInt8[ndarray, "s s 3"]]) -> dict[str, Float[ndarray, "N"]]:
    rows = []
    for image in images:
        faces = find_faces(image)
        if faces:
            points = faces[0][:, :2].astype(np.float64)
            rows.append(proportions(points) | tones(image, points))
    print(f"{len(rows)} of {len(images)} have a face that is found")
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def proportions(points: Float[ndarray, "478 2"]) -> dict[str, float]:
    """Lengths in inter-ocular distances, and the opening of the eyes in widths of an eye."""
    middle = [points[[*eye]].mean(0) for eye in ((33, 133), (362, 263))]
    apart = np.linalg.norm(middle[1] - middle[0])
    along = (middle[1] - middle[0]) / apart
    up = np.array([along[1], -along[0]])

    def between(a: int, b: int) -> float:
        return float(np.linalg.norm(points[a] - points[b]) / apart)

    def above(a: int, b: int) -> float:
        return float((points[a] - points[b]) @ up / apart)

    out = {name: between(*pair) for name, pair in LENGTHS.items()}
    out["eyes, opening"] = 0.5 * (
        between(159, 145) / between(33, 133) + between(386, 374) / between(362, 263)
    )
    out["brows above lids"] = 0.5 * (above(52, 159) + above(282, 386))
    out["corners of mouth"] = 0.5 * (above(61, 13) + above(291, 13))
    out["eyes to chin"] = float(np.linalg.norm(0.5 * (middle[0] + middle[1]) - points[152]) / apart)
    return out


def tones(image: UInt8[ndarray, "s s 3"], points: Float[ndarray, "478 2"]) -> dict[str, float]:
    """Lightness of parts of the face, highlights, and contrast of the skin above the mouth."""
    lab = rgb2lab(image)
    light, red = lab[..., 0], lab[..., 1]
    linear = (image / 255.0).mean(2) ** 2.2
    apart = float(np.linalg.norm(points[[33, 133]].mean(0) - points[[362, 263]].mean(0)))

    def inside(loop: Sequence[int]) -> Bool[ndarray, "s s"]:
        return polygon2mask(light.shape, points[[*loop]][:, ::-1])

    def near(landmark: int, radius: float) -> Bool[ndarray, "s s"]:
        rows, columns = np.ogrid[: light.shape[0], : light.shape[1]]
        x, y = points[landmark]
        return (columns - x) ** 2 + (rows - y) ** 2 < (radius * apart) ** 2

    eyes, brows = inside(LEFT_EYE) | inside(RIGHT_EYE), inside(LEFT_BROW) | inside(RIGHT_BROW)
    skin = inside(CONTOUR) & ~eyes & ~brows & (np.arange(len(light))[:, None] < points[0, 1])
    cheeks = (near(50, 0.13) | near(280, 0.13)) & skin
    forehead = near(151, 0.3) & skin
    level, teeth = np.median(light[cheeks]), inside(INNER_LIPS)
    out = {
        "L* of cheeks": float(level),
        "a* of cheeks": float(np.median(red[cheeks])),
        "b* of cheeks": float(np.median(lab[..., 2][cheeks])),
        "L* of eyes": float(light[eyes].mean() - level),
        "L* of their whites": float(np.percentile(light[eyes], 92) - level)
        if eyes.any()
        else np.nan,
        "L* of brows": float(light[brows].mean() - level),
        "L* of forehead": float(np.median(light[forehead]) - level),
        "L* of lips": float(np.median(light[inside(OUTER_LIPS)]) - level),
        "L* of teeth": float(np.percentile(light[teeth], 75) - level) if teeth.any() else np.nan,
        "shine of forehead": float(np.percentile(linear[forehead], 99) / np.median(linear[skin])),
        "spread of a*": float(red[skin].std()),
    }
    for fine, coarse in BANDS:
        band = _blurred(light, skin, fine * apart) - _blurred(light, skin, coarse * apart)
        out[f"L*, sigma {fine}"] = float(band[skin].std())
    return out


def _blurred(
    values: Float[ndarray, "s s"], where: Bool[ndarray, "s s"], sigma: float
) -> Float[ndarray, "s s"]:
    """Gaussian blur of the values inside a mask."""
    share = gaussian_filter(where.astype(np.float64), sigma)
    return gaussian_filter(values * where, sigma) / np.maximum(share, 1e-3)


if __name__ == "__main__":
    tyro.cli(main)
