"""Pixels of every dtype and mode mean the same image, and what means nothing is refused in a
sentence."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from portraiture.errors import PhotoError
from portraiture.pixels import array_pixels, reduced, source_pixels

BYTES = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
BYTES[0, 0], BYTES[0, 1] = 0, 255


@pytest.mark.parametrize(
    "array",
    [
        BYTES,
        BYTES / 255.0,
        (BYTES / 255.0).astype(np.float16),
        (BYTES / 255.0).astype(np.float32) * 1.1 - 0.05,
        BYTES.astype(np.float32),
        BYTES.astype(np.float64),
        BYTES.astype(np.int64),
        BYTES.astype(np.int16),
        BYTES.astype(np.uint16),
        BYTES.astype(np.uint16) * 257,
        np.asfortranarray(BYTES),
        np.concatenate([BYTES, np.full((40, 30, 1), 255, np.uint8)], axis=2),
        Image.fromarray(BYTES),
        Image.fromarray(BYTES).convert("RGBA"),
    ],
    ids=lambda a: f"{getattr(a, 'dtype', 'pillow')}",
)
def test_every_dtype_is_the_same_image(array: object) -> None:
    found = source_pixels(array)
    assert found.dtype == np.uint8 and found.shape == BYTES.shape and found.flags.c_contiguous
    shrunk = isinstance(array, np.ndarray) and array.dtype == np.float32 and array.min() < 0
    assert np.abs(found.astype(int) - BYTES).max() <= (14 if shrunk else 1)


@pytest.mark.parametrize("shape", [(40, 30), (40, 30, 1)])
def test_grey_arrays(shape: tuple[int, ...]) -> None:
    grey = BYTES[..., :1].reshape(shape)
    assert np.array_equal(source_pixels(grey), BYTES[..., :1].repeat(3, 2))


def test_alpha_lies_over_white() -> None:
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels[:10, :, 3] = 255
    pixels[10:, :, 3] = 51
    found = source_pixels(pixels)
    assert (found[:10] == 0).all() and (found[10:] == 204).all()
    assert np.array_equal(source_pixels(pixels / 255.0), found)


def test_many_bands_are_one_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portraiture.pixels.BAND_PIXELS", 70)
    for source in (BYTES / 255.0, Image.fromarray(BYTES), Image.fromarray(BYTES).convert("CMYK")):
        assert np.abs(source_pixels(source).astype(int) - BYTES).max() <= 1
    turned = Image.fromarray(np.rot90(BYTES).copy())
    turned.getexif()[0x0112] = 6
    assert np.array_equal(source_pixels(turned), BYTES)
    deep = Image.fromarray(BYTES[..., 0].astype(np.int32) * 257)
    assert np.array_equal(source_pixels(deep), BYTES[..., :1].repeat(3, 2))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (BYTES / 127.5 - 1.0, "from -1 to 1"),
        (BYTES * 10.0, "from 0 to 2550"),
        (BYTES / 25.5, "from 0 to 10"),
        (BYTES.astype(np.int64) - 9, "from -9 to 246"),
        (BYTES.astype(np.int64) * 257, "from 0 to 65535"),
        (np.where(BYTES > 250, np.nan, BYTES), "missing"),
        (np.where(BYTES > 250, np.inf, BYTES), "infinite"),
        (BYTES > 100, "type bool"),
        (BYTES.astype(complex), "type complex128"),
        (np.moveaxis(BYTES, 2, 0), "channels last"),
        (BYTES[None], "channels last"),
        (BYTES[:8], "30×8 pixels"),
        (np.broadcast_to(np.uint8(0), (10_000, 10_000, 3)), "80 megapixels"),
        (Image.new("RGB", (4, 4)), "4×4 pixels"),
        ([[0, 1], [2, 3]], "not a list"),
        (None, "not a NoneType"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_means_nothing_is_refused_in_a_sentence(source: object, words: str) -> None:
    with pytest.raises(PhotoError, match=words) as caught:
        source_pixels(source)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_reduced_keeps_the_mean_and_the_place() -> None:
    ramp = np.linspace(0, 255, 400)[None, :, None].repeat(300, 0).repeat(3, 2)
    small = reduced(array_pixels(ramp), 4.0)
    assert small.shape == (75, 100, 3)
    expected = np.interp(np.arange(100) * 4 + 1.5, np.arange(400), ramp[0, :, 0])
    assert np.abs(small[40, 2:-2, 0] - expected[2:-2]).max() < 1.5
    assert reduced(BYTES, 0.5) is BYTES
