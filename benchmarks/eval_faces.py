"""How good a generator of images of our people is.

    portraiture synth --kind scenes --people 200 --seed 2 --views 3 --size 128 --out HELD_OUT
    python benchmarks/eval_faces.py HELD_OUT NETWORK [--samples 1000] [--json F] [--sheet F.png]

Held-out images (person, camera and light known, unseen in training): PSNR inside the face, faces
found by mediapipe within ±35°, their landmarks against those found on the truth, similarity by our
identity network. Random samples: faces found, Fréchet distance to the engine's images beside that
of two halves of these.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from eval_heads import WIDEST_DETECTED, frechet_of, to_pixels, write_scores
from jaxtyping import Float, UInt8
from metric import Metric, Row, metrics_from
from numpy import ndarray
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from portraiture.checkpoints import load_image_generator
from portraiture.generate.run import contact_sheet
from portraiture.metrics.extractors import frechet_synthetic, identity_synthetic
from portraiture.metrics.identity import similarities
from portraiture.metrics.landmarks import agreement, detect_face, detection_rate
from portraiture.metrics.psnr import face_mask, psnr
from portraiture.networks.faces2d import FacesGenerator
from portraiture.people.latent import LATENT_SIZE
from portraiture.people.people_file import load_person, people_in
from portraiture.people.scene import scene_from_numbers
from portraiture.perception.weights import load_identity

SAMPLE_SEED = 77
SHEET_COLUMNS = 8

ROWS = (
    Row("psnr_face_db", "faces/faces2d: PSNR inside the face", "dB", "higher", 0.5),
    Row("detected", "faces/faces2d: faces found", "%", "higher", 2.0, scale=100.0),
    Row("landmarks_percent", "faces/faces2d: landmarks off", "% of IOD", "lower", 0.4),
    Row("identity_synthetic", "faces/faces2d: identity similarity", "", "higher", 0.03),
    Row("sample_detected", "faces/faces2d: random faces found", "%", "higher", 2.0, scale=100.0),
)
"""IOD: inter-ocular distance."""


@dataclass
class Scores:
    """NaN where it was not measured."""

    pictures: int = 0
    psnr_face_db: float = float("nan")
    detected: float = float("nan")
    landmarks_percent: float = float("nan")
    identity_synthetic: float = float("nan")
    samples: int = 0
    sample_detected: float = float("nan")
    frechet_synthetic: float = float("nan")
    frechet_synthetic_halves: float = float("nan")


def main(
    held_out: Annotated[Path, tyro.conf.Positional],
    network: Annotated[str, tyro.conf.Positional],
    people: int = 200,
    samples: int = 1000,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    sheet: Path | None = None,
) -> None:
    """Print a table of scores; write JSON and a contact sheet: rows of engine images, each with a
    row of ours below, then random samples."""
    generator, scores = load_image_generator(network), Scores()
    paths = people_in(held_out)[:people]
    if not paths or load_person(paths[0]).scenes is None:
        raise SystemExit(f"{held_out} holds no people of synth --kind scenes.")
    measure_held_out(scores, generator, paths)
    if samples:
        measure_samples(scores, generator, samples, paths)
    table = Table("What", "Measured")
    for name, value in asdict(scores).items():
        table.add_row(name, f"{value:.4g}")
    Console().print(table)
    if json_file is not None:
        write_scores(json_file, asdict(scores))
    if sheet is not None:
        Image.fromarray(contact_sheet(sheet_rows(generator, paths))).save(sheet)


def measure(
    held_out: Path, *, network: str = "faces2d", people: int = 200, samples: int = 1000
) -> list[Metric]:
    """Of held-out and of random images."""
    generator, scores, paths = load_image_generator(network), Scores(), people_in(held_out)[:people]
    measure_held_out(scores, generator, paths)
    measure_samples(scores, generator, samples, paths)
    return metrics_from(asdict(scores), ROWS)


def measure_held_out(scores: Scores, generator: FacesGenerator, paths: list[Path]) -> None:
    """Against the engine's own images."""
    ratios, found, truths, ours, theirs = [], [], [], [], []
    for path in track(paths, "Held-out people"):
        person = load_person(path)
        images = _images(generator, _latents(path))
        for k, pixels in enumerate(to_pixels(images)):
            mask = face_mask(person.segmentation[k])
            if not mask.any():
                continue
            ratios.append(psnr(pixels / 255.0, person.rgb[k] / 255.0, mask=mask))
            if abs(scene_from_numbers(person.image_latent(k)[LATENT_SIZE:]).yaw) <= WIDEST_DETECTED:
                found.append(pixels)
                truths.append(detect_face(person.rgb[k]))
        ours.append(images)
        theirs.append(_tensor(person.rgb))
    seen = agreement(found, truths)
    embed = identity_synthetic(load_identity()).extract
    scores.pictures, scores.psnr_face_db = len(ratios), float(np.mean(ratios))
    scores.detected, scores.landmarks_percent = seen.detected, seen.error
    same = similarities(embed, torch.cat(ours), torch.cat(theirs))
    scores.identity_synthetic = float(same.mean())


def measure_samples(
    scores: Scores, generator: FacesGenerator, count: int, paths: list[Path]
) -> None:
    """Random people, cameras and lights."""
    images = _images(generator, _samples(generator, count))
    scores.samples = count
    scores.sample_detected = detection_rate(list(to_pixels(images)))
    real = [_tensor(load_person(path).rgb) for path in paths]
    scores.frechet_synthetic, scores.frechet_synthetic_halves = frechet_of(
        frechet_synthetic(load_identity()), images, real
    )


def _samples(generator: FacesGenerator, count: int) -> Float[Tensor, "N Z"]:
    rng = torch.Generator().manual_seed(SAMPLE_SEED)
    return torch.randn(count, generator.config.z_dim, generator=rng)


def _latents(path: Path) -> Float[Tensor, "V Z"]:
    person = load_person(path)
    views = range(len(person.rgb))
    return torch.from_numpy(np.stack([person.image_latent(view) for view in views]))


@torch.no_grad()
def _images(generator: FacesGenerator, z: Float[Tensor, "N Z"]) -> Float[Tensor, "N 3 R R"]:
    return torch.cat([generator.images(generator.mapping(part, None)) for part in z.split(16)])


def _tensor(images: UInt8[ndarray, "N R R 3"]) -> Float[Tensor, "N 3 R R"]:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def sheet_rows(generator: FacesGenerator, paths: list[Path]) -> list[list[UInt8[ndarray, "R R 3"]]]:
    """Up to three full rows of held-out images above ours, four rows of samples."""
    rows: list[list[ndarray]] = []
    for row in range(min(len(paths) // SHEET_COLUMNS, 3)):
        chosen = paths[row * SHEET_COLUMNS : (row + 1) * SHEET_COLUMNS]
        z = torch.cat([_latents(path)[:1] for path in chosen])
        rows.append([load_person(path).rgb[0] for path in chosen])
        rows.append(list(to_pixels(_images(generator, z))))
    made = list(to_pixels(_images(generator, _samples(generator, 4 * SHEET_COLUMNS))))
    return rows + [made[k : k + SHEET_COLUMNS] for k in range(0, len(made), SHEET_COLUMNS)]


if __name__ == "__main__":
    tyro.cli(main)
