"""The identity network: shapes, unit length, where it looks, and a two-step training run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from portraiture.data.distort import background_pool
from portraiture.data.face_set import FaceSet
from portraiture.errors import TrainingError
from portraiture.perception.faces_data import FaceData
from portraiture.perception.identity import IdentityConfig, IdentityNetwork, face_crop, similarity
from portraiture.perception.presets import IDENTITY
from portraiture.perception.train_identity import TrainIdentity
from portraiture.train.distributed import World
from portraiture.train.log import read_log
from portraiture.train.loop import run_recipe

TINY = IdentityConfig(width=4, neck=8, embedding=12, size=32)


def test_embeddings_are_unit_vectors_of_each_face_alone() -> None:
    torch.manual_seed(0)
    network = IdentityNetwork(TINY).eval()
    faces = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        embeddings = network(faces)
        alone = network(faces[1:2])
        assert network.features(faces).shape == (3, 32)
    assert embeddings.shape == (3, 12)
    np.testing.assert_allclose(embeddings.norm(dim=1).numpy(), 1.0, atol=1e-5)
    np.testing.assert_allclose(alone[0].numpy(), embeddings[1].numpy(), atol=1e-5)
    np.testing.assert_allclose(similarity(embeddings, embeddings).numpy(), 1.0, atol=1e-5)


def test_default_fits_its_file() -> None:
    with torch.device("meta"):
        network = IdentityNetwork(IdentityConfig())
    assert sum(t.numel() for t in network.state_dict().values()) * 2 < 12e6


def test_face_crop_is_a_box_of_the_picture_and_differentiable() -> None:
    y, x = torch.meshgrid(torch.arange(100.0), torch.arange(100.0), indexing="ij")
    images = torch.stack([x, y, x * 0])[None].requires_grad_()
    face = face_crop(images, 21)
    centre = face[0, :, 10, 10].detach().numpy()
    np.testing.assert_allclose(centre, [49.5, 49.5, 0.0], atol=1e-3)
    low, high = face[0, 0].min().item(), face[0, 0].max().item()
    assert 8 < low < 12 and 88 < high < 91
    face.sum().backward()
    assert images.grad is not None and images.grad[0, 0, 50, 50] > 0
    assert images.grad[0, 0, 2, 2] == 0


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
