"""Tables of restyling in the form of FF3D's (Ma et al. 2023, tables 1 and 2).

subjects × sentences × methods ─▶ images of neighbouring views ─▶ text score, consistency, identity,
seconds, and where the truth is known the difference to it
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from math import radians

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.evaluate.restyle_methods import Shown, StyleMethod, Subject, shown_from
from portraiture.evaluate.text_score import TextScore
from portraiture.metrics.consistency import Seen, view_difference
from portraiture.metrics.extractors import FeatureExtractor
from portraiture.metrics.psnr import psnr
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.ops.resize import resized
from portraiture.progress import SILENT, Progress, raise_if_cancelled
from portraiture.restyle.few_shot import cameras_at

YAWS: tuple[float, ...] = tuple(radians(yaw) for yaw in (-24, -12, 0, 12, 24))
"""Of the views that are scored; neighbours are compared with each other."""
Truth = Callable[[int, str, Tensor], Tensor]
"""Number of a subject, sentence, cameras (V, 25) → true images (V, 3, R, R) of the person so
changed, in [-1, 1]."""


@dataclass(frozen=True)
class StyleScores:
    """text: by the score of the bench's name. inconsistency: mean absolute difference of colours
    between neighbouring views after reprojection, in [0, 1]. identity: cosine with the subject.
    seconds: of the whole way. truth: PSNR against the engine's images of the changed person, dB;
    NaN where it has none."""

    text: float
    inconsistency: float
    identity: float
    seconds: float
    truth: float


@dataclass(frozen=True)
class StyleRow:
    """Means of a method over `count` subjects and sentences."""

    method: str
    count: int
    scores: StyleScores


def bench_styles(
    methods: Sequence[StyleMethod],
    generator: TriPlaneGenerator,
    subjects: Sequence[Subject],
    prompts: Sequence[str],
    text: TextScore,
    identity: FeatureExtractor,
    *,
    truth: Truth | None = None,
    yaws: Sequence[float] = YAWS,
    progress: Progress = SILENT,
) -> list[StyleRow]:
    """Every method on every subject and sentence. Raises CancelledError."""
    cameras = cameras_at([(yaw, 0.0) for yaw in yaws])
    found: dict[str, list[StyleScores]] = {method.name: [] for method in methods}
    progress.stage("Restyle", len(methods) * len(subjects) * len(prompts))
    for number, subject in enumerate(subjects):
        plain = shown_from(generator, subject, cameras)
        for prompt in prompts:
            true = None if truth is None else truth(number, prompt, cameras)
            for method in methods:
                begun = time.perf_counter()
                shown = method.restyle(generator, subject, prompt, cameras)
                seconds = time.perf_counter() - begun
                scores = score_style(shown, plain, cameras, prompt, text, identity, true)
                found[method.name].append(StyleScores(**{**asdict(scores), "seconds": seconds}))
                progress.step()
                raise_if_cancelled(progress)
    return [StyleRow(name, len(each), mean_scores(each)) for name, each in found.items()]


def score_style(
    shown: Shown,
    plain: Shown,
    cameras: Float[Tensor, "V 25"],
    prompt: str,
    text: TextScore,
    identity: FeatureExtractor,
    true: Float[Tensor, "V 3 R R"] | None = None,
) -> StyleScores:
    """Of one result; its seconds are NaN. plain: the subject before."""
    told = float("nan")
    if true is not None:
        pairs = zip(shown.images, resized(true, shown.images.shape[-1]), strict=True)
        values = [psnr(_pixels(ours), _pixels(theirs)) for ours, theirs in pairs]
        told = float(np.mean(values))
    alike = torch.cosine_similarity(
        identity.extract(shown.images), identity.extract(plain.images), dim=1
    )
    return StyleScores(
        text=text.score(shown.images, plain.images, prompt),
        inconsistency=inconsistency(shown, cameras),
        identity=float(alike.mean()),
        seconds=float("nan"),
        truth=told,
    )


def inconsistency(shown: Shown, cameras: Float[Tensor, "V 25"]) -> float:
    """Mean of `metrics.consistency.view_difference` over neighbours."""
    views = [
        Seen(*(part[None] for part in (image, depth, opacity, camera)))
        for image, depth, opacity, camera in zip(*shown, cameras.to(shown.depth), strict=True)
    ]
    values = [view_difference(a, b) for a, b in pairwise(views)]
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")


def _pixels(image: Float[Tensor, "3 R R"]) -> np.ndarray:
    return (image.detach().cpu() / 2.0 + 0.5).clamp(0.0, 1.0).permute(1, 2, 0).numpy()


def mean_scores(scores: Sequence[StyleScores]) -> StyleScores:
    """Of each score, over those that are numbers."""
    means: dict[str, float] = {}
    for name in (f.name for f in fields(StyleScores)):
        values = np.array([getattr(one, name) for one in scores])
        known = values[~np.isnan(values)]
        means[name] = float(known.mean()) if len(known) else float("nan")
    return StyleScores(**means)


def rows_as_json(rows: Sequence[StyleRow], text: TextScore) -> list[Mapping[str, object]]:
    """Flat, a row each, the text score under its own name; None where a score is no number."""
    flat = []
    for row in rows:
        values = {k: v if np.isfinite(v) else None for k, v in asdict(row.scores).items()}
        values = {text.name if k == "text" else k: v for k, v in values.items()}
        flat.append({"method": row.method, "count": row.count, **values})
    return flat
