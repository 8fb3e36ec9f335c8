"""How well LiftedGAN lifts a generator's people whose engine truth is known, in the form of its
table 2 and figure 6 (Shi et al., CVPR 2021).

held-out z of `people.scene` ─generator─▶ w ─lift─▶ depth, view ◀─▶ the engine's
turned and neutral images ─identity network─▶ cosine by angle: lifted, and by M alone
A network's own idea of the frontal view and of the depth's scale is a gauge that no loss fixes:
angles are compared after their mean difference, depths by correlation and after a linear fit.
Letters: B people, S side of an image, V yaws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import radians

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from portraiture.lift.codes import view_code
from portraiture.lift.estimate import generated, lift
from portraiture.lift.geometry import MAX_ANGLE
from portraiture.lift.networks import LiftedNetworks
from portraiture.metrics.extractors import FeatureExtractor
from portraiture.metrics.psnr import face_mask
from portraiture.networks.faces2d import FacesGenerator
from portraiture.people.latent import LATENT_SIZE, sample_latents
from portraiture.people.people import render_person
from portraiture.people.people_file import PersonViews
from portraiture.people.scene import SCENE_SIZE, scene_from_numbers
from portraiture.progress import SILENT, Progress, raise_if_cancelled

HELD_OUT = 0x11F7
"""Seed of the people and their scenes."""
YAWS = tuple(map(radians, (-60.0, -45.0, -30.0, -15.0, 0.0, 15.0, 30.0, 45.0, 60.0)))


@dataclass(frozen=True)
class Scores:
    """correlation: of recovered and true depth inside the face, mean of people. depth: mean
    absolute error after a linear fit, in standard deviations of the true depth there. yaw, pitch,
    roll: mean absolute errors in degrees, after the mean difference. people: how many."""

    correlation: float
    depth: float
    yaw: float
    pitch: float
    roll: float
    people: int


@dataclass(frozen=True)
class IdentityCurve:
    """yaws: radians. lifted, latent: mean cosine of the embeddings of the neutral image and of the
    person turned by the renderer, and by M alone (figure 6)."""

    yaws: Sequence[float]
    lifted: Sequence[float]
    latent: Sequence[float]


def held_out_scene(index: int) -> Float[ndarray, "Z"]:
    """z of an image that no training has seen: the person's latent and the scene's numbers."""
    scene = np.random.default_rng([HELD_OUT, index]).standard_normal(SCENE_SIZE)
    return np.concatenate([sample_latents(1, HELD_OUT, first=index)[0], scene]).astype(np.float32)


def frontal_truth(z: Float[ndarray, "Z"], size: int) -> PersonViews:
    """The engine's person of z from the front."""
    return render_person(z[:LATENT_SIZE], np.zeros((1, 2)), size=size)


def measure_lift(
    faces: FacesGenerator, networks: LiftedNetworks, *, people: int, progress: Progress = SILENT
) -> Scores:
    """Depth and angles of held-out people. faces: with the latents of `people.scene`; raises
    ValueError for others."""
    if faces.config.z_dim != LATENT_SIZE + SCENE_SIZE:
        raise ValueError("only people of supervised-faces have a known truth")
    if people < 2:
        raise ValueError("where the front is, is measured with two people or more")
    correlations, errors, angles = [], [], []
    progress.stage("Lift held-out people", people)
    for index in range(people):
        z = held_out_scene(index)
        truth = frontal_truth(z, faces.config.size)
        with torch.no_grad():
            w = faces.mapping(torch.from_numpy(z)[None].to(faces.mapping.w_avg), None)[:, 0]
            person = lift(faces, networks, w)
        mask = face_mask(truth.segmentation[0]) & (truth.depth[0] > 0)
        found = person.depth[0].cpu().numpy().astype(np.float64)
        correlation, error = depth_agreement(found, truth.depth[0], mask)
        correlations.append(correlation)
        errors.append(error)
        scene = scene_from_numbers(z[LATENT_SIZE:])
        pitch, yaw, roll = (person.view[0, :3] * MAX_ANGLE).tolist()
        angles.append([yaw - scene.yaw, pitch - scene.pitch, roll])
        raise_if_cancelled(progress)
        progress.step()
    yaw, pitch, roll = angle_errors(np.array(angles))
    return Scores(float(np.mean(correlations)), float(np.mean(errors)), yaw, pitch, roll, people)


def depth_agreement(
    found: Float[ndarray, "S S"], truth: Float[ndarray, "S S"], mask: Bool[ndarray, "S S"]
) -> tuple[float, float]:
    """Correlation of two depths where `mask` is, and their mean absolute difference after a linear
    fit whose slope is not negative, in standard deviations of the truth: a hollow face is no face.
    Raises ValueError on an empty or flat one."""
    a, b = found[mask].astype(np.float64), truth[mask].astype(np.float64)
    if a.size < 3 or b.std() == 0.0:
        raise ValueError("depths are compared inside a face, and there is none")
    b = (b - b.mean()) / b.std()
    if a.std() == 0.0:
        return 0.0, float(np.abs(b).mean())
    a = (a - a.mean()) / a.std()
    correlation = float((a * b).mean())
    return correlation, float(np.abs(max(correlation, 0.0) * a - b).mean())


def angle_errors(differences: Float[ndarray, "B 3"]) -> tuple[float, float, float]:
    """Mean absolute errors in degrees of yaw, pitch and roll, given as differences in radians,
    after their means over people: where the front is, is a convention of the networks."""
    away = np.abs(differences - differences.mean(0)).mean(0)
    yaw, pitch, roll = np.degrees(away).tolist()
    return yaw, pitch, roll


@torch.no_grad()
def identity_curve(
    faces: FacesGenerator, networks: LiftedNetworks, identity: FeatureExtractor, *, people: int,
    yaws: Sequence[float] = YAWS, progress: Progress = SILENT,
) -> IdentityCurve:  # fmt: skip
    """Identity by angle of the lifted person and of latent-only rotation by M (figure 6)."""
    sums = np.zeros((2, len(yaws)))
    progress.stage("Turn held-out people", people)
    for index in range(people):
        z = torch.from_numpy(held_out_scene(index))[None]
        w = faces.mapping(z.to(faces.mapping.w_avg), None)[:, 0]
        person = lift(faces, networks, w)
        own = identity.extract(person.neutral.clamp(-1.0, 1.0))
        for k, yaw in enumerate(yaws):
            view = view_code(yaw, like=w)
            turned = person.render(view=view).image
            by_m = generated(faces, networks.manipulation(w, person.light, view))[0]
            for row, image in enumerate((turned, by_m)):
                sums[row, k] += _cosine(own, identity.extract(image.clamp(-1.0, 1.0)))
        raise_if_cancelled(progress)
        progress.step()
    lifted, latent = (sums / people).tolist()
    return IdentityCurve(tuple(yaws), lifted, latent)


def _cosine(a: Float[Tensor, "1 C"], b: Float[Tensor, "1 C"]) -> float:
    return float(F.cosine_similarity(a, b, dim=1)[0])
