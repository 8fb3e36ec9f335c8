"""How well methods read the engine's parameters off a photo, on avatars whose vector is known.

held-out avatar ─engine─▶ photo before a background ─method─▶ parameters ─engine─▶ normalised render
parameters ◀─▶ the avatar's: choices right, error of the numbers that show
render ◀─▶ the avatar's own: perceptual and identity distance
Letters: n side of a photo, k values of a choice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from portraiture.engine.parameters import DISCRETE, AvatarParameters
from portraiture.engine.sample import sample_parameters
from portraiture.errors import PhotoError
from portraiture.metrics.extractors import FeatureExtractor
from portraiture.metrics.perceptual import ImageDistance
from portraiture.parametrize.run import engine_image
from portraiture.parametrize.vector import NUMBERS, numbers_of, shown_numbers, vector_of
from portraiture.people.backgrounds import sample_background
from portraiture.people.pairs import photo_view
from portraiture.people.views import over
from portraiture.progress import SILENT, Progress, raise_if_cancelled

HELD_OUT = 0x9A12
"""Seed of the people."""
PHOTO_SIZE, RENDER_SIZE = 512, 256

Method = Callable[[UInt8[ndarray, "n n 3"]], AvatarParameters]
"""Photo, an EG3D crop, to parameters. Raises PhotoError where it cannot be read."""


@dataclass(frozen=True)
class Found:
    """What a method found of one avatar. right: of each choice. errors: absolute, of each number
    that shows. perceptual: distance, identity: 1 - cosine, of the renders. seconds: it took."""

    truth: AvatarParameters
    parameters: AvatarParameters
    right: Mapping[str, bool]
    errors: Mapping[str, float]
    perceptual: float
    identity: float
    seconds: float


@dataclass(frozen=True)
class Row:
    """Means over people of one method. accuracy: of each choice; mean_accuracy: of all of them.
    error: mean of all numbers that show. failed: photos that it could not read."""

    method: str
    count: int
    failed: int
    mean_accuracy: float
    accuracy: Mapping[str, float]
    error: float
    perceptual: float
    identity: float
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class MetricNetworks:
    """The networks that the image metrics look through."""

    perceptual: ImageDistance
    identity: FeatureExtractor


def bench(
    methods: Mapping[str, Method], metrics: MetricNetworks, *, people: int,
    progress: Progress = SILENT,
) -> dict[str, list[Found | None]]:  # fmt: skip
    """What every method finds of held-out people; None where it cannot read a photo."""
    found: dict[str, list[Found | None]] = {name: [] for name in methods}
    progress.stage("Parametrize held-out people", people * len(methods))
    for index in range(people):
        truth, photo = held_out_photo(index)
        own = engine_image(truth, size=RENDER_SIZE)
        for name, method in methods.items():
            found[name].append(_found(method, truth, photo, own, metrics))
            progress.step()
            raise_if_cancelled(progress)
    return found


def held_out_photo(index: int) -> tuple[AvatarParameters, UInt8[ndarray, "n n 3"]]:
    """A person that no training has seen, and a photo of it."""
    rng = np.random.default_rng([HELD_OUT, index])
    truth = sample_parameters(int(rng.integers(1 << 62)))
    view = photo_view(rng, truth, size=PHOTO_SIZE)
    return truth, over(view.rgba, sample_background(rng, PHOTO_SIZE))


def _found(
    method: Method, truth: AvatarParameters, photo: UInt8[ndarray, "n n 3"],
    own: UInt8[ndarray, "r r 3"], metrics: MetricNetworks,
) -> Found | None:  # fmt: skip
    start = time.perf_counter()
    try:
        parameters = method(photo)
    except PhotoError:
        return None
    seconds = time.perf_counter() - start
    images = [_tensor(image) for image in (engine_image(parameters, size=RENDER_SIZE), own)]
    embeddings = [metrics.identity.extract(image)[0] for image in images]
    return Found(
        truth=truth,
        parameters=parameters,
        right={name: getattr(parameters, name) == getattr(truth, name) for name in DISCRETE},
        errors=number_errors(parameters, truth),
        perceptual=float(metrics.perceptual.measure(images[0], images[1])[0]),
        identity=1.0 - float(torch.nn.functional.cosine_similarity(*embeddings, dim=0)),
        seconds=seconds,
    )


def number_errors(found: AvatarParameters, truth: AvatarParameters) -> dict[str, float]:
    """Absolute error of each number that shows in the truth."""
    vectors = [vector_of(one)[None] for one in (found, truth)]
    away = (numbers_of(vectors[0]) - numbers_of(vectors[1])).abs()[0].tolist()
    shown = shown_numbers(vectors[1])[0].tolist()
    return {name: error for name, error, seen in zip(NUMBERS, away, shown, strict=True) if seen}


def summarised(method: str, found: list[Found | None]) -> Row:
    """The means of one method; nan where it read no photo."""
    read = [one for one in found if one is not None]

    def mean(values: list[float]) -> float:
        return float(np.mean(values)) if values else float("nan")

    accuracy = {name: mean([float(one.right[name]) for one in read]) for name in DISCRETE}
    return Row(
        method=method,
        count=len(found),
        failed=len(found) - len(read),
        mean_accuracy=mean(list(accuracy.values())),
        accuracy=accuracy,
        error=mean([mean(list(one.errors.values())) for one in read]),
        perceptual=mean([one.perceptual for one in read]),
        identity=mean([one.identity for one in read]),
        seconds=mean([one.seconds for one in read]),
    )


def confusion(found: list[Found | None], name: str) -> Int[ndarray, "k k"]:
    """How often each value of a choice (rows) was read as each (columns)."""
    choices = DISCRETE[name]
    counts = np.zeros((len(choices), len(choices)), np.int64)
    for one in found:
        if one is not None:
            row, column = (choices.index(getattr(p, name)) for p in (one.truth, one.parameters))
            counts[row, column] += 1
    return counts


def confusion_image(counts: Int[ndarray, "k k"], *, cell: int = 12) -> UInt8[ndarray, "h w 3"]:
    """Counts as squares: black none, white all of a row; right ones are framed by a grid."""
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    squares = np.kron(share, np.ones((cell, cell)))
    image = np.repeat((squares * 255.0 + 0.5).astype(np.uint8)[..., None], 3, 2)
    image[::cell] = image[:, ::cell] = (64, 64, 96)
    return image


def _tensor(image: UInt8[ndarray, "r r 3"]) -> Float[torch.Tensor, "1 3 r r"]:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1.0
