"""Reading images as they come and writing results whole or not at all.

Every image becomes (H, W, 3) uint8, sRGB, upright. Every writer goes through `atomic_path` or
`staged_folder`: the data are written under another name, synced, then renamed, so that a file is
either complete or absent. What goes wrong raises `PhotoError` or `OutputError`, in one sentence.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from portraiture.errors import OutputError, PhotoError, ReaderError
from portraiture.paths import (
    cannot_write,
    check_file,
    check_folder,
    check_name,
    create_partial,
    reason,
    refuse_existing,
)
from portraiture.pixels import check_size, image_pixels, too_large
from portraiture.quiet import warnings_off
from portraiture.types import as_uint8

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
VIDEO_SUFFIXES = (".mp4", ".webp")

# Raster formats that Pillow decodes by itself. Not EPS, PDF or others that run a program.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "TGA")
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")


def read_image(path: Path | str) -> UInt8[ndarray, "h w 3"]:
    """The image at `path`: (H, W, 3) uint8, sRGB, upright.

    EXIF orientation is applied. Greyscale, palette, CMYK, 16-bit and floating-point images are
    converted; an embedded ICC profile is converted to sRGB; transparent pixels are laid over
    white, as on a page; of an animation or a multi-page file the first image is taken. HEIC
    needs the ``heic`` extra (pillow-heif).

    Raises PhotoError, with one sentence for the user, when the file is missing, a folder, empty,
    not an image, damaged or cut short, under `pixels.MIN_SIDE` or over `pixels.MAX_PIXELS`.
    """
    path = Path(path)
    with _open(path) as file, warnings_off():  # Pillow's, of odd metadata and large sizes
        formats = _formats_for(path, file.read(12))
        file.seek(0)
        try:
            picture = Image.open(file, formats=formats)
        except Image.DecompressionBombError as error:
            raise PhotoError(too_large(path.name)) from error
        except Exception as error:
            message = f"{path.name} is not a picture that can be read; use a JPEG, PNG or WebP."
            raise PhotoError(message) from error
        check_size(path.name, *picture.size)
        try:
            picture.seek(0)
            return image_pixels(picture)
        except Exception as error:
            message = f"{path.name} is damaged or cut short; export or download it again."
            raise PhotoError(message) from error


def _open(path: Path) -> BinaryIO:
    check_name(path, PhotoError)
    try:
        if path.is_dir():
            raise PhotoError(f"{path} is a folder; give the photo itself.")
        if not path.exists():
            raise PhotoError(f"There is no file {path}; check the name.")
        if not path.is_file():
            raise PhotoError(f"{path} is not an ordinary file; save the photo to one first.")
        if path.stat().st_size == 0:
            raise PhotoError(f"{path.name} is empty; export or download it again.")
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise PhotoError(f"{path} cannot be read: {reason(error)}.") from error


def _formats_for(path: Path, head: bytes) -> tuple[str, ...]:
    """Pillow's decoders to try, given the first 12 bytes. Raises PhotoError without pillow-heif."""
    if head[4:8] != b"ftyp" or head[8:12] not in _HEIF_BRANDS:
        return _FORMATS
    try:
        import pillow_heif  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ReaderError(
            f"{path.name} is a HEIC photo; install its reader with "
            'pip install "portraiture[heic]" or convert it to JPEG.'
        ) from error
    pillow_heif.register_heif_opener()
    return (*_FORMATS, "HEIF")


def write_image(path: Path | str, image: ndarray) -> None:
    """Write `image` as PNG, JPEG or WebP, by the suffix of `path`; an existing file is replaced.

    image: (H, W), (H, W, 3) or (H, W, 4), uint8 or float in [0, 1], sRGB. JPEG has no alpha: it
    is laid over white. Raises OutputError, on another suffix too; ValueError on another shape.
    """
    path, pixels = Path(path), as_uint8(np.asarray(image))
    check_file(path, IMAGE_SUFFIXES)
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))):
        raise ValueError(f"an image is (H, W), (H, W, 3) or (H, W, 4), not {pixels.shape}")
    picture = Image.fromarray(pixels)
    with atomic_path(path) as partial:
        match path.suffix.lower():
            case ".png":
                picture.save(partial, "PNG")
            case ".webp":
                picture.save(partial, "WEBP", quality=92, method=4)
            case _:
                Image.fromarray(image_pixels(picture)).save(
                    partial, "JPEG", quality=93, subsampling=0
                )


