"""Pairs of avatar vectors and images: the exact labels that an engine gives for nothing.

seed, index ─sample_avatar─▶ parameters ─build_bust─┬─ neutral, frontal, studio light ─▶ normal
                                                    └─ expression, pose, any light ─▶ photos
Training data of `parametrize`: AgileAvatar's imitator (Sang et al. 2022, supplement 2.1) learns
vector ▶ normal, the supervised regressor (Wang et al. 2023, SwiftAvatar) photo ▶ vector.
Rerunning resumes or extends a folder. Letters: D `vector_length()`, V photos, n side of an image.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from portraiture.camera import eg3d_orbit
from portraiture.engine.build import build_bust, with_expression
from portraiture.engine.parameters import DISCRETE, AvatarParameters, vector_length
from portraiture.engine.sample import sample_parameters
from portraiture.engine.style.recipes import style_shading
from portraiture.errors import DataError
from portraiture.media import atomic_path
from portraiture.people.people import SETTINGS, claim_folder
from portraiture.people.synthetic import as_annotated, sample_expression
from portraiture.people.views import HeadFrame, View, head_frame, over, render_view
from portraiture.processes import in_processes
from portraiture.progress import SILENT, Progress
from portraiture.render.light import sample_light, studio_light
from portraiture.types import Bust, Segment, Style

TEXTURE_SIZE = 256
MAX_BYTES = 64_000_000
"""Largest file that is read."""
STRANGE = 0.5
"""Share of people some of whose choices do not go together: an imitator has to know every vector,
not people alone (supplement 2.1)."""
CHANGED = 0.4
"""Share of the choices of those people that are taken at random."""
FREE = (
    "hair_length", "hair_volume", "hair_curl", "hair_parting", "hair_line", "hair_fringe",
    "hair_melanin", "hair_redness", "hair_grey", "beard_length", "beard_density", "beard_grey",
    "glasses_size", "glasses_rim", "glasses_tone", "skin_melanin", "brow_thickness",
)  # fmt: skip
"""Continuous parameters of those people that are taken at random."""
YAW, PITCH = (0.14, 0.4), (0.08, 0.25)
"""Standard deviation and maximum of the photos' yaw and pitch, radians."""
LAYOUT: dict[str, tuple[type[np.generic], int]] = {
    "vector": (np.float32, 1), "rgb": (np.uint8, 4), "alpha": (np.uint8, 3),
    "segmentation": (np.uint8, 3),
}  # fmt: skip
"""Type and number of dimensions of each array of a file."""


@dataclass(frozen=True)
class Pair:
    """One avatar. vector: strict. rgb: over white; the first image is the normalised render, V
    photos follow. alpha, segmentation: of the same images."""

    vector: Float32[ndarray, "D"]
    rgb: UInt8[ndarray, "V+1 n n 3"]
    alpha: UInt8[ndarray, "V+1 n n"]
    segmentation: UInt8[ndarray, "V+1 n n"]


@dataclass(frozen=True)
class PairConfig:
    """seed: of all avatars. photos: images of each beside the normalised one. size: their side,
    pixels. style: of the normalised render. Raises DataError on numbers out of range."""

    seed: int = 0
    photos: int = 2
    size: int = 128
    style: Style = "natural"

    def __post_init__(self) -> None:
        if self.seed < 0 or self.photos < 0 or not 32 <= self.size <= 1024:
            raise DataError("The seed and photos must be at least 0, the size from 32 to 1024.")


def make_pairs(
    folder: Path, indices: Iterable[int], config: PairConfig, *, workers: int = 1,
    progress: Progress = SILENT,
) -> None:  # fmt: skip
    """Render the avatars `indices` of a seed into `folder`, skipping existing ones. Raises
    DataError when the folder holds those of other settings, OutputError when it cannot be made."""
    settings: dict[str, Any] = {"kind": "pairs", **vars(config)}
    claim_folder(folder, settings)
    wanted = list(indices)
    missing = [k for k in wanted if not pair_path(folder, k).exists()]
    progress.stage("Render pairs", len(wanted))
    progress.step(len(wanted) - len(missing))
    in_processes(_make_one, [_Job(folder, k, config) for k in missing], workers, progress)


class _Job(NamedTuple):
    folder: Path
    index: int
    config: PairConfig


def _make_one(job: _Job) -> int:
    save_pair(make_pair(job.index, job.config), pair_path(job.folder, job.index))
    return job.index


