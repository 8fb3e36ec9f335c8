from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from portraiture.engine.parameters import DISCRETE, AvatarParameters
from portraiture.engine.sample import sample_parameters
from portraiture.errors import PhotoError
from portraiture.evaluate.parametrize import (
    Found,
    MetricNetworks,
    bench,
    confusion,
    confusion_image,
    held_out_photo,
    number_errors,
    summarised,
)
from portraiture.metrics.extractors import FeatureExtractor
from portraiture.metrics.perceptual import ImageDistance


def found(truth: AvatarParameters, parameters: AvatarParameters) -> Found:
    right = {name: getattr(parameters, name) == getattr(truth, name) for name in DISCRETE}
    errors = number_errors(parameters, truth)
    return Found(truth, parameters, right, errors, 0.1, 0.2, 1.0)


@pytest.mark.slow
@pytest.mark.slow
def test_the_truth_scores_full_marks_and_a_photo_that_is_refused_counts_as_failed() -> None:
    metrics = MetricNetworks(
        ImageDistance("l1", lambda a, b: (a - b).abs().mean((1, 2, 3))),
        FeatureExtractor("pixels", lambda x: x.flatten(1)),
    )
    truth, photo = held_out_photo(0)

    def refuse(photo: Any) -> AvatarParameters:
        raise PhotoError("No.")

    results = bench({"truth": lambda photo: truth, "none": refuse}, metrics, people=1)
    best, none = (summarised(name, each) for name, each in results.items())
    assert (best.mean_accuracy, best.error, best.perceptual) == (1.0, 0.0, 0.0)
    assert best.identity == pytest.approx(0.0, abs=1e-5) and best.failed == 0
    assert (none.failed, none.count) == (1, 1) and np.isnan(none.mean_accuracy)
    assert photo.shape == (512, 512, 3)


def test_errors_are_of_what_shows() -> None:
    truth = replace(sample_parameters(1), beard_style="none", age=0.5)
    other = replace(truth, age=0.6, beard_length=min(truth.beard_length + 0.3, 1.0))
    errors = number_errors(other, truth)
    assert errors["age"] == pytest.approx(0.1, abs=1e-6)
    assert "beard_length" not in errors and max(errors.values()) == errors["age"]


def test_confusions_count_every_avatar_once() -> None:
    base = sample_parameters(1)
    pairs = [("none", "none"), ("none", "goatee"), ("goatee", "goatee"), ("goatee", "none")]
    results: list[Found | None] = [
        found(replace(base, beard_style=a), replace(base, beard_style=b)) for a, b in pairs
    ]
    counts = confusion([*results, None], "beard_style")
    names = DISCRETE["beard_style"]
    expected = Counter(pairs)
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            assert counts[i, j] == expected[a, b]
    image = confusion_image(counts, cell=6)
    at = names.index("goatee")
    assert image[6 * at + 3, 3, 0] == 128 and image.shape == (48, 48, 3)
    row = summarised("some", results)
    assert row.accuracy["beard_style"] == 0.5
    assert row.mean_accuracy == pytest.approx((len(DISCRETE) - 0.5) / len(DISCRETE))
