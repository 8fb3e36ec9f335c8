"""How good a tri-plane generator of our people is.

    portraiture synth --kind latents --people 200 --seed 2 --views 3 --out HELD_OUT
    python benchmarks/eval_heads.py HELD_OUT [--network heads] [--samples 1000] [--json F]
        [--arcface model_ir_se50.pth] [--inception pt_inception-2015-12-05-6726825d.pth]
        [--lpips alexnet.pth alex.pth]

Held-out people (their latents and views are unseen in training): depth error, PSNR inside the face,
faces found by mediapipe within ±35°, their landmarks against those found on the truth, similarity
by our identity network. Random samples: faces found, the same person at 0° and 30°, Fréchet
distance to the engine's renders beside that of two halves of the renders. With the user's own
weights also identity (ArcFace), FID (Inception) and LPIPS.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from jaxtyping import Float, UInt8
from metric import Metric, Row, metrics_from
from numpy import ndarray
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.checkpoints import load_generator
from portraiture.errors import PortraitureError
from portraiture.generate.run import contact_sheet
from portraiture.metrics.depth import depth_error_mm
from portraiture.metrics.extractors import (
    FeatureExtractor,
    frechet_synthetic,
    identity_synthetic,
)
from portraiture.metrics.frechet import features_of, frechet_distance, statistics
from portraiture.metrics.identity import similarities, verification
from portraiture.metrics.landmarks import agreement, detect_face, detection_rate
from portraiture.metrics.perceptual import ImageDistance, perceptual_synthetic
from portraiture.metrics.psnr import face_mask, psnr
from portraiture.metrics.published import fid, identity_arcface
from portraiture.metrics.published import lpips as lpips_of
from portraiture.networks.eg3d import Render, TriPlaneGenerator
from portraiture.people.latent import sample_latents
from portraiture.people.people_file import PersonViews, load_person, people_in
from portraiture.people.views import frontal_camera
from portraiture.perception.identity import IdentityNetwork
from portraiture.perception.weights import load_identity, load_parser

WIDEST_DETECTED = np.radians(35.0)
SAMPLE_SEED = 77
SHEET_YAWS = (-0.6, -0.3, 0.0, 0.3, 0.6)
TARGETS = {
    "depth_mm": "<= 4", "psnr_face_db": ">= 24", "detected": ">= 0.95", "landmarks_percent": "<= 4",
    "identity_synthetic": ">= 0.7", "sample_detected": ">= 0.95", "sample_same_person": ">= 0.9",
}  # fmt: skip

ROWS = (
    Row("depth_mm", "heads/heads: depth error", "mm", "lower", 0.3),
    Row("psnr_face_db", "heads/heads: PSNR inside the face", "dB", "higher", 0.5),
    Row("detected", "heads/heads: faces found", "%", "higher", 2.0, scale=100.0),
    Row("landmarks_percent", "heads/heads: landmarks off", "% of IOD", "lower", 0.4),
    Row("identity_synthetic", "heads/heads: identity similarity", "", "higher", 0.03),
    Row("sample_detected", "heads/heads: random faces found", "%", "higher", 2.0, scale=100.0),
    Row("sample_same_person", "heads/heads: same person at 30°", "%", "higher", 3.0, scale=100.0),
)
"""IOD: inter-ocular distance."""


@dataclass
class Scores:
    """NaN where it was not measured."""

    people: int = 0
    depth_mm: float = float("nan")
    psnr_face_db: float = float("nan")
    detected: float = float("nan")
    landmarks_percent: float = float("nan")
    identity_synthetic: float = float("nan")
    perceptual_synthetic: float = float("nan")
    identity: float = float("nan")
    lpips: float = float("nan")
    samples: int = 0
    sample_detected: float = float("nan")
    sample_same_person: float = float("nan")
    frechet_synthetic: float = float("nan")
    frechet_synthetic_halves: float = float("nan")
    fid: float = float("nan")
    fid_halves: float = float("nan")


@dataclass(frozen=True)
class Published:
    """What the user has of published networks (`metrics.published`)."""

    identity: FeatureExtractor | None
    fid: FeatureExtractor | None
    lpips: ImageDistance | None


def main(
    held_out: Annotated[Path, tyro.conf.Positional],
    network: str = "heads",
    people: int = 200,
    samples: int = 1000,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    sheet: Path | None = None,
    arcface: Path | None = None,
    inception: Path | None = None,
    lpips: tuple[Path, Path] | None = None,
) -> None:
    """Print a table of scores; write JSON and a contact sheet of 32 samples x 5 views."""
    generator = load_generator(network)
    published = Published(
        None if arcface is None else identity_arcface(arcface),
        None if inception is None else fid(inception),
        None if lpips is None else lpips_of(*lpips),
    )
    identity = _identity()
    scores = Scores()
    paths = people_in(held_out)
    if not paths or load_person(paths[0]).scenes is not None:
        raise SystemExit(f"{held_out} holds no people of synth --kind latents.")
    if people:
        measure_held_out(scores, generator, identity, paths[:people], published)
    if samples:
        measure_samples(scores, generator, identity, samples, held_out, published)
    table = Table("What", "Measured", "Target")
    for name, value in asdict(scores).items():
        table.add_row(name, f"{value:.4g}", TARGETS.get(name, ""))
    Console().print(table)
    if json_file is not None:
        write_scores(json_file, asdict(scores))
    if sheet is not None:
        Image.fromarray(contact_sheet(sheet_rows(generator, 32))).save(sheet)


def measure(
    held_out: Path, *, network: str = "heads", people: int = 200, samples: int = 300
) -> list[Metric]:
    """Our own networks' scores."""
    generator, identity, scores = load_generator(network), _identity(), Scores()
    published = Published(None, None, None)
    measure_held_out(scores, generator, identity, people_in(held_out)[:people], published)
    measure_samples(scores, generator, identity, samples, held_out, published)
    return metrics_from(asdict(scores), ROWS)


