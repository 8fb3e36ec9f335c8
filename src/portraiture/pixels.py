"""Pixels as they come, as (H, W, 3) uint8 sRGB: Pillow images of every mode, arrays of every dtype.

Both are converted in bands of rows, so that a photo of 80 megapixels needs little more memory than
its pixels.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageCms

from portraiture.errors import PhotoError

MAX_PIXELS = 80_000_000
"""Larger images are refused; files by their header, before anything is decoded."""

MIN_SIDE = 16
"""Pixels; an image with a shorter side holds no usable face."""

BAND_PIXELS = 2_000_000
_ORIENTATION = 0x0112  # EXIF tag

FLOAT_UNIT, FLOAT_BYTE = 2.0, 32.0
"""Floats up to the first are in [0, 1] with some overshoot, from the second on in 0 to 255."""


def image_pixels(picture: Image.Image) -> UInt8[ndarray, "h w 3"]:
    """The pixels of a Pillow image of any mode, upright, in sRGB, transparency over white.

    EXIF orientation and an embedded ICC profile are applied; unreadable ones count as none. Raises
    what Pillow raises where the file behind `picture` is damaged.
    """
    picture.load()
    profile = picture.info.get("icc_profile")
    full = _full_scale(picture) if picture.mode.startswith(("I", "F")) else 255.0
    orientation = _orientation(picture)
    width, height = picture.size
    shape = (width, height, 3) if orientation >= 5 else (height, width, 3)
    pixels = np.empty(shape, np.uint8)
    stored = _as_stored(pixels, orientation)
    for top, band in _bands(picture):
        stored[top : top + band.height] = np.asarray(_to_srgb(band, profile, full))
    return pixels


def _bands(picture: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Row and image of consecutive horizontal bands of about `BAND_PIXELS`."""
    width, height = picture.size
    rows = max(BAND_PIXELS // width, 1)
    for top in range(0, height, rows):
        yield top, picture.crop((0, top, width, min(top + rows, height)))


def _orientation(picture: Image.Image) -> int:
    """EXIF orientation, 1 to 8; unreadable EXIF counts as none."""
    try:
        orientation = picture.getexif().get(_ORIENTATION, 1)
    except Exception:
        return 1
    return orientation if orientation in range(2, 9) else 1


def _as_stored(upright: UInt8[ndarray, "h w 3"], orientation: int) -> UInt8[ndarray, "a b 3"]:
    """A view of the upright pixels in the order in which the file holds them (EXIF 2.3, 4.6.4)."""
    match orientation:
        case 2:
            return upright[:, ::-1]
        case 3:
            return upright[::-1, ::-1]
        case 4:
            return upright[::-1]
        case 5:
            return upright.transpose(1, 0, 2)
        case 6:
            return np.rot90(upright)
        case 7:
            return upright[::-1, ::-1].transpose(1, 0, 2)
        case 8:
            return np.rot90(upright, -1)
        case _:
            return upright


def _to_srgb(picture: Image.Image, profile: bytes | None, full: float) -> Image.Image:
    """Any mode to RGB in sRGB, transparency over white. full: white's value in modes I and F."""
    if picture.mode.startswith(("I", "F")):
        picture = _to_8_bit(picture, full)
    if picture.mode in ("RGBa", "La"):  # premultiplied
        picture = picture.convert("RGBA")
    if picture.mode == "LAB":
        profile = profile or ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    if picture.mode in ("P", "PA"):
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    elif "transparency" in picture.info and picture.mode in ("1", "L", "RGB"):
        picture = picture.convert("RGBA")
    alpha = picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None
    if picture.mode in ("RGBA", "RGBX"):
        picture = picture.convert("RGB")
    elif picture.mode in ("LA", "1"):
        picture = picture.convert("L")
    rgb = (_from_profile(picture, profile) if profile else None) or picture.convert("RGB")
    if alpha is None:
        return rgb
    page = Image.new("RGB", rgb.size, "white")
    page.paste(rgb, mask=alpha)
    return page


def _full_scale(picture: Image.Image) -> float:
    """White's value: of integers the range of 16 bits, or of 32 when they exceed it; of floats 1,
    or their own maximum when it is larger."""
    top = max(float(np.nan_to_num(np.asarray(band)).max(initial=0)) for _, band in _bands(picture))
    if picture.mode.startswith("F"):
        return max(top, 1.0)
    return 65535.0 if top <= 65535 else 4294967295.0


def _to_8_bit(picture: Image.Image, full: float) -> Image.Image:
    """16-bit, 32-bit integer and floating-point greyscale to "L"."""
    values = np.nan_to_num(np.asarray(picture).astype(np.float64))
    return Image.fromarray((np.clip(values / full, 0, 1) * 255 + 0.5).astype(np.uint8))


def _from_profile(picture: Image.Image, profile: bytes) -> Image.Image | None:
    """`picture` converted from its ICC profile to sRGB, or None where the profile is unusable."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(
            picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def array_pixels(array: ndarray) -> UInt8[ndarray, "h w 3"]:
    """The pixels of an upright sRGB array: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) with alpha,
    which is laid over white.

    Floats are in [0, 1] or 0 to 255, told by their maximum; uint16 uses 16 bits; integers of any
    width in 0 to 255 are bytes. Raises PhotoError for another shape, dtype or range, for infinite
    and missing values.
    """
    array = array[..., None] if array.ndim == 2 else array
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise PhotoError(
            f"An array of pixels is (H, W), (H, W, 3) or (H, W, 4), not {array.shape}; "
            "put the channels last."
        )
    check_size("The array", array.shape[1], array.shape[0])
    full = _full_value(array)
    pixels = np.empty((*array.shape[:2], 3), np.uint8)
    rows = max(BAND_PIXELS // array.shape[1], 1)
    for top in range(0, len(array), rows):
        band = array[top : top + rows]
        if band.dtype != np.uint8:
            band = (np.clip(band / full, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
        if band.shape[2] == 4:
            alpha = band[..., 3:].astype(np.float32) / 255.0
            band = (band[..., :3] * alpha + 255.0 * (1.0 - alpha) + 0.5).astype(np.uint8)
        pixels[top : top + rows] = band
    return pixels


def _full_value(array: ndarray) -> float:
    """White's value in an array. Raises PhotoError where it cannot be told."""
    if array.dtype.kind not in "uif":
        raise PhotoError(f"Pixels of type {array.dtype} have no meaning; use uint8 or float.")
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():
        raise PhotoError("The array holds infinite or missing values; replace them first.")
    if array.dtype.kind == "f":
        full = 1.0 if high <= FLOAT_UNIT else 255.0
        known = low >= -0.1 * full and (high <= FLOAT_UNIT or FLOAT_BYTE <= high <= 256.0)
    else:
        full = 255.0 if high <= 255.0 else 65535.0
        known = low >= 0.0 and (high <= 255.0 or array.dtype == np.uint16)
    if not known:
        raise PhotoError(
            f"The array's values go from {low:g} to {high:g}; "
            "scale them to [0, 1] as floats or to 0…255 as uint8."
        )
    return full


