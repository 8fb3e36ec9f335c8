"""The parser's recipe: its loss by hand and a two-step training run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from portraiture.data.distort import background_pool
from portraiture.data.face_set import FaceSet
from portraiture.perception.parser import ParserConfig
from portraiture.perception_training.faces_data import FaceData
from portraiture.perception_training.parser import RARE, TrainParser, coloured, parsing_loss
from portraiture.perception_training.presets import PARSER
from portraiture.train.distributed import World
from portraiture.train.loop import run_recipe
from portraiture.types import Segment

TINY = ParserConfig(widths=(4, 4, 8, 8), size=32)


def test_loss_by_hand() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 19, 3, 4))
    labels = rng.choice([Segment.SKIN, Segment.LEFT_EYE, Segment.HAIR], (2, 3, 4))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    weight = np.array([RARE.get(Segment(k), 1.0) for k in range(19)])
    at = [(b, i, j) for b in range(2) for i in range(3) for j in range(4)]
    w = [weight[labels[q]] for q in at]
    entropy = -sum(
        v * np.log(p[q[0], labels[q], q[1], q[2]]) for v, q in zip(w, at, strict=True)
    ) / sum(w)
    dice = []
    for k in np.unique(labels):
        true = labels == k
        dice.append(1 - 2 * (p[:, k] * true).sum() / (p[:, k].sum() + true.sum()))
    found = parsing_loss(torch.from_numpy(logits).float(), torch.from_numpy(labels), dice=0.5)
    assert float(found) == pytest.approx(entropy + 0.5 * np.mean(dice), abs=1e-5)


def test_colours_tell_classes_apart() -> None:
    images = coloured(torch.arange(19).view(1, 1, 19))
    assert images.shape == (1, 3, 1, 19)
    assert len({tuple(c) for c in images[0, :, 0].T.tolist()}) == 19


def test_training_learns_a_flat_image(tmp_path: Path) -> None:
    """Two steps run, are repeatable, and move towards the only label there is."""
    images = np.full((3, 2, 32, 32, 3), 90, np.uint8)
    alpha = np.full(images.shape[:4], 255, np.uint8)
    labels = np.full(images.shape[:4], Segment.HAIR, np.uint8)
    data = FaceData(FaceSet(images, alpha, labels), background_pool(2, 32, 0))
    recipe = TrainParser(PARSER["tiny"], data)
    first = run_recipe(recipe, tmp_path / "a", world=World())
    again = run_recipe(recipe, tmp_path / "b", world=World())
    a, b = (o.state.models["parser"].state_dict() for o in (first, again))
    assert first.finished and all(torch.equal(a[k], b[k]) for k in a)
    assert (tmp_path / "a" / "networks" / "parser.safetensors").exists()
    moved = first.state.models["parser"].get_parameter("head.bias")
    torch.manual_seed(recipe.run.seed)
    fresh = recipe.build(World()).models["parser"].get_parameter("head.bias")
    assert (moved - fresh)[Segment.HAIR] > (moved - fresh)[Segment.SKIN]