def write_scores(path: Path, scores: dict[str, float]) -> None:
    """As JSON; what was not measured is null."""
    known = {name: value if np.isfinite(value) else None for name, value in scores.items()}
    path.write_text(json.dumps(known, indent=1, allow_nan=False) + "\n")


def _identity() -> IdentityNetwork | None:
    try:
        return load_identity()
    except PortraitureError as error:
        Console(stderr=True).print(f"Without identity: {error}", highlight=False)
        return None


def measure_held_out(
    scores: Scores,
    generator: TriPlaneGenerator,
    identity: IdentityNetwork | None,
    paths: list[Path],
    published: Published,
) -> None:
    """Against the engine's own images of people whom the network has not seen."""
    depths, ratios, renders, truths = [], [], [], []
    ours, theirs = [], []
    for path in track(paths, "Held-out people"):
        person = load_person(path)
        render = _render(generator, person)
        images = to_pixels(render.image)
        found = render.depth[:, 0].numpy() * (render.opacity[:, 0].numpy() > 0.5)
        for view in range(len(images)):
            mask = face_mask(person.segmentation[view])
            if not mask.any():
                continue
            truth, small = _at_half(person.depth[view], mask)
            depths.append(depth_error_mm(found[view], truth, unit_m=person.unit_m, mask=small))
            ratios.append(psnr(images[view] / 255.0, person.rgb[view] / 255.0, mask=mask))
            if abs(_yaw(person.cameras[view])) <= WIDEST_DETECTED:
                renders.append(images[view])
                truths.append(detect_face(person.rgb[view]))
        ours.append(render.image)
        theirs.append(torch.from_numpy(person.rgb).permute(0, 3, 1, 2).float() / 127.5 - 1.0)
    seen = agreement(renders, truths)
    scores.people = len(paths)
    scores.depth_mm, scores.psnr_face_db = float(np.median(depths)), float(np.mean(ratios))
    scores.detected, scores.landmarks_percent = seen.detected, seen.error
    distance = perceptual_synthetic(load_parser()).measure
    apart = [distance(a, b) for a, b in zip(ours, theirs, strict=True)]
    scores.perceptual_synthetic = float(torch.cat(apart).mean())
    a, b = torch.cat(ours), torch.cat(theirs)
    if identity is not None:
        embed = identity_synthetic(identity).extract
        scores.identity_synthetic = float(similarities(embed, a, b).mean())
    if published.identity is not None:
        scores.identity = float(similarities(published.identity.extract, a, b).mean())
    if published.lpips is not None:
        apart = [
            published.lpips.measure(x, y) for x, y in zip(a.split(16), b.split(16), strict=True)
        ]
        scores.lpips = float(torch.cat(apart).mean())


