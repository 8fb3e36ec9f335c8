"""What styles are worth, on people whose stylised truth is known (3DAvatarGAN, tables 1 to 3).

z ─G_s, G_t─▶ images, depths ─▶ Fréchet, M_d, S_d, identity;  z ─engine in the style─▶ Chamfer
Letters: N people, R side of images, n side of depths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import degrees

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from portraiture.adapt.cameras import Cameras
from portraiture.adapt.keypoints import (
    Detector,
    cameras_of_keypoints,
    image_keypoints,
)
from portraiture.adapt.style import Style, styled
from portraiture.adapt.views import canonical
from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.metrics.chamfer import chamfer, depth_moments
from portraiture.metrics.extractors import FeatureExtractor
from portraiture.metrics.frechet import features_of, frechet_distance, statistics
from portraiture.metrics.landmarks import detect_face
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.people.people_file import PersonViews
from portraiture.progress import SILENT, Progress, counted
from portraiture.triplane.sampling import make_rays

SOLID = 0.9
"""Opacity from which a ray hits the head."""
FRONT = 0


@dataclass(frozen=True)
class StyleScores:
    """frechet: to the target's images. mean_depth, deviation: M_d and S_d, the mean absolute
    differences of the mean and of the standard deviation of depth inside the head between G_s and
    G_t, EG3D units; lower is better. relief: the standard deviation itself over G_s's, near 0 for
    billboards. identity: cosine across the link. chamfer_mm: to the true stylised surface, or
    None."""

    frechet: float
    mean_depth: float
    deviation: float
    relief: float
    identity: float
    chamfer_mm: float | None


@dataclass(frozen=True)
class StyleMetrics:
    """The networks that the metrics look through."""

    frechet: FeatureExtractor
    identity: FeatureExtractor


@torch.no_grad()
def score_style(
    source: TriPlaneGenerator, style: Style, metrics: StyleMetrics, *,
    latents: Float[Tensor, "N Z"], targets: Sequence[Float[Tensor, "B 3 R R"]], cameras: Cameras,
    truth: Callable[[int], PersonViews] | None = None, exaggerate: float = 1.0,
    progress: Progress = SILENT,
) -> StyleScores:  # fmt: skip
    """Score a style on people of latents. targets: batches of images of the domain. cameras: of the
    domain. truth: the stylised person of a latent, from the front (`people.render_person`)."""
    network = styled(source, style)
    rng = torch.Generator().manual_seed(0)
    angles = cameras.sample(len(latents), rng)
    front = _front(latents)
    images, moments, same, far = [], [], [], []
    progress.stage("Score the style", len(latents))
    for k in counted(range(len(latents)), progress):
        ws = canonical(source, latents[k : k + 1])
        planes = style.warp(network.planes(ws), ws, amount=exaggerate)
        images.append(_image(network, planes, ws, cameras.vectors(angles[k : k + 1])))
        ours, theirs = _volume(network, planes, front), _volume(source, source.planes(ws), front)
        moments.append((*_moments(ours), *_moments(theirs)))
        shown = _image(network, planes, ws, front), _image(source, source.planes(ws), ws, front)
        one, other = (metrics.identity.extract(x) for x in shown)
        same.append(float(torch.cosine_similarity(one, other).mean()))
        if truth is not None:
            person = truth(k)
            gap = chamfer(_points(ours, front), _true_points(person))
            far.append(1000.0 * person.unit_m * gap)
    table = np.array(moments)
    found = statistics(features_of(metrics.frechet, images))
    wanted = statistics(features_of(metrics.frechet, targets))
    return StyleScores(
        frechet=frechet_distance(found, wanted),
        mean_depth=float(np.abs(table[:, 0] - table[:, 2]).mean()),
        deviation=float(np.abs(table[:, 1] - table[:, 3]).mean()),
        relief=float((table[:, 1] / table[:, 3]).mean()),
        identity=float(np.mean(same)),
        chamfer_mm=float(np.mean(far)) if far else None,
    )


@dataclass(frozen=True)
class CameraRecovery:
    """Errors of recovered cameras, degrees: of the means, and as shares of the true deviations."""

    yaw_mean: float
    pitch_mean: float
    yaw_spread: float
    pitch_spread: float


def recovery(found: Cameras, truth: Float[ndarray, "N 2"]) -> CameraRecovery:
    """How far a recovered distribution is from the true angles (radians)."""
    yaw, pitch = found.spread()
    means, spreads = truth.mean(0), truth.std(0)
    return CameraRecovery(
        yaw_mean=degrees(yaw.mean - means[0]),
        pitch_mean=degrees(pitch.mean - means[1]),
        yaw_spread=yaw.deviation / spreads[0] - 1.0,
        pitch_spread=pitch.deviation / spreads[1] - 1.0,
    )


@torch.no_grad()
def recovery_of_samples(
    generator: TriPlaneGenerator, angles: Float[ndarray, "N 2"], *, seed: int = 0,
    detector: Detector = detect_face, progress: Progress = SILENT,
) -> CameraRecovery:  # fmt: skip
    """How well the cameras of samples of a generator, rendered from known angles, are recovered
    from their images alone."""
    like = next(generator.parameters())
    rng, seen, kept = torch.Generator().manual_seed(seed), [], []
    progress.stage("Recover known cameras", len(angles))
    for yaw, pitch in counted(angles, progress):
        z = torch.randn(1, generator.config.z_dim, generator=rng).to(like)
        camera = torch.from_numpy(to_eg3d(eg3d_orbit(float(yaw), float(pitch)))).to(like)[None]
        shown = generator.synthesize(canonical(generator, z), camera)
        found = image_keypoints(shown.image, detector)
        if found is not None:
            seen.append(found)
            kept.append((yaw, pitch))
    return recovery(cameras_of_keypoints(generator, seen, detector=detector), np.array(kept))


@dataclass(frozen=True)
class PlaneShares:
    """How much of the difference between two people changes with one or two of their planes, in
    [0, 1]: of the image's squared error, and of the Chamfer distance of depth maps."""

    front_image: float
    front_chamfer: float
    others_image: float
    others_chamfer: float


