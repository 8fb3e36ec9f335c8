"""Choose glasses by rendering frames on the fitted head at the photo's camera [ours].

photo around the eyes ─less its blur─▶ lines ──────────────┐
parsed glasses (lenses and frames) ────────────────────────┤
styles, sizes, rims ─build, render─▶ rims, filled rims ──┴─ correlation, overlap ─▶ frame
                                         the best rim's own pixels, unmixed from skin ─▶ tone

Letters: h, w the compared image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.ndimage import binary_dilation, gaussian_filter, map_coordinates
from skimage.draw import polygon2mask

from portraiture.engine.classes import WIRE
from portraiture.engine.landmarks import LEFT_BROW, LEFT_EYE, RIGHT_BROW, RIGHT_EYE
from portraiture.engine.parameters import AvatarParameters, GlassesStyle
from portraiture.engine.wear.glasses import make_glasses
from portraiture.fit.colours import eyes_covered
from portraiture.fit.compare import window_camera
from portraiture.fit.light import decode
from portraiture.fit.parse import Parsed
from portraiture.fit.place import Placed
from portraiture.fit.projection import image_size
from portraiture.fit.regions import Regions
from portraiture.fit.solve import interocular
from portraiture.fit.zones import cheek_mask, covered_share, disc, zone_colour
from portraiture.photo.align import crop_image
from portraiture.render.mesh import segmentation_of
from portraiture.types import Bust, Camera, Part, Photo, Segment

LIKELY = 0.5
"""Probability above which glasses are worn."""
SHADED = 0.15
"""Luminance of lenses, in that of the cheeks, under which they are sunglasses'."""
SUNGLASSES = 0.85
WIDTH, HEIGHT = 192, 112
WIDE_IOD = 2.9
"""Width of the compared image, in inter-ocular distances."""
LOWER = 0.1
"""How far below the eyes its centre is, in inter-ocular distances."""
FINER = 3
"""Samples per pixel and axis of a rim's coverage."""
FRONT_M = 0.02
"""Depth of a frame's front; behind it are the temples."""
AROUND_IOD = 0.13
"""Standard deviation of the blur that lines are compared with."""
OVERLAP = 0.6
"""Weight of the overlap with the parsed glasses against the correlation of lines."""
SIZES = (0.05, 0.95)
RIMS = {"thin": 0.15, "thick": 0.5}
BOLDER = {RIMS["thin"]: 0.35, RIMS["thick"]: 0.8}
"""Rims that are tried after the usual ones of a kind."""
NEAR_PX, DARKEST, LEAST_PX = 2, 0.2, 8
"""Where the frame's pixels are looked for beside the rendered rim, the share of them taken, and how
few tell nothing."""
WARM = 0.15
"""Log R/B over the skin's from which a frame is horn or gold."""


@dataclass(frozen=True)
class Seen:
    """The photo around the eyes. linear: its colours. lines: log luminance less its blur, 0 where
    eyes and brows are. parsed: probability of glasses. camera: of that image."""

    linear: Float[ndarray, "h w 3"]
    lines: Float[ndarray, "h w"]
    weight: Float[ndarray, "h w"]
    parsed: Float[ndarray, "h w"]
    camera: Camera


def choose_glasses(
    photo: Photo, regions: Regions, parsed: Parsed, placed: Placed, parameters: AvatarParameters
) -> AvatarParameters:
    """A copy of the parameters with the photo's glasses, or none. About 2 s where glasses are worn.

    Two dark lenses before a bare nose are sunglasses, whatever the parser says.
    """
    shaded = _shaded(regions)
    chance = parsed.looks.chance
    if chance("glasses", "none") > LIKELY and not shaded:
        return replace(parameters, glasses_style="none")
    seen = _seen(photo, parsed, placed)
    best, rim = _likeliest(_styles(parameters, parsed), placed, seen)
    best, rim = _likeliest(_varied(best), placed, seen)
    tone = frame_tone(rim, seen, best)
    return replace(best, glasses_tone=tone, glasses_tint=SUNGLASSES if shaded else 0.0)


