"""Every odd image is read as what it shows, every bad one refused in a sentence, and files
appear whole or not at all."""

from __future__ import annotations

import errno
import importlib.util
import io
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace
from PIL import Image, ImageCms

from portraiture import media
from portraiture.errors import OutputError, PhotoError
from portraiture.media import atomic_path, read_image, staged_folder, write_image, write_video

SIZE = (48, 32)  # width, height


def corners() -> Image.Image:
    """An image that tells every orientation: red, green, blue, grey quarters."""
    pixels = np.empty((SIZE[1], SIZE[0], 3), np.uint8)
    h, w = SIZE[1] // 2, SIZE[0] // 2
    pixels[:h, :w], pixels[:h, w:] = (220, 30, 30), (30, 200, 40)
    pixels[h:, :w], pixels[h:, w:] = (40, 50, 210), (128, 128, 128)
    return Image.fromarray(pixels)


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_sentence(message: str) -> None:
    assert message[0].isupper() or message[0] in "/." or message.split()[0].count(".")
    assert message.endswith(".")
    assert "\n" not in message and "Traceback" not in message and "Error" not in message


def refused(path: Path) -> str:
    with pytest.raises(PhotoError) as caught:
        read_image(path)
    assert_sentence(str(caught.value))
    return str(caught.value)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_exif_orientations_give_the_same_image(tmp_path: Path, orientation: int) -> None:
    undo = {  # how a camera held that way stores the upright image
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = corners().transpose(undo[orientation]) if orientation > 1 else corners()
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "photo.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "photo.png"), np.asarray(corners()))


def test_damaged_exif_counts_as_none(tmp_path: Path) -> None:
    corners().save(tmp_path / "photo.jpg", quality=95, exif=b"Exif\0\0" + b"MM\0*\xff\xff\xff\xff")
    assert read_image(tmp_path / "photo.jpg").shape == (32, 48, 3)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tiff", ".gif", ".ppm"])
def test_common_formats(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo{suffix}"
    corners().save(path, **({"quality": 95, "subsampling": 0} if suffix == ".jpg" else {}))
    image = read_image(path)
    assert image.dtype == np.uint8 and image.flags.c_contiguous
    assert np.abs(image[[4, 4, 28, 28], [4, 40, 4, 40]].astype(int)
                  - np.asarray(corners())[[4, 4, 28, 28], [4, 40, 4, 40]]).max() <= 12  # fmt: skip


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "RGBA", "LA", "I;16", "I", "F", "YCbCr"])
def test_modes(tmp_path: Path, mode: str) -> None:
    grey = np.asarray(corners().convert("L"))
    suffix = ".tiff"
    match mode:
        case "I;16":
            picture, suffix = Image.fromarray(grey.astype(np.uint16) * 257), ".png"
        case "I":
            picture = Image.fromarray(grey.astype(np.int32) * 257)
        case "F":
            picture = Image.fromarray(grey.astype(np.float32) / 255)
        case "1":
            picture = corners().convert("1", dither=Image.Dither.NONE)
        case "P":
            picture = corners().quantize(4)
        case _:
            picture = corners().convert(mode)
    assert picture.mode == mode
    picture.save(tmp_path / f"photo{suffix}")
    image = read_image(tmp_path / f"photo{suffix}").astype(int)
    if mode == "1":
        expected = np.where(grey > 127, 255, 0)[..., None].repeat(3, 2)
    elif mode in ("L", "LA", "I;16", "I", "F"):
        expected = grey[..., None].repeat(3, 2)
    else:
        expected = np.asarray(corners())
    assert np.abs(image - expected).max() <= 3


