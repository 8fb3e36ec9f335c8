"""Foreign checkpoints → safetensors and a JSON card, without running anything in them.

file ─kind by its first bytes─▶ inert values ─which network?─▶ rename, account ─▶ model + card
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portraiture.convert.account import Converted, children
from portraiture.convert.directions import NPY_START, from_direction, from_npy
from portraiture.convert.eg3d import from_eg3d
from portraiture.convert.goae import from_goae, is_goae
from portraiture.convert.liftedgan import from_liftedgan
from portraiture.convert.refusal import RefusalError
from portraiture.convert.stylegan2 import from_ada, from_rosinality
from portraiture.convert.torch_file import LEGACY_START, ZIP_START, read_torch, storage_of
from portraiture.convert.unpickle import Module, Record, read_pickle, view_of
from portraiture.errors import ConversionError
from portraiture.paths import check_file, check_folder, check_name
from portraiture.weights import CARD, WEIGHTS, Card, ModelName, write_weights

MAX_BYTES = 8_000_000_000
LICENCE = "unknown: that of the source file, which does not say; look where you found it"


@dataclass(frozen=True)
class ConversionReport:
    """source, sha256: the file read. model: what it held. files: written. tensors: kept, of which
    `renamed` got other names. dropped: names of what was left out."""

    source: Path
    sha256: str
    model: ModelName
    files: tuple[Path, ...]
    tensors: int
    renamed: int
    dropped: tuple[str, ...]

    def summary(self) -> str:
        """A line or two for people."""
        lines = f"{self.source.name}: {self.model}, {self.tensors} tensors"
        lines += f" ({self.renamed} renamed)" if self.renamed else ""
        return lines + (f"\nLeft out: {', '.join(self.dropped)}" if self.dropped else "")


def convert_file(
    source: Path | str, out: Path | str, *, overwrite: bool = False
) -> ConversionReport:
    """Convert one checkpoint.

    source: EG3D or StyleGAN2-ADA .pkl, rosinality .pt, LiftedGAN .pth, GOAE .pt, or an editing
    direction (.npy, .pt, or one called the other). out: a folder for `model.safetensors` and
    `config.json`, or a file named .safetensors that holds both. Nothing in `source` is executed:
    see `unpickle`.

    Raises ConversionError, one sentence, if the file is damaged, unknown, asks for anything but
    data, or has a tensor that is not accounted for; OutputError if `out` cannot be written.
    """
    source, out = Path(source), Path(out)
    if out.suffix == ".safetensors":
        check_file(out, overwrite=overwrite)
    else:
        check_folder(out, (WEIGHTS, CARD), overwrite=overwrite)
    data = _read(source)
    digest = hashlib.sha256(data).hexdigest()
    try:
        converted = read_foreign(data)
    except RefusalError as reason:
        raise ConversionError(f"{source} cannot be converted: {reason}.") from reason
    card = Card(
        model=converted.model,
        config=converted.config,
        licence=LICENCE,
        source={
            "file": source.name,
            "sha256": digest,
            "dropped": list(converted.dropped),
            "unused": converted.unused,
        },
    )
    files = write_weights(out, converted.tensors, card, overwrite=overwrite)
    return ConversionReport(
        source, digest, converted.model, files,
        len(converted.tensors), converted.renamed, converted.dropped,
    )  # fmt: skip


def read_foreign(data: bytes) -> Converted:
    """What a foreign file's bytes hold. Raises RefusalError."""
    if data.startswith(NPY_START):
        return from_npy(data)
    if data.startswith((ZIP_START, LEGACY_START)):
        return _recognise(read_torch(data))
    if data.startswith(b"\x80"):
        root, end = read_pickle(data, load_bytes=storage_of)
        if end != len(data):
            raise RefusalError(f"it goes on for {len(data) - end:,} bytes after its end")
        return _recognise(root)
    raise RefusalError("it is neither a pickle nor a file of torch or numpy")


def _recognise(root: Any) -> Converted:
    view = view_of(root)
    if view is not None:
        return from_direction(view)
    if isinstance(root, Module | Record):
        root = {"G_ema": root}
    if isinstance(root, dict):
        generator = root.get("G_ema")
        if isinstance(generator, Module | Record):
            parts = children(generator)
            if {"backbone", "superresolution", "decoder"} <= parts:
                return from_eg3d(root, generator)
            if {"mapping", "synthesis"} <= parts:
                return from_ada(root, generator)
        elif isinstance(root.get("g_ema"), dict):
            return from_rosinality(root)
        elif isinstance(root.get("netD"), dict):
            return from_liftedgan(root)
        elif is_goae(root):
            return from_goae(root)
    raise RefusalError(
        "it holds no network that can be converted (EG3D, StyleGAN2-ADA, rosinality's StyleGAN2,"
        " LiftedGAN, GOAE or an editing direction)"
    )


def _read(source: Path) -> bytes:
    check_name(source, ConversionError)
    try:
        if source.is_dir():
            raise ConversionError(f"{source} is a folder; give the checkpoint file in it.")
        size = source.stat().st_size
        if size > MAX_BYTES:
            raise ConversionError(f"{source} is larger than {MAX_BYTES:,} bytes.")
        return source.read_bytes()
    except OSError as error:
        raise ConversionError(f"{source} cannot be read: {error.strerror}.") from error