def _shaded(regions: Regions) -> bool:
    """Whether both eyes are behind something dark and the nose is not."""
    nose = covered_share(regions, disc(regions, 4, 0.1)) > 0.5
    lens = decode(regions.image[np.any([disc(regions, k, 0.1) for k in (223, 443)], axis=0)])
    dark = np.median(lens) < SHADED * zone_colour(regions, cheek_mask(regions)).mean()
    return bool(all(eyes_covered(regions)) and dark and not nose)


def _likeliest(
    candidates: Iterable[AvatarParameters], placed: Placed, seen: Seen
) -> tuple[AvatarParameters, Float[ndarray, "h w"]]:
    """The candidate that agrees best with lines and parsed glasses, and its rims."""
    rendered = [(one, *_rendered(one, placed, seen)) for one in candidates]
    scores = [_correlation(rim, seen) + OVERLAP * _overlap(full, seen.parsed)
              for _, rim, full in rendered]  # fmt: skip
    best, rim, _ = rendered[int(np.argmax(scores))]
    return best, rim


def _styles(parameters: AvatarParameters, parsed: Parsed) -> list[AvatarParameters]:
    """Every style that the sitter may wear, of the usual size."""
    chance = parsed.looks.chance
    worn = max(1.0 - chance("glasses", "none"), 1e-6)
    kinds = {kind: chance("glasses", kind) / worn for kind in ("rimless", "thin", "thick")}
    kind = max(kinds, key=kinds.__getitem__)
    styles: list[GlassesStyle] = ["rectangle", "oval", "round"]
    if chance("sex", "f") > LIKELY:
        styles.append("cat_eye")
    if kind == "thin":
        styles.append("aviator")
    if kind == "rimless":
        styles = ["rimless"]
    rim = RIMS.get(kind, RIMS["thin"])
    return [
        replace(parameters, glasses_style=style, glasses_size=0.5, glasses_rim=rim)
        for style in styles
    ]


def _varied(best: AvatarParameters) -> Iterator[AvatarParameters]:
    """The style in other sizes and with other rims."""
    yield best
    for size in SIZES:
        yield replace(best, glasses_size=size)
    if best.glasses_style not in ("rimless", "aviator"):
        yield replace(best, glasses_rim=BOLDER[best.glasses_rim])


def _seen(photo: Photo, parsed: Parsed, placed: Placed) -> Seen:
    """Resample photo and parsed glasses to an image around the eyes, not turned."""
    landmarks = photo.landmarks.astype(np.float64)
    iod = interocular(landmarks)
    middle = landmarks[[*LEFT_EYE, *RIGHT_EYE]].mean(0) + np.array([0.0, LOWER * iod])
    half = 0.5 * WIDE_IOD * iod
    corner, scale = middle - [half, half * HEIGHT / WIDTH], WIDTH / (2.0 * half)
    square = np.array([*corner, *(corner + 2.0 * half)])
    to_image = np.array([[scale, 0, 0], [0, scale, 0], [0, 0, 1.0]])
    to_image[:2, 2] = -scale * corner
    linear = decode(crop_image(photo.image, to_image, WIDTH)[:HEIGHT])
    y, x = (np.mgrid[:HEIGHT, :WIDTH] + 0.5) / scale
    at = np.stack([x + corner[0], y + corner[1]], -1)
    at = at @ photo.crop_from_image[:2, :2].T + photo.crop_from_image[:2, 2]
    column, row = np.moveaxis(at * parsed.crop.shape[-1] / photo.crop.shape[0] - 0.5, -1, 0)
    glasses = map_coordinates(parsed.crop[Segment.GLASSES], [row, column], order=1, mode="nearest")
    light = np.log(linear.mean(-1) + 0.02)
    weight = _clear_of_features((landmarks - corner) * scale)
    around = AROUND_IOD * iod * scale
    mean = gaussian_filter(light * weight, around) / np.maximum(
        gaussian_filter(weight, around), 1e-3
    )
    view = window_camera(placed.camera, image_size(photo.image), square)
    return Seen(linear, (light - mean) * weight, weight, glasses, view)