def test_16_bit_colour_png(tmp_path: Path) -> None:
    pixels = np.asarray(corners()).astype(">u2") * 257
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(
            ">I", zlib.crc32(name + data)
        )  # fmt: skip

    header = struct.pack(">IIBBBBB", *SIZE, 16, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    assert np.abs(read_image(tmp_path / "photo.png").astype(int) - np.asarray(corners())).max() <= 1


def test_transparency_lies_on_white(tmp_path: Path) -> None:
    picture = corners().convert("RGBA")
    alpha = np.full((SIZE[1], SIZE[0]), 255, np.uint8)
    alpha[:, :24], alpha[:8] = 128, 0
    picture.putalpha(Image.fromarray(alpha))
    picture.save(tmp_path / "photo.png")
    image = read_image(tmp_path / "photo.png").astype(float)
    assert (image[:8] == 255).all()
    expected = np.array([220, 30, 30]) * 128 / 255 + 255 * 127 / 255
    assert np.abs(image[12, 4] - expected).max() <= 1
    assert image[12, 40].tolist() == [30, 200, 40]


def test_transparent_palette(tmp_path: Path) -> None:
    picture = Image.new("P", SIZE, 1)
    picture.putpalette([0, 0, 0, 10, 20, 30])
    picture.paste(0, (0, 0, 10, 32))
    picture.save(tmp_path / "photo.gif", transparency=0)
    image = read_image(tmp_path / "photo.gif")
    assert image[5, 5].tolist() == [255, 255, 255] and image[5, 30].tolist() == [10, 20, 30]


def test_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", SIZE, colour) for colour in ("red", "lime", "blue")]
    frames[0].save(tmp_path / "photo.gif", save_all=True, append_images=frames[1:], duration=50)
    assert read_image(tmp_path / "photo.gif")[5, 5].tolist() == [255, 0, 0]


def test_colour_profile_becomes_srgb(tmp_path: Path) -> None:
    """A profile whose red and blue primaries are exchanged exchanges the colours."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    corners().save(tmp_path / "photo.png", icc_profile=bytes(profile))
    image = read_image(tmp_path / "photo.png").astype(int)
    assert np.abs(image - np.asarray(corners()).astype(int)[..., ::-1]).max() <= 4


def test_unusable_profile_is_ignored(tmp_path: Path) -> None:
    corners().save(tmp_path / "photo.png", icc_profile=b"nothing like a profile")
    assert np.array_equal(read_image(tmp_path / "photo.png"), np.asarray(corners()))


def test_refuses_what_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("this is not a picture")
    (tmp_path / "page.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    assert "no file" in refused(tmp_path / "missing.jpg")
    assert "folder" in refused(tmp_path)
    assert "empty" in refused(tmp_path / "empty.jpg")
    assert "not a picture" in refused(tmp_path / "text.jpg")
    assert "not a picture" in refused(tmp_path / "page.eps")
    assert "not an ordinary file" in refused(Path(os.devnull))
    assert refused(tmp_path / ("x" * 300))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".gif", ".tiff"])
def test_refuses_truncated_files(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"photo{suffix}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    assert refused(path)


def test_refuses_tiny_images(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    assert "1×1" in refused(tmp_path / "dot.png")


@pytest.mark.parametrize("side", [10_000, 60_000])
def test_refuses_a_decompression_bomb_by_its_header(tmp_path: Path, side: int) -> None:
    """A BMP header that promises more than it holds: nothing must be allocated for it."""
    header = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 0, 0, 0, 54, 40, side, side, 1, 24, *[0] * 6)
    (tmp_path / "bomb.bmp").write_bytes(header + b"\0" * 64)
    assert "megapixels" in refused(tmp_path / "bomb.bmp")


@pytest.mark.skipif(importlib.util.find_spec("pillow_heif") is not None, reason="HEIC is readable")
def test_heic_without_its_reader(tmp_path: Path) -> None:
    (tmp_path / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 64)
    assert "portraiture[heic]" in refused(tmp_path / "photo.heic")


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_write_image(tmp_path: Path, suffix: str) -> None:
    pixels = np.asarray(corners().resize((96, 64), Image.Resampling.NEAREST))
    path = tmp_path / f"out{suffix}"
    write_image(path, pixels / 255.0)
    assert np.abs(read_image(path)[8::16, 8::16].astype(int) - pixels[8::16, 8::16]).max() <= 12
    assert listed(tmp_path) == [path.name]


def test_write_image_refuses_odd_input(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.jpeg or \.webp"):
        write_image(tmp_path / "out.xyz", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="an image is"):
        write_image(tmp_path / "out.png", np.zeros((4, 4, 2), np.uint8))
    assert listed(tmp_path) == []


def colours(count: int) -> Iterator[np.ndarray]:
    for k in range(count):
        yield np.full((33, 47, 3), (200, 20 + 20 * k, 60), np.uint8)


def test_write_mp4(tmp_path: Path) -> None:
    write_video(tmp_path / "out.mp4", colours(7), 24)
    data = (tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # plays while it loads
    with av.open(str(tmp_path / "out.mp4")) as video:
        stream = video.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height, stream.average_rate) == (48, 34, 24)
        frames = [
            frame.reformat(format="rgb24", src_colorspace=Colorspace.ITU709).to_ndarray()
            for frame in video.decode(stream)
        ]
    assert len(frames) == 7
    for frame, sent in zip(frames, colours(7), strict=True):
        assert np.abs(frame[16, 20].astype(int) - sent[16, 20]).max() <= 6


def test_write_animated_webp(tmp_path: Path) -> None:
    write_video(tmp_path / "out.webp", colours(5), 10)
    with Image.open(tmp_path / "out.webp") as animation:
        assert animation.n_frames == 5 and animation.size == (47, 33)
        animation.seek(3)
        assert np.abs(np.asarray(animation.convert("RGB"))[16, 20] - (200.0, 80, 60)).max() <= 8


def test_write_video_refuses_odd_input(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one"):
        write_video(tmp_path / "out.mp4", [])
    with pytest.raises(OutputError, match=r"\.mp4 or \.webp"):
        write_video(tmp_path / "out.avi", colours(2))
    assert listed(tmp_path) == []


def test_atomic_path_replaces_only_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.write_text("old")
    with atomic_path(target) as partial:
        partial.write_text("new")
        assert target.read_text() == "old" and partial.suffix == ".txt"
    assert target.read_text() == "new"
    with pytest.raises(KeyboardInterrupt), atomic_path(target) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "new" and listed(tmp_path) == ["out.txt"]


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "permission")],
)
def test_failing_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    def fail(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(media.os, "fsync", fail)
    for write in (
        lambda: write_image(tmp_path / "out.png", np.zeros((8, 8, 3), np.uint8)),
        lambda: write_video(tmp_path / "out.mp4", colours(2)),
    ):
        with pytest.raises(OutputError, match=words) as caught:
            write()
        assert_sentence(str(caught.value))
    assert listed(tmp_path) == []


def test_missing_folder_and_folder_as_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        write_image(tmp_path / "none" / "out.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(OutputError, match="is a folder"):
        write_image(tmp_path, np.zeros((8, 8, 3), np.uint8))


NAMES = ("a.txt", "b.txt")


def fill(folder: Path, text: str) -> None:
    for name in NAMES:
        (folder / name).write_text(text)


@pytest.mark.parametrize("exists", [True, False])
def test_staged_folder_shows_all_or_nothing(tmp_path: Path, exists: bool) -> None:
    out = tmp_path / "deep" / "er" / "out"
    if exists:
        out.mkdir(parents=True)
        (out / "mine.txt").write_text("kept")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RuntimeError), staged_folder(out, NAMES) as stage:
        (stage / "a.txt").write_text("new")
        raise RuntimeError
    assert sorted(tmp_path.rglob("*")) == before
    with staged_folder(out, NAMES) as stage:
        fill(stage, "new")
        assert not (out / "a.txt").exists()
    assert {path.name for path in out.iterdir()} == {*NAMES, *(["mine.txt"] if exists else [])}
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_staged_folder_keeps_what_exists(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("old")
    with pytest.raises(OutputError, match="--overwrite"), staged_folder(tmp_path, NAMES):
        pytest.fail("the work must not start")
    with staged_folder(tmp_path, NAMES, overwrite=True) as stage:
        fill(stage, "new")
    assert listed(tmp_path) == list(NAMES)
    assert (tmp_path / "b.txt").read_text() == "new"
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file"), staged_folder(tmp_path / "file", NAMES):
        pass


def test_staged_folder_notices_a_name_taken_meanwhile(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(OutputError, match="exists"), staged_folder(out, NAMES) as stage:
        fill(stage, "new")
        out.mkdir()
        (out / "a.txt").write_text("somebody else's")
    assert listed(tmp_path) == ["out"] and listed(out) == ["a.txt"]


def test_staged_folder_puts_back_when_a_move_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "old")
    rename = Path.rename

    def fail_at_b(self: Path, target: Path) -> Path:
        if self.name == "b.txt" and target.parent == tmp_path:
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_at_b)
    with (
        pytest.raises(OutputError, match="input/output"),
        staged_folder(tmp_path, NAMES, overwrite=True) as stage,
    ):
        fill(stage, "new")
    assert listed(tmp_path) == list(NAMES)
    assert all((tmp_path / name).read_text() == "old" for name in NAMES)


def test_staged_folder_names_the_users_folder_in_errors(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(OutputError) as caught, staged_folder(out, NAMES) as stage:
        write_image(stage / "none" / "a.png", np.zeros((8, 8, 3), np.uint8))
    assert str(out) in str(caught.value) and "partial" not in str(caught.value)
    assert listed(tmp_path) == []


def test_jpeg_of_an_image_with_alpha_lies_on_white(tmp_path: Path) -> None:
    write_image(tmp_path / "out.jpg", np.zeros((16, 16, 4), np.uint8))
    assert (read_image(tmp_path / "out.jpg") >= 254).all()


def test_reading_keeps_no_handle(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    corners().save(buffer, "PNG")
    path = tmp_path / "photo.png"
    path.write_bytes(buffer.getvalue())
    read_image(path)
    path.unlink()  # fails on Windows while a handle is open
    assert not path.exists()
