"""The portrait parser's losses by hand, what a batch holds, and that it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from people_cases import sphere_person

from portraiture.cli.recipes import Choices, make_recipe
from portraiture.data.distort import background_pool
from portraiture.data.labelled_photos import UNKNOWN, LabelledPhoto, LabelledPhotos, save_labelled
from portraiture.errors import TrainingError
from portraiture.people.people_file import person_path, save_person
from portraiture.perception.looks import LOOKS, NAMES
from portraiture.perception_training.parser import parsing_loss
from portraiture.perception_training.portrait_parser import (
    SMOOTHING,
    TrainPortraitParser,
    looks_loss,
    seen_loss,
)
from portraiture.perception_training.presets import PORTRAIT_PARSER
from portraiture.train.distributed import World
from portraiture.train.loop import run_recipe
from portraiture.types import Segment

GLASSES, SEX = NAMES.index("glasses"), NAMES.index("sex")


def _logits(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_unknown_pixels_count_nothing() -> None:
    logits = _logits(2, 19, 3, 4)
    labels = torch.from_numpy(np.random.default_rng(1).choice([1, 4, 13], (2, 3, 4)))
    labels[:, :, 2:] = UNKNOWN
    logits.requires_grad_()
    found = parsing_loss(logits, labels, dice=0.5)
    alone = parsing_loss(logits[..., :2], labels[..., :2], dice=0.5)
    assert float(found.detach()) == pytest.approx(float(alone.detach()), abs=1e-6)
    found.backward()
    assert logits.grad is not None
    assert (logits.grad[..., 2:] == 0.0).all()
    assert (logits.grad[..., :2] != 0.0).any()


def test_looks_by_hand() -> None:
    sizes = [len(LOOKS[name]) for name in NAMES]
    logits = _logits(3, sum(sizes))
    looks = torch.full((3, len(NAMES)), -1)
    assert float(looks_loss(logits, looks)) == 0.0
    looks[:, GLASSES] = torch.tensor([2, -1, 0])
    looks[1, SEX] = 1
    log = [part.log_softmax(1) for part in logits.split(sizes, 1)]

    def smooth(name: int, row: int) -> torch.Tensor:
        scores = log[name][row]
        return -(1.0 - SMOOTHING) * scores[looks[row, name]] - SMOOTHING * scores.mean()

    by_hand = 0.5 * (smooth(GLASSES, 0) + smooth(GLASSES, 2)) + smooth(SEX, 1)
    assert float(looks_loss(logits, looks)) == pytest.approx(float(by_hand) / len(NAMES), abs=1e-6)


def test_glasses_that_were_seen_are_asked_for() -> None:
    logits = _logits(3, 19, 20, 40)
    looks = torch.full((3, len(NAMES)), -1)
    looks[0, GLASSES] = 0
    assert float(seen_loss(logits, looks)) == 0.0
    looks[1, GLASSES] = 3
    p = np.exp(logits[1].double().numpy())
    best = np.sort((p / p.sum(0))[Segment.GLASSES].ravel())[-2:]  # two of 800 pixels
    found = seen_loss(logits, looks)
    assert float(found) == pytest.approx(float(-np.log(best).mean()), abs=1e-5)


def _flat(segment: Segment, count: int = 3) -> LabelledPhotos:
    """Grey images of one label, by people with thick glasses."""
    looks = torch.full((count, len(NAMES)), -1, dtype=torch.int8)
    looks[:, GLASSES] = LOOKS["glasses"].index("thick")
    return LabelledPhotos(
        images=torch.full((count, 3, 32, 32), 90, dtype=torch.uint8),
        alpha=torch.full((count, 1, 32, 32), 255, dtype=torch.uint8),
        labels=torch.full((count, 32, 32), int(segment), dtype=torch.uint8),
        frames=torch.tensor([[0.5, 0.5, 1.0]]).repeat(count, 1),
        looks=looks,
        chance=torch.ones(count),
    )


def _recipe() -> TrainPortraitParser:
    data = {name: _flat(Segment.HAIR) for name in ("portraits", "pictures", "cutouts")}
    return TrainPortraitParser(PORTRAIT_PARSER["tiny"], data, background_pool(2, 32, 0))


def test_batches_have_their_shares() -> None:
    recipe = _recipe()
    recipe.data["portraits"].chance[:2] = 0.0
    batch = recipe.batch(0, 20, torch.Generator().manual_seed(0))
    counts = {name: len(rows) for name, rows in batch.items() if name != "seed"}
    assert counts == {"portraits": 10, "pictures": 6, "cutouts": 4}
    assert (batch["portraits"] == 2).all()
    del recipe.data["pictures"]
    batch = recipe.batch(0, 20, torch.Generator().manual_seed(0))
    assert (len(batch["portraits"]), len(batch["cutouts"])) == (10, 10)


def test_training_learns_a_flat_image(tmp_path: Path) -> None:
    """Two steps run, are repeatable, and move towards the only label and the only look."""
    recipe = _recipe()
    first = run_recipe(recipe, tmp_path / "a", world=World())
    again = run_recipe(_recipe(), tmp_path / "b", world=World())
    a, b = (o.state.models["portrait-parser"].state_dict() for o in (first, again))
    assert first.finished
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert (tmp_path / "a" / "networks" / "portrait-parser.safetensors").exists()
    torch.manual_seed(recipe.run.seed)
    fresh = recipe.build(World()).models["portrait-parser"].state_dict()
    pixels = a["pixels.head.bias"] - fresh["pixels.head.bias"]
    assert pixels[Segment.HAIR] > pixels[Segment.SKIN]
    start = sum(len(LOOKS[name]) for name in NAMES[:GLASSES])
    glasses = (a["looks.out.bias"] - fresh["looks.out.bias"])[start : start + 4]
    assert int(glasses.argmax()) == LOOKS["glasses"].index("thick")
    assert (glasses[:3] < 0.0).all()


def test_portraits_must_be_given(tmp_path: Path) -> None:
    people, photos = tmp_path / "people", tmp_path / "photos"
    people.mkdir()
    photos.mkdir()
    for k in range(2):
        save_person(sphere_person(seed=k), person_path(people, k))
    choices = Choices(preset="tiny", data=people)
    with pytest.raises(TrainingError, match=r"label_portraits\.py with --photos"):
        make_recipe("portrait-parser", choices)
    with pytest.raises(TrainingError, match=r"holds no portraits\.safetensors"):
        make_recipe("portrait-parser", replace(choices, photos=photos))
    with pytest.raises(TrainingError, match="not for parser"):
        make_recipe("parser", replace(choices, photos=photos))
    labels = np.full((48, 48), Segment.SKIN, np.uint8)
    frame, looks = np.array([0.5, 0.5, 0.6], np.float32), np.full(len(NAMES), -1, np.int8)
    photo = LabelledPhoto(np.full((48, 48, 3), 90, np.uint8), labels, frame, looks)
    save_labelled([photo], photos / "portraits.safetensors")
    recipe = make_recipe("portrait-parser", replace(choices, photos=photos))
    assert isinstance(recipe, TrainPortraitParser)
    assert {name: len(found) for name, found in recipe.data.items()} == {
        "portraits": 1, "cutouts": 4,
    }  # fmt: skip
    images, found, _ = recipe.augment(recipe.batch(0, 4, torch.Generator().manual_seed(0)))
    assert images.shape == (4, 3, 32, 32)
    assert found.shape == (4, 32, 32)