def write_video(
    path: Path | str, frames: Iterable[UInt8[ndarray, "h w 3"]], fps: float = 30.0
) -> None:
    """Write `frames` as MP4 (H.264, yuv420p: plays everywhere) or animated WebP, by the suffix.

    frames: (H, W, 3) uint8 or float in [0, 1], all of one size, consumed one at a time. MP4 needs
    even sides: an odd one is extended by repeating its last line. fps: frames a second.
    Raises OutputError, on another suffix too and before the first frame; ValueError on no frames.
    """
    path, iterator = Path(path), iter(frames)
    check_file(path, VIDEO_SUFFIXES)
    first = next(iterator, None)
    if first is None:
        raise ValueError("a video needs at least one frame")
    pixels = (as_uint8(np.asarray(frame)) for frame in chain([first], iterator))
    with atomic_path(path) as partial:
        match path.suffix.lower():
            case ".mp4":
                _write_mp4(partial, pixels, fps)
            case _:
                pictures = (Image.fromarray(frame) for frame in pixels)
                next(pictures).save(
                    partial, "WEBP", save_all=True, append_images=pictures,
                    duration=round(1000 / fps), loop=0, quality=85, method=4,
                )  # fmt: skip


def _write_mp4(path: Path, frames: Iterator[UInt8[ndarray, "h w 3"]], fps: float) -> None:
    import av
    from av.video.reformatter import ColorRange, Colorspace

    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = None
        for frame in frames:
            frame = np.pad(
                frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), "edge"
            )
            if stream is None:
                stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.options = {"crf": "18", "preset": "medium"}
                stream.codec_context.colorspace = Colorspace.ITU709
                stream.codec_context.color_range = ColorRange.MPEG
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture = picture.reformat(
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
            )
            container.mux(stream.encode(picture))
        if stream is not None:
            container.mux(stream.encode())


def _sync(path: Path, mode: int | None = None) -> None:
    """Flush one file, or a folder's entries, to the disk. mode: permissions to give it first."""
    if mode is not None:
        path.chmod(mode)
    if path.is_dir() and os.name == "nt":
        return  # Windows has no handle for a folder
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A name beside `path` to write to; it becomes `path` when the block ends well.

    The temporary name keeps the suffix, and the file gets the permissions of the umask, whoever
    writes it. On any exception the partial file is removed and what was at `path` stays. Raises
    OutputError before the block when `path` cannot be written, and for an OSError inside.
    """
    path = Path(path)
    partial = create_partial(path)
    try:
        mode = partial.stat().st_mode & 0o777
        yield partial
        _sync(partial, mode)
        partial.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


@contextmanager
def staged_folder(
    out: Path | str, names: Sequence[str], *, overwrite: bool = False
) -> Iterator[Path]:
    """A temporary folder for the files `names`; all of them move into `out` together at the end.

    Raises OutputError at once, before any work, if `out` is a file, cannot be written, or holds
    one of `names` and not `overwrite`. The block must write every name. When it ends well, a new
    `out` appears by one rename; into an existing `out` the files are renamed one by one, and a
    failure puts back what was there. When it raises, nothing is left behind.

    The temporary folder lies beside a new `out` and, hidden, inside an existing one, which may
    be a mount of its own.
    """
    out = Path(out)
    check_folder(out, names, overwrite=overwrite)
    fresh = not out.exists()
    token = f".portraiture-{secrets.token_hex(4)}.partial"
    stage = (out.parent if fresh else out) / token
    made = [folder for folder in out.parents if not folder.exists()]
    try:
        try:
            stage.mkdir(parents=True)
            yield stage
            mode = stage.stat().st_mode & 0o666
            for name in names:
                _sync(stage / name, mode)
            refuse_existing(out, names, overwrite=overwrite)
            if fresh and not out.exists():
                stage.rename(out)
            else:
                _move_into(stage, out, names)
            _sync(out)
            made = []
        except OSError as error:
            raise cannot_write(out, error) from error
        except OutputError as error:
            raise OutputError(str(error).replace(str(stage), str(out))) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


def _move_into(stage: Path, out: Path, names: Sequence[str]) -> None:
    """Rename the staged files into `out`; undo every rename if one fails."""
    kept = stage / "kept"
    kept.mkdir()
    moved: list[str] = []
    try:
        for name in names:
            if os.path.lexists(out / name):
                (out / name).rename(kept / name)
            moved.append(name)
            (stage / name).rename(out / name)
    except BaseException:
        for name in moved:
            with suppress(OSError):
                if os.path.lexists(kept / name):
                    (kept / name).replace(out / name)
                else:
                    (out / name).unlink(missing_ok=True)
        raise
