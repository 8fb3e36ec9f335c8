"""How well methods of inversion do on people whose truth is known: tables in the form of GOAE's
(Yuan et al., ICCV 2023, tables 1 to 3).

held-out z ─engine─▶ views at known yaws ─each before a background─▶ method ─▶ head
head ─from the input's camera, and from those of the other views─▶ picture, depth ◀─▶ the engine's
Letters: V views, R side of an image.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import radians
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from skimage.metrics import structural_similarity
from torch import Tensor

from portraiture.camera import split_eg3d
from portraiture.invert.inversion import Inversion, InversionMethod
from portraiture.meshing.head_mesh import pixels_of
from portraiture.metrics.extractors import FeatureExtractor
from portraiture.metrics.perceptual import ImageDistance
from portraiture.metrics.psnr import face_mask, psnr
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.people.backgrounds import sample_background
from portraiture.people.latent import sample_latents
from portraiture.people.people import render_person
from portraiture.people.people_file import PersonViews
from portraiture.perception.portrait_parser import PortraitParser
from portraiture.perception.target import Target, make_target
from portraiture.progress import SILENT, Progress, raise_if_cancelled
from portraiture.triplane.visibility import SOLID

YAWS: tuple[float, ...] = tuple(radians(yaw) for yaw in (-60, -30, 0, 30, 60))
HELD_OUT_SEED = 0xBE7C
BACKGROUND_SEED = 0xBAC6

Where = Literal["input", "novel"]


@dataclass(frozen=True)
class Scores:
    """mse, psnr, ssim: of the whole image over white, in [0, 1]. perceptual: distance. identity:
    cosine. depth: mean squared difference of depths inside the face where the head is, each of mean
    0 and variance 1 there. missed: share of the face where the head is not.
    seconds: from the crop to the head."""

    mse: float
    psnr: float
    ssim: float
    perceptual: float
    identity: float
    depth: float
    missed: float
    seconds: float


@dataclass(frozen=True)
class Row:
    """Means over people: a method, inputs turned by |yaw| degrees, seen from the input's view or at
    the others."""

    method: str
    yaw: int
    where: Where
    count: int
    scores: Scores


@dataclass(frozen=True)
class MetricNetworks:
    """The networks that the metrics look through, and whose names the scores carry."""

    parser: PortraitParser
    perceptual: ImageDistance
    identity: FeatureExtractor


def bench(
    methods: Mapping[str, InversionMethod],
    generator: TriPlaneGenerator,
    metrics: MetricNetworks,
    *,
    people: int,
    yaws: Sequence[float] = YAWS,
    inputs: Sequence[int] | None = None,
    slow: Collection[str] = (),
    progress: Progress = SILENT,
) -> list[Row]:
    """Every method on views of held-out people. inputs: numbers of the views that are inverted, all
    by default; each head is compared from all of them. slow: methods whose first run, in which
    kernels are compiled and pages fetched, is not worth another.
    """
    found: dict[tuple[str, int, Where], list[Scores]] = {}
    views = range(len(yaws))
    inputs = views if inputs is None else inputs
    progress.stage("Invert held-out people", people * len(methods))
    for index in range(people):
        person = held_out_person(index, yaws, generator.config.image_size)
        for name, method in methods.items():
            if index == 0 and name not in slow:
                method.invert([target_of_view(person, inputs[0], index, generator, metrics)])
            for view in inputs:
                start = time.perf_counter()
                inversion = method.invert([target_of_view(person, view, index, generator, metrics)])
                seconds = time.perf_counter() - start
                angle = round(float(np.degrees(abs(yaws[view]))))
                for other in views:
                    where: Where = "input" if other == view else "novel"
                    scores = score_view(inversion, person, (view, other), metrics, seconds)
                    found.setdefault((name, angle, where), []).append(scores)
            progress.step()
            raise_if_cancelled(progress)
    return [
        Row(name, angle, where, len(each), _mean(each))
        for (name, angle, where), each in found.items()
    ]


def held_out_person(index: int, yaws: Sequence[float], size: int) -> PersonViews:
    """A person that no training has seen, at these yaws."""
    z = sample_latents(1, HELD_OUT_SEED, first=index)[0]
    return render_person(z, np.array([(yaw, 0.0) for yaw in yaws]), size=size)


def target_of_view(
    person: PersonViews,
    view: int,
    index: int,
    generator: TriPlaneGenerator,
    metrics: MetricNetworks,
) -> Target:
    """A view before a background, as a photo; it is cut out as photos are."""
    size = person.rgb.shape[1]
    behind = sample_background(np.random.default_rng([BACKGROUND_SEED, index, view]), size)
    through = 1.0 - person.alpha[view][..., None] / 255.0
    crop = person.rgb[view] / 255.0 + through * (behind - 1.0)
    pixels = (np.clip(crop, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    camera = torch.from_numpy(person.cameras[view])[None]
    return make_target(pixels, camera, generator, metrics.parser)


@torch.no_grad()
def score_view(
    found: Inversion,
    person: PersonViews,
    views: tuple[int, int],
    metrics: MetricNetworks,
    seconds: float,
) -> Scores:
    """One view of a head against the engine's. views: the input's and the one to compare."""
    given, view = views
    cameras = torch.from_numpy(person.cameras)[:, None].to(found.camera)
    camera = seen_from(found.camera, cameras[given], cameras[view])
    volume = found.generator.render(found.planes, camera, deterministic=True)
    image = found.generator.upsample(volume.features, found.ws).clamp(-1.0, 1.0)
    truth = torch.from_numpy(person.rgb[view]).permute(2, 0, 1)[None].to(image) / 127.5 - 1.0
    ours, theirs = pixels_of(image), pixels_of(truth)
    shown, wanted = metrics.identity.extract(image), metrics.identity.extract(truth)
    met = (volume.opacity[0, 0] > SOLID).cpu().numpy()
    inside = face_mask(person.segmentation[view])
    depth, missed = geometry_error(
        volume.depth[0, 0].cpu().numpy(), met, person.depth[view], inside
    )
    similar: Any = structural_similarity(ours, theirs, channel_axis=2, data_range=1.0)
    return Scores(
        mse=float(np.square(ours - theirs).mean()),
        psnr=psnr(ours, theirs),
        ssim=float(similar),
        perceptual=float(metrics.perceptual.measure(image, truth)),
        identity=float(torch.cosine_similarity(shown, wanted, dim=1)),
        depth=depth,
        missed=missed,
        seconds=seconds,
    )


def seen_from(
    found: Float[Tensor, "1 25"], given: Float[Tensor, "1 25"], view: Float[Tensor, "1 25"]
) -> Float[Tensor, "1 25"]:
    """The camera of a view for a head whose input's camera came out elsewhere than it was given:
    moved as that one was."""
    if torch.equal(found, given):
        return view
    (ours, _), (theirs, _), (pose, intrinsics) = (split_eg3d(x) for x in (found, given, view))
    moved = ours @ torch.linalg.inv(theirs) @ pose
    return torch.cat([moved.flatten(1), intrinsics.flatten(1)], 1)


def geometry_error(
    depth: Float[ndarray, "n n"],
    met: Bool[ndarray, "n n"],
    truth: Float[ndarray, "R R"],
    face: Bool[ndarray, "R R"],
) -> tuple[float, float]:
    """Mean squared difference of two depth maps inside the face, each brought to mean 0 and
    variance 1 there, and the share of the face where rays meet no head. Such rays have no depth:
    before white, where it is that of the far end, one in a hundred of them would be most of the
    difference. The truth is sampled at the other's pixel centres. NaN without a face."""
    n, side = len(depth), len(truth)
    at = ((np.arange(n) + 0.5) * side / n).astype(int)
    wanted, inside = truth[np.ix_(at, at)], face[np.ix_(at, at)]
    inside = inside & (wanted > 0)
    both = inside & met
    if both.sum() < 2:
        return float("nan"), float("nan")
    ours, theirs = (_normalised(x[both]) for x in (depth, wanted))
    return float(np.square(ours - theirs).mean()), 1.0 - float(both.sum() / inside.sum())


def _normalised(values: ndarray) -> ndarray:
    values = np.asarray(values, np.float64)
    return (values - values.mean()) / max(values.std(), 1e-12)


def _mean(scores: Sequence[Scores]) -> Scores:
    """Of each score, over those that are numbers."""
    columns = {f.name: np.array([getattr(s, f.name) for s in scores]) for f in fields(Scores)}
    known = {name: values[~np.isnan(values)] for name, values in columns.items()}
    return Scores(
        **{name: float(v.mean()) if len(v) else float("nan") for name, v in known.items()}
    )


def rows_as_json(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Flat, a row each; None where a score is no number."""
    flat = []
    for row in rows:
        scores = {k: v if np.isfinite(v) else None for k, v in asdict(row.scores).items()}
        whole = asdict(row)
        del whole["scores"]
        flat.append({**whole, **scores})
    return flat
