"""Sampled people among portraits, for a stranger to say which are photographs.

    python benchmarks/stranger_sheet.py PORTRAITS OUT.png [--count 24] [--seed 0] [--truth F.json]

PORTRAITS is laid out as `data.portrait_folder` reads it; held-out portraits are not shown. All are
cropped as `photo.align` crops, at the same resolution, through the same JPEG. A sampled person has
the pose, the fitted light with a lamp in it (`render.light.keyed`), the tone curve of a camera, the
resolution and the background (the person removed from it) of a portrait that the sheet does not
show, is of its sitter's sex, dressed and groomed as the sitter (`GROOMED`), and shows the teeth if
the sitter does, so that only the person tells. OUT is a numbered grid; the truth goes to a second
file, one true (a photograph) or false for each number. Who guesses is right in half.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray
from PIL import Image, ImageDraw
from rich.progress import track
from scipy.ndimage import binary_dilation, gaussian_filter, map_coordinates
from tyro.conf import Positional

from portraiture.avatar import Avatar
from portraiture.data.portrait_folder import Portrait, held_out, read_portraits
from portraiture.engine.classes import CLASSES
from portraiture.engine.landmarks import LEFT_EYE, RIGHT_EYE
from portraiture.engine.population import Mood
from portraiture.engine.sample import sample_parameters
from portraiture.engine.sample_expression import gaze_towards, portrait_expression
from portraiture.engine.skin.appearance import window_of
from portraiture.errors import PhotoError
from portraiture.fit.compare import camera_of_crop
from portraiture.fit.projection import smoothstep
from portraiture.fit.regions import read_photo, window_transform
from portraiture.fit.run import fit_photo
from portraiture.fit.texture import membrane
from portraiture.media import atomic_path, write_image
from portraiture.people.views import over
from portraiture.photo.align import align
from portraiture.photo.landmarks import transform
from portraiture.render.light import keyed, scaled
from portraiture.render.mesh import render_rgba
from portraiture.types import Camera, Photo, as_uint8

EYES = (*LEFT_EYE, *RIGHT_EYE)
STEADY = (*EYES, 1, 4, 6, 168, 197, 152, 234, 454, 10)
"""Landmarks that expressions hardly move: eyes, nose, chin and outline."""
WORKED = 256
"""Side at which people are rendered and backgrounds prepared, pixels."""
OUTSIDE = 0.04
"""Share of a crop that may lie outside its photo."""
COLOURED = 6.0
"""Least mean range of a pixel's channels (of 255) of a photo that is not black and white."""
MARGIN = 10
"""Pixels around a person that are taken as the person, when removed from the background."""
BEHIND = 0.06
"""Least share of a crop that shows the background, for it to be continued behind a person."""
CONTRAST = 0.25
"""Of the tone curve: in the middle it is steeper than the engine's by this. Cameras develop so:
portraits' standard deviation of L* over the face is 16.0, sampled people's without it 13.1, in each
band of spatial frequency about as much less, at the same median and 95th percentile."""
METERED = 0.55
"""Share of the difference in brightness between two skins, as logarithms, that exposure takes."""
GROOMED = ("hair", "fringe", "beard", "clothes")
"""Looks that a sampled person shares with the sitter: official portraits are formal."""
APART = 0.06
"""Gap of lips that show teeth, inter-ocular distances."""
SEXES = {"f": 0.93, "m": 0.1}
"""`AvatarParameters.sex` of each annotated sex."""
QUALITY = 88
"""Of the JPEG through which all images go."""


@dataclass(frozen=True)
class Shot:
    """A portrait's crop, (s, s, 3), its background without the person, the photo, and what it is
    annotated with (`Portrait.seen`)."""

    crop: UInt8[ndarray, "s s 3"]
    background: Float32[ndarray, "s s 3"]
    photo: Photo
    seen: Mapping[str, str]


def main(
    portraits: Positional[Path], out: Positional[Path], *, count: int = 24, size: int = 128,
    seed: int = 0, first_person: int = 0, columns: int = 8, truth: Path | None = None,
) -> None:  # fmt: skip
    """Write the sheet and the truth.

    count: of photographs and of sampled people, each. size: of a thumbnail, pixels. seed: of the
    choice and the order. first_person: seed of the first sampled person. truth: by default OUT with
    the suffix .json.
    """
    rng = np.random.default_rng(seed)
    shots = chosen(portraits, 2 * count, rng)
    if len(shots) < 2 * count:
        raise SystemExit(f"{portraits} has {len(shots)} usable portraits; {2 * count} are needed.")
    photos = [shot.crop for shot in shots[:count]]
    people = [
        person(first_person + k, shot)
        for k, shot in enumerate(track(shots[count:], "sampled people"))
    ]
    images = [finished(image, size) for image in (*photos, *people)]
    order = rng.permutation(len(images))
    write_image(out, numbered([images[k] for k in order], columns))
    answers = {str(n): bool(k < count) for n, k in enumerate(order, 1)}
    with atomic_path(truth or out.with_suffix(".json")) as part:
        part.write_text(json.dumps(answers, indent=1) + "\n")
    print(f"{count} photographs and {count} sampled people: {out}")


