"""Pairs of a render and the same person edited, with sentences that ask for the edit: what an
instruction-conditioned editor learns from, as InstructPix2Pix from generated pairs.

index ─EditRenderer─▶ EditPair ─▶ edit_00012.npz;  all sentences ─embed─▶ sentences.npz
The renderer and the embedding are handed in: a set may be of any concepts. Rerunning resumes or
extends a folder. Letters: n side of an image, N sentences, D length of a vector.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray
from PIL import Image

from portraiture.errors import DataError
from portraiture.media import atomic_path
from portraiture.people.pack import webp
from portraiture.people.people import claim_folder
from portraiture.processes import in_processes
from portraiture.progress import SILENT, Progress

SENTENCES = "sentences.npz"
MAX_BYTES = 16_000_000
DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True)
class EditPair:
    """before, after: over white, of one camera. sentences: each asks for the edit. concept: its
    name, for tables."""

    before: UInt8[ndarray, "n n 3"]
    after: UInt8[ndarray, "n n 3"]
    sentences: tuple[str, ...]
    concept: str


EditRenderer = Callable[[int, int, int], EditPair]
"""(seed, index, size in pixels) → the pair, independently of all others; a function of a module, so
that other processes can call it."""
Embed = Callable[[Sequence[str]], Any]
"""Sentences → their vectors (N, D), an array or a tensor."""


class _Job(NamedTuple):
    folder: Path
    index: int
    seed: int
    size: int
    render: EditRenderer


def make_edit_pairs(
    folder: Path, indices: Iterable[int], render: EditRenderer, embed: Embed, *, seed: int = 0,
    size: int = 128, workers: int = 1, progress: Progress = SILENT,
) -> None:  # fmt: skip
    """Render the pairs `indices` of a seed into `folder`, skipping existing ones, and embed all
    sentences of the folder. Raises DataError when it holds others, OutputError."""
    if seed < 0 or not 32 <= size <= 1024:
        raise DataError("The seed must be at least 0, the size from 32 to 1024.")
    name = f"{render.__module__}.{getattr(render, '__qualname__', type(render).__qualname__)}"
    claim_folder(folder, {"kind": "edits", "seed": seed, "size": size, "renderer": name})
    wanted = list(indices)
    missing = [k for k in wanted if not edit_path(folder, k).exists()]
    progress.stage("Render pairs", len(wanted))
    progress.step(len(wanted) - len(missing))
    jobs = [_Job(folder, k, seed, size, render) for k in missing]
    in_processes(_make_one, jobs, workers, progress)
    progress.stage("Embed the sentences")
    embed_sentences(folder, embed)


def _make_one(job: _Job) -> int:
    save_edit(job.render(job.seed, job.index, job.size), edit_path(job.folder, job.index))
    return job.index


def edit_path(folder: Path, index: int) -> Path:
    return folder / f"edit_{index:05d}.npz"


def edits_in(folder: Path) -> list[Path]:
    """Files of all pairs in a folder, in order."""
    return sorted(folder.glob("edit_*.npz"))


def save_edit(pair: EditPair, path: Path) -> None:
    """Write one pair atomically; images are slightly lossy, about 6 kB for 128 pixels."""
    images = [webp(pair.before), webp(pair.after)]
    text = "\n".join((pair.concept, *pair.sentences))
    with atomic_path(path) as part, part.open("wb") as file:
        np.savez(
            file,
            images=np.frombuffer(b"".join(images), np.uint8),
            first=np.int64(len(images[0])),
            text=np.frombuffer(text.encode(), np.uint8),
        )


def load_edit(path: Path) -> EditPair:
    """Read a file of `save_edit`. Raises DataError, one sentence, on anything else."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("it is too large")
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            data, first = arrays["images"].tobytes(), int(arrays["first"])
            concept, *sentences = arrays["text"].tobytes().decode().split("\n")
        before, after = (_image(piece) for piece in (data[:first], data[first:]))
        if before.shape != after.shape or before.shape[0] != before.shape[1] or not sentences:
            raise ValueError("its images do not fit together")
    except (*DAMAGED, Image.DecompressionBombError) as error:
        raise DataError(f"{path} is not a pair of images with sentences: {error}.") from error
    return EditPair(before, after, tuple(sentences), concept)


def _image(data: bytes) -> UInt8[ndarray, "n n 3"]:
    with Image.open(io.BytesIO(data), formats=["WEBP"]) as image:
        return np.asarray(image.convert("RGB"))


def embed_sentences(folder: Path, embed: Embed) -> None:
    """Write the vectors of all sentences of a folder's pairs. Raises DataError without any."""
    known: dict[str, None] = {}
    for path in edits_in(folder):
        known |= dict.fromkeys(load_edit(path).sentences)
    if not known:
        raise DataError(f"{folder} holds no edit_*.npz.")
    vectors = np.asarray(embed(list(known)), np.float32)
    with atomic_path(folder / SENTENCES) as part, part.open("wb") as file:
        np.savez(
            file,
            text=np.frombuffer("\n".join(known).encode(), np.uint8),
            vectors=vectors.astype(np.float16),
        )


def load_sentences(folder: Path) -> Mapping[str, Float32[ndarray, "D"]]:
    """The vector of every sentence. Raises DataError."""
    path = folder / SENTENCES
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            names = arrays["text"].tobytes().decode().split("\n")
            vectors = arrays["vectors"].astype(np.float32)
        if vectors.ndim != 2 or len(vectors) != len(names) or not np.isfinite(vectors).all():
            raise ValueError("its vectors do not fit its sentences")
    except DAMAGED as error:
        raise DataError(f"{path} does not hold sentences and their vectors: {error}.") from error
    return dict(zip(names, vectors, strict=True))