def measure_samples(
    scores: Scores,
    generator: TriPlaneGenerator,
    identity: IdentityNetwork | None,
    count: int,
    held_out: Path,
    published: Published,
) -> None:
    """Random people: are they faces, and is each one person from the front and the side?"""
    front, side = [], []
    z = torch.from_numpy(sample_latents(count, SAMPLE_SEED))
    for k in track(range(count), "Samples"):
        both = _views(generator, z[k : k + 1], (0.0, np.radians(30.0)))
        front.append(both[0])
        side.append(both[1])
    scores.samples = count
    scores.sample_detected = detection_rate([to_pixels(x[None])[0] for x in front])
    a, b, renders = torch.stack(front), torch.stack(side), _images(held_out)
    if published.fid is not None:
        scores.fid, scores.fid_halves = frechet_of(published.fid, a, renders)
    if identity is None:
        return
    embed = identity_synthetic(identity).extract
    same = similarities(embed, a, b)
    other = similarities(embed, a, b.roll(1, 0))
    pairs = np.concatenate([same, other]), np.arange(2 * count) < count
    scores.sample_same_person = float((same >= verification(*pairs).threshold).mean())
    scores.frechet_synthetic, scores.frechet_synthetic_halves = frechet_of(
        frechet_synthetic(identity), a, renders
    )


def frechet_of(
    extractor: FeatureExtractor, made: Float[Tensor, "N 3 R R"], real: list[Tensor]
) -> tuple[float, float]:
    """The distance of images from the engine's, and that of two halves of the latter."""
    fake, true = features_of(extractor, made.split(16)), features_of(extractor, real)
    half = len(true) // 2
    halves = frechet_distance(statistics(true[:half]), statistics(true[half : 2 * half]))
    return frechet_distance(statistics(fake), statistics(true)), halves


def _images(folder: Path) -> list[Float[Tensor, "1 3 R R"]]:
    """The nearly frontal engine image of everybody in a folder."""
    return [
        torch.from_numpy(load_person(path).rgb[:1]).permute(0, 3, 1, 2).float() / 127.5 - 1.0
        for path in people_in(folder)
    ]


@torch.no_grad()
def _render(generator: TriPlaneGenerator, person: PersonViews) -> Render:
    """All views of one person."""
    return _seen(generator, torch.from_numpy(person.z)[None], torch.from_numpy(person.cameras))


def _views(
    generator: TriPlaneGenerator, z: Tensor, yaws: Sequence[float]
) -> Float[Tensor, "V 3 R R"]:
    cameras = np.stack([to_eg3d(eg3d_orbit(yaw, 0.0)) for yaw in yaws])
    return _seen(generator, z, torch.from_numpy(cameras).float()).image


@torch.no_grad()
def _seen(
    generator: TriPlaneGenerator, z: Float[Tensor, "1 Z"], cameras: Float[Tensor, "V 25"]
) -> Render:
    """One person from several cameras; the planes are made once."""
    front = torch.from_numpy(frontal_camera()).float()[None]
    ws = generator.mapping(z, front)
    planes = generator.planes(ws)
    volumes = [generator.render(planes, camera[None], deterministic=True) for camera in cameras]
    images = [generator.upsample(volume.features, ws) for volume in volumes]
    features, depth, opacity = (
        torch.cat([getattr(volume, name) for volume in volumes])
        for name in ("features", "depth", "opacity")
    )
    return Render(torch.cat(images), features[:, :3], depth, features, opacity)


def to_pixels(images: Float[Tensor, "N 3 R R"]) -> UInt8[ndarray, "N R R 3"]:
    """[-1, 1] → 8 bit, channels last."""
    scaled = ((images + 1.0) * 127.5).clamp(0, 255).round()
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).numpy()


def _at_half(depth: ndarray, mask: ndarray) -> tuple[ndarray, ndarray]:
    """Depth and mask at half the size, where all four pixels lie on the masked surface."""
    n = depth.shape[0] // 2
    four = depth.reshape(n, 2, n, 2).swapaxes(1, 2).reshape(n, n, 4)
    inside = mask.reshape(n, 2, n, 2).swapaxes(1, 2).reshape(n, n, 4).all(-1) & (four > 0).all(-1)
    return np.where(inside, four.mean(-1), 0.0), inside


def _yaw(camera: Float[ndarray, "25"]) -> float:
    back = -camera[:16].reshape(4, 4)[:3, 2]
    return float(np.arctan2(back[0], back[2]))


def sheet_rows(generator: TriPlaneGenerator, count: int) -> list[list[UInt8[ndarray, "R R 3"]]]:
    """`count` samples, two in a row, each from the side to the side."""
    heads = [
        list(to_pixels(_views(generator, torch.from_numpy(z[None]), SHEET_YAWS)))
        for z in sample_latents(count, SAMPLE_SEED)
    ]
    return [a + b for a, b in zip(heads[::2], heads[1::2], strict=True)]


if __name__ == "__main__":
    tyro.cli(main)
