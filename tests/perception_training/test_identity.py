"""The identity network's recipe: a two-step training run, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from portraiture.data.distort import background_pool
from portraiture.data.face_set import FaceSet
from portraiture.errors import TrainingError
from portraiture.perception.identity import IdentityConfig
from portraiture.perception_training.faces_data import FaceData
from portraiture.perception_training.identity import TrainIdentity
from portraiture.perception_training.presets import IDENTITY
from portraiture.train.distributed import World
from portraiture.train.log import read_log
from portraiture.train.loop import run_recipe

TINY = IdentityConfig(width=4, neck=8, embedding=12, size=32)


def toy_faces(people: int = 5, side: int = 32) -> FaceData:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (people, 2, side, side, 3), np.uint8)
    alpha = np.full((people, 2, side, side), 255, np.uint8)
    labels = rng.integers(0, 19, (people, 2, side, side), np.uint8)
    return FaceData(FaceSet(images, alpha, labels), background_pool(2, side, 0))


def test_training_runs_and_is_repeatable(tmp_path: Path) -> None:
    recipe = TrainIdentity(IDENTITY["tiny"], toy_faces())
    weights = []
    for out in (tmp_path / "a", tmp_path / "b"):
        outcome = run_recipe(recipe, out, world=World())
        assert outcome.finished and (out / "networks" / "identity.safetensors").exists()
        weights.append(outcome.state.averages["identity"].state_dict())
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])
    assert read_log(tmp_path / "a" / "log.jsonl")[-1]["step"] == 2


def test_more_people_than_directions_are_refused() -> None:
    with pytest.raises(TrainingError, match="9 people, the preset takes 8"):
        TrainIdentity(IDENTITY["tiny"], toy_faces(9)).build(World())
