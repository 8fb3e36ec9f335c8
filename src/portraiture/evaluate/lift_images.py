"""How the images of lifted people compare with the generator's and the engine's (Shi et al. 2021,
table 2, whose Fréchet distance is to photos and of other features; relighting, whose truth the
engine knows).

person, light ─generator─▶ image ─D_L─▶ light code ─▶ the same person, lit so ◀─PSNR─▶ the engine's
people ─lift─▶ seen from anywhere ◀─Fréchet distance─▶ images of other people
Letters: N images, R side of an image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from portraiture.evaluate.lift import held_out_scene
from portraiture.lift.estimate import generated, lift
from portraiture.lift.losses import perturbed_view
from portraiture.lift.networks import LiftedNetworks
from portraiture.metrics.extractors import FeatureExtractor
from portraiture.metrics.frechet import features_of, frechet_distance, statistics
from portraiture.metrics.psnr import face_mask, psnr
from portraiture.networks.faces2d import FacesGenerator
from portraiture.people.latent import LATENT_SIZE
from portraiture.people.people import render_scenes
from portraiture.people.scene import SCENE_NUMBERS
from portraiture.progress import SILENT, Progress, raise_if_cancelled

VIEWS = 0x51DE
"""Seed of the views of the Fréchet distance."""
CAMERA = [SCENE_NUMBERS.index(name) for name in ("yaw", "pitch")]


@dataclass(frozen=True)
class Relit:
    """PSNR inside the face against the engine's render from the front in the other light, dB, mean
    of people. relit: the lifted person with the light that D_L sees in the generator's image of
    that light. kept: the lifted person in the light of before, the floor. generated: that image of
    the generator itself, the ceiling."""

    relit: float
    kept: float
    generated: float


def measure_relighting(
    faces: FacesGenerator, networks: LiftedNetworks, *, people: int, progress: Progress = SILENT
) -> Relit:
    """Relight held-out people, each from its own light to that of the next. faces: with the latents
    of `people.scene`. Raises CancelledError."""
    sums = np.zeros(3)
    progress.stage("Relight held-out people", people)
    for index in range(people):
        before, after = frontal(held_out_scene(index)), frontal(held_out_scene(index + 1))
        after[:LATENT_SIZE] = before[:LATENT_SIZE]
        scene = after[None, LATENT_SIZE:]
        truth = render_scenes(after[:LATENT_SIZE], scene, size=faces.config.size)
        mask = face_mask(truth.segmentation[0])
        wanted = truth.rgb[0] / 255.0
        for k, image in enumerate(relit_images(faces, networks, before, after)):
            sums[k] += psnr(image, wanted, mask=mask)
        raise_if_cancelled(progress)
        progress.step()
    return Relit(*(sums / people).tolist())


@torch.no_grad()
def relit_images(
    faces: FacesGenerator, networks: LiftedNetworks, before: Float[ndarray, "Z"],
    after: Float[ndarray, "Z"],
) -> tuple[Float[ndarray, "R R 3"], ...]:  # fmt: skip
    """One person as of `Relit`, in [0, 1]. before, after: z of the same person and view that differ
    in light."""
    z = torch.from_numpy(np.stack([before, after])).to(faces.mapping.w_avg)
    own, other = faces.mapping(z, None)[:, 0].split(1)
    person, light = lift(faces, networks, own), networks.light(other)
    images = (person.render(light=light).image, person.render().image, generated(faces, other)[0])
    return tuple(as_unit(image) for image in images)


def frontal(z: Float[ndarray, "Z"]) -> Float[ndarray, "Z"]:
    """The same scene with the camera in front."""
    out = z.copy()
    out[[LATENT_SIZE + k for k in CAMERA]] = 0.0
    return out


def frechet_of_lifted(
    faces: FacesGenerator, networks: LiftedNetworks, extractor: FeatureExtractor, *, people: int,
    progress: Progress = SILENT,
) -> tuple[float, float]:  # fmt: skip
    """The Fréchet distance between lifted people, seen from where the training sees them, and the
    generator's images of as many others; and that between the latter and its images of the former.
    Raises CancelledError."""
    progress.stage("Compare distributions", people)
    own, lifted = [], []
    for seen, images in lifted_images(faces, networks, people):
        lifted.append(features_of(extractor, [seen]))
        own.append(features_of(extractor, [images]))
        raise_if_cancelled(progress)
        progress.step()
    others = features_of(extractor, other_images(faces, people))
    truth = statistics(others)
    return tuple(  # type: ignore[return-value]
        frechet_distance(statistics(np.concatenate(rows)), truth) for rows in (lifted, own)
    )


@torch.no_grad()
def lifted_images(
    faces: FacesGenerator, networks: LiftedNetworks, people: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """One at a time: the lifted person from a view of the training, and the generator's image."""
    numbers = torch.Generator().manual_seed(VIEWS)
    for index in range(people):
        z = torch.from_numpy(held_out_scene(index))[None].to(faces.mapping.w_avg)
        w = faces.mapping(z, None)[:, 0]
        view = perturbed_view(torch.rand(1, 3, generator=numbers).to(w))
        image = lift(faces, networks, w).render(view=view).image
        yield image.clamp(-1.0, 1.0), generated(faces, w)[0].clamp(-1.0, 1.0)


@torch.no_grad()
def other_images(faces: FacesGenerator, people: int) -> Iterator[Tensor]:
    """Images of the generator of people after those."""
    for index in range(people, 2 * people):
        z = torch.from_numpy(held_out_scene(index))[None].to(faces.mapping.w_avg)
        yield generated(faces, faces.mapping(z, None)[:, 0])[0].clamp(-1.0, 1.0)


def as_unit(image: Float[Tensor, "1 3 R R"]) -> Float[ndarray, "R R 3"]:
    """An image in [-1, 1] as one in [0, 1]."""
    return (0.5 * image[0] + 0.5).clamp(0.0, 1.0).permute(1, 2, 0).double().cpu().numpy()