def _clear_of_features(landmarks: Float[ndarray, "478 2"]) -> Float[ndarray, "h w"]:
    """0 on eyes and brows, which are darker lines than rims, else 1."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for loop in (LEFT_EYE, RIGHT_EYE, LEFT_BROW, RIGHT_BROW):
        points = landmarks[[*loop]]
        points = points.mean(0) + 1.25 * (points - points.mean(0))
        mask |= polygon2mask(mask.shape, points[:, ::-1] - 0.5)
    return 1.0 - mask.astype(np.float64)


def _rendered(
    parameters: AvatarParameters, placed: Placed, seen: Seen
) -> tuple[Float[ndarray, "h w"], Float[ndarray, "h w"]]:
    """Coverage of the image by the front's rims, and by rims and lenses."""
    frame, lenses = make_glasses(parameters, placed.shape)
    front = frame.vertices[frame.faces].min(1)[:, 2] > frame.vertices[:, 2].max() - FRONT_M
    frame = replace(frame, faces=frame.faces[front], segment=frame.segment[front])
    return _coverage([frame], placed, seen), _coverage([frame, lenses], placed, seen)


def _coverage(parts: list[Part], placed: Placed, seen: Seen) -> Float[ndarray, "h w"]:
    """Share of each pixel that the parts cover."""
    skeleton = placed.shape.model.skeleton(placed.shape.joints)
    solid = [replace(p, material=replace(p.material, alpha_mode="opaque")) for p in parts]
    bust = Bust(tuple(solid), skeleton, {}, np.zeros((478, 3), np.float32))
    shown = segmentation_of(bust, seen.camera, WIDTH * FINER) == Segment.GLASSES
    shown = shown[: HEIGHT * FINER].reshape(HEIGHT, FINER, WIDTH, FINER)
    return shown.mean((1, 3))


def _correlation(rim: Float[ndarray, "h w"], seen: Seen) -> float:
    """Normalised correlation of the rim's coverage with the photo's dark lines."""
    weight = seen.weight
    mean = (rim * weight).sum() / weight.sum()
    line = (rim - mean) * weight
    dark = -(seen.lines - seen.lines.sum() / weight.sum()) * weight
    size = np.sqrt((line**2).sum() * (dark**2).sum())
    return float((line * dark).sum() / max(size, 1e-9))


def _overlap(filled: Float[ndarray, "h w"], parsed: Float[ndarray, "h w"]) -> float:
    """Soft intersection over union."""
    return float(np.minimum(filled, parsed).sum() / max(np.maximum(filled, parsed).sum(), 1e-6))


def frame_tone(rim: Float[ndarray, "h w"], seen: Seen, parameters: AvatarParameters) -> float:
    """`glasses_tone` of the darkest pixels beside the rims, relative to the skin around them: dark
    frames by luminance, horn and gold by their warmth."""
    near = np.asarray(binary_dilation(rim > 0.25, iterations=NEAR_PX), bool) & (seen.weight > 0.0)
    around = np.asarray(binary_dilation(near, iterations=3 * NEAR_PX), bool) & ~near
    around &= seen.weight > 0.0
    if min(near.sum(), around.sum()) < LEAST_PX:
        return parameters.glasses_tone
    skin = np.median(seen.linear[around], axis=0)
    pixels = seen.linear[near]
    dark = pixels[pixels.mean(1) <= np.quantile(pixels.mean(1), DARKEST)].mean(0)
    ratio = (dark + 0.01) / (skin + 0.01)
    light, warm = float(ratio.mean()), float(np.log(ratio[0] / ratio[2]))
    if parameters.glasses_rim < WIRE or parameters.glasses_style in ("aviator", "rimless"):
        return 0.05 if light < 0.5 else (0.95 if warm > WARM else 0.45)
    if light < (0.3 if warm > WARM else 0.45):
        return 0.03
    return float(np.clip(0.1 + 0.8 * light, 0.3, 0.9))
