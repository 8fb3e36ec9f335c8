"""Learn where faces are darker and redder from CC0 photographic skins.

Writes src/portraiture/assets/skin_layout.png.

Each skin (a JPEG in MakeHuman's UV) is moved to the engine's UV; the logarithm of its colour, less
the face's mean, is split into changes of melanin, haemoglobin and plain shade with the Jacobian of
the engine's own tone table (Tsumura et al. 2003, "Image-based skin color and texture analysis",
with our pigment vectors in place of ICA). The mean over skins and over both halves of the face is
kept: three groups (light men, light women, dark), three channels each, 8
bits. No skin can be recovered from it.

    python tools/learn_skin_layout.py ../shared/data/makehuman_cc0/skins
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from portraiture.engine.head import load_head
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import shape_head
from portraiture.engine.skin.layout import LAYOUT_RANGE, LAYOUT_SIZE
from portraiture.engine.skin.texels import dilate, interpolate, resample_makehuman, texel_map
from portraiture.engine.skin.tone import encode_srgb, tone_table
from portraiture.types import Segment

OUT = Path(__file__).parent.parent / "src/portraiture/assets/skin_layout.png"


def decode_srgb(value: np.ndarray) -> np.ndarray:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def nearest_tone(rgb: np.ndarray) -> tuple[int, int, float]:
    """Row and column of the tone table, and the undertone, with the nearest log colour."""
    best = (np.inf, 0, 0, 0.0)
    for undertone in np.linspace(0, 1, 11):
        log_ratio = np.log(tone_table(float(undertone))) - np.log(rgb)
        spread = (log_ratio - log_ratio.mean(2, keepdims=True)) ** 2
        error = spread.sum(2) + 0.15 * log_ratio.mean(2) ** 2
        row, column = np.unravel_index(np.argmin(error), error.shape)
        best = min(best, (float(error[row, column]), int(row), int(column), float(undertone)))
    return best[1:]


def split_pigments(image: np.ndarray, face: np.ndarray) -> np.ndarray:
    """(S, S, 3) changes of melanin, haemoglobin (table units) and log shade."""
    log_rgb = np.log(np.clip(decode_srgb(image / 255.0), 0.003, 1.0))
    mean = np.median(log_rgb[face], axis=0)
    row, column, undertone = nearest_tone(np.exp(mean))
    log_table = np.log(tone_table(undertone))
    step = 1.0 / (len(log_table) - 1)
    row, column = np.clip(row, 1, 46), np.clip(column, 1, 46)
    jacobian = np.stack(
        [
            (log_table[row + 1, column] - log_table[row - 1, column]) / (2 * step),
            (log_table[row, column + 1] - log_table[row, column - 1]) / (2 * step),
            np.ones(3),
        ],
        axis=1,
    )
    print(
        f"  mean {np.round(encode_srgb(np.exp(mean)) * 255)} melanin {row * step:.2f} "
        f"haemoglobin {column * step:.2f} undertone {undertone:.1f}"
    )
    weights = np.array([1.0, 1.0, 0.8])
    scaled = jacobian * weights
    solve = weights[:, None] * (np.linalg.inv(scaled.T @ scaled + 0.01 * np.eye(3)) @ scaled.T)
    return (log_rgb - mean) @ solve.T


def smooth(image: np.ndarray, weight: np.ndarray, sigma: float) -> np.ndarray:
    """Normalised Gaussian blur of the known texels; also fills the unknown ones."""
    known = gaussian_filter(weight, sigma)
    blurred = np.stack(
        [gaussian_filter(image[..., c] * weight, sigma) for c in range(image.shape[2])], axis=2
    )
    return blurred / np.maximum(known, 1e-6)[..., None]


def trusted(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Texels of bare face, ears and neck, faded towards scalp, lips and lids; and of the face."""
    model = load_head()
    shape = shape_head(AvatarParameters())
    texels = texel_map(model, size)
    labels = model.arrays["skin_segment"][np.maximum(texels.face, 0)]
    eyes = 0.5 * (shape.group("helper-l-eye").mean(0) + shape.group("helper-r-eye").mean(0))
    x, y, z = np.moveaxis((interpolate(shape.skin, model, size) - eyes) * 1e3, 2, 0)
    wanted = np.isin(labels, [Segment.SKIN, Segment.NOSE, Segment.LEFT_EAR, Segment.RIGHT_EAR])
    wanted &= texels.inside & (y < 62) & (z > -110) & ~((z < -25) & (y > -25) & (np.abs(x) < 62))
    scalp = (z < -66) | ((y > 40) & (z < -30)) | ((y > 12) & (z < -42)) | (y > 55)
    lids = (np.hypot((np.abs(x) - 32.5) / 17.0, y / 5.0) < 1.0) & (z > -20)
    ears = np.isin(labels, [Segment.LEFT_EAR, Segment.RIGHT_EAR])
    good = wanted & (ears | ~scalp) & ~lids
    face = good & ~ears & (z > -10) & (y > -110)
    return good, face


def main(folder: Path) -> None:
    """Print each skin's tone and write the layout."""
    model = load_head()
    size = LAYOUT_SIZE
    good, face = trusted(size)
    groups: dict[str, list[np.ndarray]] = {"light_male": [], "light_female": [], "dark": []}
    for path in sorted(folder.glob("*.jpg")):
        print(path.name)
        image = resample_makehuman(np.asarray(Image.open(path).convert("RGB")), model, size)
        change = split_pigments(image.astype(np.float64), face)
        sex = "light_female" if "female" in path.name else "light_male"
        groups["dark" if "dark" in path.name else sex].append(change)
    channels = []
    for name in ("light_male", "light_female", "dark"):
        mean = np.mean(groups[name], axis=0)
        inside = texel_map(model, size).inside
        mean = dilate(np.where(inside[..., None], mean, 0.0), inside)
        weight = good.astype(np.float64)
        flipped = mean[:, ::-1], weight[:, ::-1]
        total = np.maximum(weight + flipped[1], 1e-9)[..., None]
        mean = (mean * weight[..., None] + flipped[0] * flipped[1][..., None]) / total
        weight = np.clip(weight + flipped[1], 0, 1)
        fine, wide = smooth(mean, weight, 1.2), smooth(mean, weight, 14.0)
        near = gaussian_filter(weight, 3.0)[..., None]
        blend = np.clip(2.0 * near - 1.0, 0, 1)
        filled = blend * fine + (1 - blend) * wide
        reach = np.clip(gaussian_filter(weight, 24.0) * 2.2 - 0.1, 0, 1)[..., None]
        channels.append(filled * np.maximum(reach, near))
    stacked = np.concatenate(channels, axis=1)
    coded = np.clip(stacked / LAYOUT_RANGE * 127.0 + 128.0, 0, 255)
    Image.fromarray((coded + 0.5).astype(np.uint8)).save(OUT, optimize=True)
    print(f"{OUT.name}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
