"""Sets of many styles on disk: FF3D's MSSI and MSMI (Ma et al. 2023, section 4.2).

styles.json       what made the set; a run with the same settings resumes an earlier one
style_0007.npz    style 7: its images as WebP, their cameras, and whose front each one shows

MSSI: one identity, i×i views of each style. MSMI: many identities, each at one view of its own.
The encoder sees fronts alone, so an identity of MSMI has its edited front as well [ours: the paper
tells one image each and not what E sees]. Letters: K images, R their side.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor

from portraiture.checkpoints import fingerprint
from portraiture.errors import OutputError, RestyleError
from portraiture.media import atomic_path
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.paths import check_folder
from portraiture.people.pack import webp
from portraiture.progress import SILENT, Progress
from portraiture.restyle.editors import Editor
from portraiture.restyle.few_shot import REACH, SIDES, cameras_at, front_of, view_grid, views_of

SETTINGS = "styles.json"
MAX_STYLES, MAX_LETTERS, MAX_BYTES = 1_000, 400, 200_000_000
SetKind = Literal["mssi", "msmi"]
DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True)
class StyleSetConfig:
    """kind: see above. sides: i of MSSI. identities: of MSMI. seed: of heads, views and noise.
    truncation: of the sampled heads."""

    kind: SetKind = "mssi"
    sides: int = SIDES
    identities: int = 100
    seed: int = 0
    truncation: float = 0.7


@dataclass(frozen=True)
class Style:
    """The images of one style. front: for each image, the number of its identity's front."""

    prompt: str
    images: UInt8[ndarray, "K R R 3"]
    cameras: Float32[ndarray, "K 25"]
    front: Int64[ndarray, "K"]


def read_prompts(path: Path) -> list[str]:
    """The styles of a text file, one a line; empty lines and those after # are left out. Raises
    RestyleError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RestyleError(f"{path} cannot be read as text; give a file of prompts.") from error
    found = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    prompts = list(dict.fromkeys(found))
    if not prompts or len(prompts) > MAX_STYLES or max(map(len, prompts)) > MAX_LETTERS:
        raise RestyleError(
            f"{path} must have 1 to {MAX_STYLES} prompts of at most {MAX_LETTERS} letters, one a"
            " line."
        )
    return prompts


def make_style_set(
    folder: Path,
    prompts: Sequence[str],
    generator: TriPlaneGenerator,
    editor: Editor,
    config: StyleSetConfig,
    *,
    progress: Progress = SILENT,
) -> None:
    """Algorithm 1 for every prompt; styles that are there already are kept. Raises RestyleError
    when the folder holds another set, OutputError when it cannot be written, CancelledError."""
    _claim(folder, prompts, generator, editor, config)
    missing = [k for k in range(len(prompts)) if not style_path(folder, k).exists()]
    if not missing:
        return
    views, cameras, front = _views(generator, config)
    progress.stage("Edit the styles", len(prompts) * len(views))
    progress.step((len(prompts) - len(missing)) * len(views))
    for k in missing:
        images = editor.edit(views, prompts[k], seed=config.seed, progress=progress)
        save_style(Style(prompts[k], as_bytes(images), cameras, front), style_path(folder, k))


def _claim(
    folder: Path, prompts: Sequence[str], generator: TriPlaneGenerator, editor: Editor,
    config: StyleSetConfig,
) -> None:  # fmt: skip
    """Create the folder with its settings, or check existing ones against them."""
    settings = asdict(config) | {
        "prompts": list(prompts), "editor": editor.name, "generator": fingerprint(generator),
    }  # fmt: skip
    path = folder / SETTINGS
    check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} cannot be made; give another one.") from error
    if path.exists():
        if _settings(folder) != settings:
            raise RestyleError(f"{folder} holds styles of other settings; give another folder.")
        return
    with atomic_path(path) as part:
        part.write_text(json.dumps(settings, indent=1) + "\n")


def _settings(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / SETTINGS).read_text())
    except (OSError, ValueError) as error:
        raise RestyleError(f"{folder} holds no set of styles; make one first.") from error
    return found if isinstance(found, dict) else {}


def _views(
    generator: TriPlaneGenerator, config: StyleSetConfig
) -> tuple[Float[Tensor, "K 3 R R"], Float32[ndarray, "K 25"], Int64[ndarray, "K"]]:
    """Renders to be edited, their cameras, and the number of each one's front."""
    match config.kind:
        case "mssi":
            angles = view_grid(config.sides)
            cameras = cameras_at(angles)
            planes, ws = sampled_head(generator, config.seed, config.truncation)
            front = np.full(len(angles), front_of(angles))
            return views_of(generator, planes, ws, cameras), cameras.numpy(), front
        case "msmi":
            rng = np.random.default_rng(config.seed)
            turned = rng.uniform(-REACH, REACH, (config.identities, 2))
            images, cameras = [], []
            for k, (yaw, pitch) in enumerate(turned):
                both = cameras_at([(0.0, 0.0), (float(yaw), float(pitch))])
                head = sampled_head(generator, config.seed + k, config.truncation)
                images.append(views_of(generator, *head, both))
                cameras.append(both)
            front = np.repeat(2 * np.arange(config.identities), 2)
            return torch.cat(images), torch.cat(cameras).numpy(), front