@torch.no_grad()
def front_plane_analysis(
    generator: TriPlaneGenerator, *, pairs: int, seed: int = 0, progress: Progress = SILENT
) -> PlaneShares:  # fmt: skip
    """Swap the front plane, or both others, of pairs of random people (supplement, "importance of
    front tri-plane features"): 1 - distance to the other person / distance before."""
    like, rows = next(generator.parameters()), []
    rng = torch.Generator().manual_seed(seed)
    progress.stage("Swap planes", pairs)
    for _ in counted(range(pairs), progress):
        z = torch.randn(2, generator.config.z_dim, generator=rng).to(like)
        front, ws = _front(z), canonical(generator, z)
        a, b = generator.planes(ws).split(1)
        views = []
        for planes in (a, b, _swapped(a, b, front=True), _swapped(a, b, front=False)):
            volume = _volume(generator, planes, front)
            views.append((volume.features[:, :3], _points(volume, front)))
        apart, gap = _distances(views[0], views[1])
        row: list[float] = []
        for view in views[2:]:
            image, points = _distances(view, views[1])
            row += [1.0 - image / apart, 1.0 - points / gap]
        rows.append(row)
    return PlaneShares(*(float(x) for x in np.mean(rows, axis=0)))


def _swapped(a: Tensor, b: Tensor, *, front: bool) -> Tensor:
    """The planes of a with the front plane, or both others, of b."""
    kept, taken = (a, b) if front else (b, a)
    return torch.cat([taken[:, : FRONT + 1], kept[:, FRONT + 1 :]], 1)


def _distances(one: tuple[Tensor, ndarray], other: tuple[Tensor, ndarray]) -> tuple[float, float]:
    return float((one[0] - other[0]).square().mean()), chamfer(one[1], other[1])


def _front(like: Tensor) -> Float[Tensor, "1 25"]:
    return torch.from_numpy(to_eg3d(eg3d_orbit(0.0, 0.0))).to(like)[None]


def _volume(network: TriPlaneGenerator, planes: Tensor, camera: Tensor):
    return network.render(planes, camera, deterministic=True)


def _image(
    network: TriPlaneGenerator, planes: Tensor, ws: Tensor, camera: Tensor
) -> Float[Tensor, "1 3 R R"]:
    volume = network.render(planes, camera.to(planes), deterministic=True)
    return network.upsample(volume.features, ws)


def _moments(volume) -> tuple[float, float]:
    mask = volume.opacity[0, 0].cpu().numpy() > SOLID
    if not mask.any():
        return 0.0, 0.0
    return depth_moments(volume.depth[0, 0].cpu().numpy(), mask)


def _points(volume, camera: Float[Tensor, "1 25"]) -> Float[ndarray, "M 3"]:
    """The visible surface as points, EG3D units."""
    origins, directions = make_rays(camera, volume.depth.shape[-1])
    mask = volume.opacity.flatten() > SOLID
    places = origins[0] + volume.depth.flatten()[:, None] * directions[0]
    return places[mask].double().cpu().numpy()


def _true_points(person: PersonViews) -> Float[ndarray, "M 3"]:
    """The visible surface of a person's first view."""
    camera = torch.from_numpy(person.cameras[:1]).float()
    depth = torch.from_numpy(person.depth[0]).flatten()
    origins, directions = make_rays(camera, person.depth.shape[-1])
    places = origins[0] + depth[:, None] * directions[0]
    return places[depth > 0].double().numpy()