def make_pair(index: int, config: PairConfig) -> Pair:
    """Sample and render avatar `index`, independently of all others."""
    parameters = sample_avatar(index, seed=config.seed)
    rng = np.random.default_rng([config.seed, index, 2])
    bust = build_bust(parameters, texture_size=TEXTURE_SIZE)
    styled = bust
    if config.style != "natural":
        styled = build_bust(parameters, style=config.style, texture_size=TEXTURE_SIZE)
    views = [normal_view(as_annotated(styled, parameters), size=config.size, style=config.style)]
    frame, bust = head_frame(bust.landmarks), as_annotated(bust, parameters)
    views += [_photo(rng, bust, parameters, frame, config.size) for _ in range(config.photos)]
    return Pair(
        vector=parameters.to_vector().astype(np.float32),
        rgb=np.stack([over(view.rgba, 1.0) for view in views]),
        alpha=np.stack([view.rgba[..., 3] for view in views]),
        segmentation=np.stack([view.segmentation for view in views]),
    )


def normal_view(bust: Bust, *, size: int, style: Style = "natural") -> View:
    """The normalised image of a bust: neutral as built, from the front, under studio light."""
    frame = head_frame(bust.landmarks)
    supersample = 4 if size < 128 else 2
    return render_view(
        bust, frame, eg3d_orbit(0.0, 0.0), size=size, light=studio_light(),
        supersample=supersample, shading=style_shading(style),
    )  # fmt: skip


def photo_view(rng: np.random.Generator, parameters: AvatarParameters, *, size: int) -> View:
    """An avatar as a photo shows it: in some light, from some side, with some expression."""
    bust = build_bust(parameters, texture_size=TEXTURE_SIZE if size <= 256 else 4 * TEXTURE_SIZE)
    frame = head_frame(bust.landmarks)
    return _photo(rng, as_annotated(bust, parameters), parameters, frame, size)


def _photo(
    rng: np.random.Generator, bust: Bust, parameters: AvatarParameters, frame: HeadFrame, size: int
) -> View:
    posed = with_expression(bust, parameters, sample_expression(rng))
    yaw, pitch = (float(np.clip(rng.normal(0.0, s), -m, m)) for s, m in (YAW, PITCH))
    light = sample_light(rng)
    return render_view(posed, frame, eg3d_orbit(yaw, pitch), size=size, light=light)


def sample_avatar(index: int, *, seed: int) -> AvatarParameters:
    """Sample avatar `index` of a seed: a person, or (`STRANGE`) one of whose choices and looks some
    do not go together."""
    rng = np.random.default_rng([seed, index])
    parameters = sample_parameters(int(rng.integers(1 << 62)))
    if rng.random() >= STRANGE:
        return parameters
    changes: dict[str, Any] = {}
    for name, choices in DISCRETE.items():
        if rng.random() < CHANGED:
            changes[name] = choices[int(rng.integers(len(choices)))]
    for name in FREE:
        if rng.random() < CHANGED:
            changes[name] = float(rng.random())
    return replace(parameters, **changes)


def pair_path(folder: Path, index: int) -> Path:
    return folder / f"pair_{index:05d}.npz"


def style_of(folder: Path) -> Style:
    """Style of the normalised renders of a folder, "natural" where it does not say."""
    try:
        found = json.loads((folder / SETTINGS).read_text()).get("style", "natural")
    except (OSError, ValueError, AttributeError):
        return "natural"
    return found if found in get_args(Style) else "natural"


def pairs_in(folder: Path) -> list[Path]:
    """Files of all pairs in a folder, in order."""
    return sorted(folder.glob("pair_*.npz"))


def save_pair(pair: Pair, path: Path) -> None:
    """Write one pair atomically."""
    with atomic_path(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **vars(pair))


def load_pair(path: Path) -> Pair:
    """Read a file of `save_pair`. Raises DataError, one sentence, on anything else."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("it is too large")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name]) for name in LAYOUT}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is not a file of pairs: {error}.") from error
    return checked_pair(arrays, path)


def checked_pair(arrays: Mapping[str, ndarray], source: object) -> Pair:
    """The pair of arrays by name. Raises DataError naming `source` when they are none."""
    sound = all(
        arrays[name].dtype == kind and arrays[name].ndim == dims
        for name, (kind, dims) in LAYOUT.items()
    )
    images = arrays["alpha"].shape
    sound = sound and arrays["segmentation"].shape == images and len(images) == 3
    sound = sound and arrays["rgb"].shape == (*images, 3) and arrays["rgb"].size > 0
    if not sound or images[1] != images[2] or len(arrays["vector"]) != vector_length():
        raise DataError(f"{source} is no pair of this version: its arrays do not fit together.")
    if arrays["segmentation"].max() >= len(Segment) or not np.isfinite(arrays["vector"]).all():
        raise DataError(f"{source} is no pair of this version: it has classes that are none.")
    return Pair(**{name: arrays[name] for name in LAYOUT})