@torch.no_grad()
def sampled_head(
    generator: TriPlaneGenerator, seed: int, truncation: float
) -> tuple[Float[Tensor, "1 3 C P P"], Float[Tensor, "1 N D"]]:
    """Planes and w+ of a random w, under the frontal camera where the mapping takes one."""
    w_avg = generator.backbone.mapping.w_avg
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(1, generator.config.z_dim, generator=rng).to(w_avg)
    camera = cameras_at([(0.0, 0.0)]).to(w_avg) if generator.config.c_dim else None
    ws = generator.mapping(z, camera, truncation_psi=truncation)
    return generator.planes(ws), ws


def as_bytes(images: Float[Tensor, "K 3 R R"]) -> UInt8[ndarray, "K R R 3"]:
    """Images in [-1, 1] as 8 bits a channel."""
    whole = ((images.clamp(-1.0, 1.0) + 1.0) * 127.5).round().to(torch.uint8)
    return whole.permute(0, 2, 3, 1).cpu().numpy()


def as_floats(images: UInt8[ndarray, "K R R 3"]) -> Float[Tensor, "K 3 R R"]:
    """8 bits a channel as images in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def style_path(folder: Path, index: int) -> Path:
    return folder / f"style_{index:04d}.npz"


def styles_in(folder: Path) -> list[Path]:
    """Files of all styles in a folder, in order."""
    return sorted(folder.glob("style_*.npz"))


def save_style(style: Style, path: Path) -> None:
    """Write one style atomically; images are slightly lossy."""
    packed = [webp(image) for image in style.images]
    with atomic_path(path) as part, part.open("wb") as file:
        np.savez(
            file,
            prompt=np.frombuffer(style.prompt.encode(), np.uint8),
            images=np.frombuffer(b"".join(packed), np.uint8),
            lengths=np.array([len(image) for image in packed], np.int64),
            cameras=style.cameras.astype(np.float32),
            front=style.front.astype(np.int64),
        )


def load_style(path: Path) -> Style:
    """Read a file of `save_style`. Raises RestyleError, one sentence, on anything else."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("it is too large")
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = {name: np.asarray(arrays[name]) for name in arrays.files}
        images = np.stack(list(_unpacked(found["images"], found["lengths"])))
        cameras, front = found["cameras"], found["front"]
        sound = images.ndim == 4 and images.shape[1] == images.shape[2]
        sound &= cameras.shape == (len(images), 25) and bool(np.isfinite(cameras).all())
        sound &= front.shape == (len(images),) and bool(np.isin(front, range(len(images))).all())
        if not sound:
            raise ValueError("its arrays do not fit together")
        prompt = found["prompt"].tobytes().decode()
    except (*DAMAGED, Image.DecompressionBombError) as error:
        raise RestyleError(f"{path} is not the file of a style: {error}.") from error
    return Style(prompt, images, cameras.astype(np.float32), front.astype(np.int64))


def _unpacked(data: ndarray, lengths: ndarray) -> Iterator[ndarray]:
    for piece in np.split(data, np.cumsum(lengths)[:-1]):
        with Image.open(io.BytesIO(piece.tobytes()), formats=["WEBP"]) as image:
            yield np.asarray(image.convert("RGB"))