def check_size(name: str, width: int, height: int) -> None:
    """Raises PhotoError for an image under `MIN_SIDE` or over `MAX_PIXELS`."""
    if width * height > MAX_PIXELS:
        raise PhotoError(too_large(name))
    if min(width, height) < MIN_SIDE:
        raise PhotoError(
            f"{name} is only {width}×{height} pixels; use a photo in which the face is "
            "at least 64 pixels tall."
        )


def too_large(name: str) -> str:
    """The sentence about an image over `MAX_PIXELS`."""
    return f"{name} has over {MAX_PIXELS // 1_000_000} megapixels; make it smaller first."


def source_pixels(source: object) -> UInt8[ndarray, "h w 3"]:
    """The pixels of an array, of anything that converts to one, or of a Pillow image.

    Raises PhotoError for what cannot be used.
    """
    if isinstance(source, Image.Image):
        check_size("The picture", *source.size)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata
            try:
                return image_pixels(source)
            except Exception as error:
                raise PhotoError("The picture is damaged or cut short; load it again.") from error
    if not hasattr(source, "__array__"):
        kind = type(source).__name__
        raise PhotoError(f"A photo is a path, an array or a Pillow image, not a {kind}.")
    return array_pixels(np.asarray(source))


def squared(image: UInt8[ndarray, "n n 3"], side: int | None) -> UInt8[ndarray, "m m 3"]:
    """A square image with `side` pixels a side, or as it is."""
    if side is None or side == len(image):
        return image
    return resized(image, (side, side))


def block_means(image: UInt8[ndarray, "h w 3"], step: int) -> UInt8[ndarray, "a b 3"]:
    """Means over blocks of `step`×`step` pixels; at the far edges over what is left of a block."""
    rows = step * max(BAND_PIXELS // (image.shape[1] * step), 1)
    bands = (image[top : top + rows] for top in range(0, len(image), rows))
    return np.concatenate([np.asarray(Image.fromarray(band).reduce(step)) for band in bands])


def reduced(image: UInt8[ndarray, "h w 3"], factor: float) -> UInt8[ndarray, "a b 3"]:
    """`image` smaller by `factor` (at least 1), area-averaged and then Lanczos-filtered."""
    if factor <= 1.0:
        return image
    height, width = (max(1, round(side / factor)) for side in image.shape[:2])
    return resized(image, (width, height), Image.Resampling.LANCZOS, gap=3.0)


def resized(
    image: UInt8[ndarray, "h w 3"],
    size: tuple[int, int],
    method: Image.Resampling = Image.Resampling.LANCZOS,
    *,
    gap: float | None = None,
) -> UInt8[ndarray, "a b 3"]:
    """`image` at another size (width, height), channel by channel: Pillow's own copy of all three
    takes four bytes a pixel. gap: `Image.resize`'s reducing_gap."""
    channels = []
    for c in range(image.shape[2]):
        channel = Image.fromarray(np.ascontiguousarray(image[..., c]))
        channels.append(np.asarray(channel.resize(size, method, reducing_gap=gap)))
    return np.stack(channels, axis=-1)