def chosen(folder: Path, count: int, rng: np.random.Generator) -> list[Shot]:
    """Shots of `count` portraits in random order, half of women as far as there are any."""
    everyone = held_out(read_portraits(folder))[0]
    groups = [[p for p in everyone if p.seen.get("sex") == sex] for sex in ("f", "m")]
    queues = [[group[k] for k in rng.permutation(len(group))] for group in groups]
    found: list[Shot] = []
    while len(found) < count and any(queues):
        queue = queues[len(found) % 2] or queues[(len(found) + 1) % 2]
        shot = read_shot(queue.pop())
        if shot is not None:
            found.append(shot)
    return [found[k] for k in rng.permutation(len(found))]


def read_shot(portrait: Portrait) -> Shot | None:
    """The shot of a portrait; None without colour, face or background, or where the crop leaves the
    photo."""
    try:
        photo = align(portrait.photo)
    except PhotoError:
        return None
    if (
        np.ptp(photo.image.astype(np.float32), axis=2).mean() < COLOURED
        or _outside(photo) > OUTSIDE
    ):
        return None
    block = photo.crop.shape[0] // WORKED
    crop = photo.crop.reshape(WORKED, block, WORKED, block, 3).mean((1, 3)).astype(np.float32)
    crop /= 255.0
    person = _person_in_crop(photo)
    if 1.0 - person.mean() < BEHIND:
        return None
    return Shot(
        (np.clip(crop, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8),
        _without_person(crop, person), photo, portrait.seen,
    )  # fmt: skip


def _outside(photo: Photo) -> float:
    """Share of the crop that lies outside the photo."""
    to_image = np.linalg.inv(photo.crop_from_image)
    x, y = np.meshgrid(*[np.arange(64) * (photo.crop.shape[0] / 64)] * 2)
    u, v = (to_image[i, 0] * x + to_image[i, 1] * y + to_image[i, 2] for i in (0, 1))
    height, width = photo.image.shape[:2]
    return float(((u < 0) | (v < 0) | (u > width) | (v > height)).mean())


def _person_in_crop(photo: Photo) -> ndarray:
    """Whether each pixel of the crop, at `WORKED` pixels, shows the person."""
    regions, _ = read_photo(photo)
    step = photo.crop.shape[0] / WORKED
    at = (np.arange(WORKED) + 0.5) * step
    grid = np.stack(np.meshgrid(at, at), -1)
    to_window = np.linalg.inv(
        photo.crop_from_image @ window_transform(photo.landmarks.astype(float))
    )
    at = grid @ to_window[:2, :2].T + to_window[:2, 2] - 0.5
    inside = map_coordinates(
        regions.person.astype(np.float32), [at[..., 1], at[..., 0]], order=1, mode="nearest"
    )
    return binary_dilation(inside > 0.3, iterations=MARGIN)


def _without_person(crop: Float32[ndarray, "s s 3"], person: ndarray) -> Float32[ndarray, "s s 3"]:
    """The background, extended smoothly and with its own grain to where the person was."""
    known = (~person).astype(np.float32)
    filled = membrane(crop, known)
    smooth = gaussian_filter(filled, (4.0, 4.0, 0.0))
    near = smoothstep(0.0, 1.0, gaussian_filter(known, 3.0))[..., None]
    return (smooth + near * (filled - smooth)).astype(np.float32)


def person(seed: int, shot: Shot) -> UInt8[ndarray, "s s 3"]:
    """A sampled person in the pose and light and before the background of a portrait, with the eyes
    on the camera."""
    avatar = sitter(seed, shot.seen, toothy=shows_teeth(shot.photo))
    fitted = fit_photo(shot.photo)
    landmarks = avatar.bust(expression=avatar.expression).landmarks
    seen = transform(shot.photo.landmarks, shot.photo.crop_from_image) / shot.photo.crop.shape[0]
    camera = camera_of_crop(fitted.camera, shot.photo)
    camera = shifted(camera, landmarks[[*STEADY]], seen[[*STEADY]])
    gaze = gaze_towards(camera.T_world_cam[:3, 3] - landmarks[[*EYES]].mean(0))
    bust = avatar.bust(expression={**avatar.expression, **gaze})
    light = keyed(scaled(fitted.light, metered(bust.parts[0].material.base_color, fitted.albedo)))
    rgba = render_rgba(bust, camera, size=WORKED, light=light, supersample=3)
    return over(as_soft(as_uint8(developed(rgba)), shot.photo), shot.background)


def sitter(seed: int, seen: Mapping[str, str], *, toothy: bool) -> Avatar:
    """A sampled person of the annotated sex, dressed and groomed as annotated. toothy: whether the
    teeth show."""
    asked = {look: seen[look] for look in GROOMED if seen.get(look) in CLASSES[look]}
    parameters = sample_parameters(seed, sex=SEXES.get(seen.get("sex", "")), looks=asked)
    mood: Mood = "teeth" if toothy else ("smile" if seed % 2 else "rest")
    expression = portrait_expression(seed, mood=mood)
    return Avatar(parameters=parameters, expression=expression)


def shows_teeth(photo: Photo) -> bool:
    """Whether the lips are apart by more than `APART` of the distance between the eyes."""
    eyes = [photo.landmarks[[*eye]].mean(0) for eye in (LEFT_EYE, RIGHT_EYE)]
    gap = np.linalg.norm(photo.landmarks[13] - photo.landmarks[14])
    return bool(gap > APART * np.linalg.norm(eyes[0] - eyes[1]))


def metered(skin: UInt8[ndarray, "s s 4"], seen: UInt8[ndarray, "t t 3"]) -> float:
    """Gain of the light of a portrait for another person's skin, by what cameras' meters and
    photographers make up for."""
    bright, before = (
        (texture[window_of(texture.shape[0])][..., :3] / 255.0).mean() for texture in (skin, seen)
    )
    return float((before / bright) ** (2.2 * METERED))


def developed(image: Float32[ndarray, "s s 4"]) -> Float32[ndarray, "s s 4"]:
    """Through a camera's tone curve, which keeps black, middle grey and white (sRGB): half of it on
    the channels, which saturates colours, half on their mean."""
    rgb = image[..., :3]
    mean = rgb.mean(2, keepdims=True)
    each, all_ = (x - CONTRAST / (2.0 * np.pi) * np.sin(2.0 * np.pi * x) for x in (rgb, mean))
    curved = 0.5 * (each + rgb * all_ / np.maximum(mean, 1e-3))
    return np.concatenate([np.clip(curved, 0.0, 1.0), image[..., 3:]], axis=2)


def as_soft(image: UInt8[ndarray, "s s 4"], photo: Photo) -> UInt8[ndarray, "s s 4"]:
    """The image at the resolution that the photo has in the crop."""
    scale = float(np.hypot(*photo.crop_from_image[:2, 0])) / photo.crop.shape[0]
    side = round(1.0 / scale)
    if side >= image.shape[0]:
        return image
    small = Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(small.resize((image.shape[1], image.shape[0]), Image.Resampling.BICUBIC))


def shifted(camera: Camera, points: Float[ndarray, "L 3"], pixels: Float[ndarray, "L 2"]) -> Camera:
    """The camera moved so that points are seen at pixels (in shares of the image), by linear least
    squares: a projection times its depth is linear in the translation."""
    turn, K = camera.T_world_cam[:3, :3], camera.intrinsics
    rays = (pixels - K[:2, 2]) / np.diag(K)[:2]
    seen = points @ turn
    left = np.concatenate(
        [
            np.column_stack(
                [np.ones(len(rays)) * (k == 0), np.ones(len(rays)) * (k == 1), -rays[:, k]]
            )
            for k in (0, 1)
        ]
    )
    right = np.concatenate([rays[:, k] * seen[:, 2] - seen[:, k] for k in (0, 1)])
    moved = np.linalg.lstsq(left, right, rcond=None)[0]
    T = camera.T_world_cam.copy()
    T[:3, 3] = -turn @ moved
    return Camera(T, K)


def finished(image: UInt8[ndarray, "s s 3"], size: int) -> UInt8[ndarray, "n n 3"]:
    """The thumbnail, through JPEG."""
    small = Image.fromarray(image).resize((size, size), Image.Resampling.BOX)
    with io.BytesIO() as file:
        small.save(file, "JPEG", quality=QUALITY)
        return np.asarray(Image.open(file).convert("RGB"))


def numbered(images: list[UInt8[ndarray, "n n 3"]], columns: int) -> UInt8[ndarray, "h w 3"]:
    """A grid with a number under each image, from 1."""
    size, strip, gap = images[0].shape[0], 16, 6
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * (size + gap), rows * (size + strip + gap)), "white")
    draw = ImageDraw.Draw(sheet)
    for k, image in enumerate(images):
        x, y = k % columns * (size + gap), k // columns * (size + strip + gap)
        sheet.paste(Image.fromarray(image), (x, y))
        draw.text((x + size // 2 - 6, y + size + 2), str(k + 1), fill="black")
    return np.asarray(sheet)


if __name__ == "__main__":
    tyro.cli(main)
