"""Augmentation on the device: against Pillow's JPEG, and pixel by pixel where nothing is random."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from portraiture.data.augment import (
    Augmentation,
    BatchRng,
    augmented,
    compressed,
    cropped,
    dyed,
    occluded,
    over_backgrounds,
)
from portraiture.data.distort import background_pool
from portraiture.data.labelled_photos import UNKNOWN, LabelledPhotos
from portraiture.perception.looks import NAMES
from portraiture.photo.demo_photo import demo_photo
from portraiture.types import Segment

CPU = torch.device("cpu")
STILL = Augmentation(16, zoom=(1.0, 1.0), turn=0.0, shift=0.0)
BACKGROUND, SKIN, CLOTH = (int(s) for s in (Segment.BACKGROUND, Segment.SKIN, Segment.CLOTH))


def _rng(count: int, seed: int = 0) -> BatchRng:
    return BatchRng(torch.Generator().manual_seed(seed), CPU, count)


def _images(count: int, side: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def _photos(count: int = 4, side: int = 32) -> LabelledPhotos:
    """Images of noise; their lower halves are cloth, and the left of that is unknown."""
    labels = torch.full((count, side, side), SKIN, dtype=torch.uint8)
    labels[:, side // 2 :] = CLOTH
    labels[:, side // 2 :, : side // 4] = UNKNOWN
    return LabelledPhotos(
        images=(_images(count, side) * 255).to(torch.uint8),
        alpha=torch.full((count, 1, side, side), 255, dtype=torch.uint8),
        labels=labels,
        frames=torch.tensor([[0.5, 0.5, 1.0]]).repeat(count, 1),
        looks=torch.full((count, len(NAMES)), -1, dtype=torch.int8),
        chance=torch.ones(count),
    )


@pytest.mark.parametrize("quality", [25, 60, 90])
def test_compression_is_pillows(quality: int) -> None:
    photo = np.array(Image.open(demo_photo()).convert("RGB"))[32:288, 96:352]
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    theirs = np.asarray(Image.open(file), np.float32)
    image = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255.0
    ours = compressed(image, torch.full((1, 1, 1, 1), float(quality)))
    found = ours[0].permute(1, 2, 0).numpy() * 255.0
    assert np.abs(found - theirs).mean() < 1.0  # they round at every stage
    assert np.abs(found - theirs).mean() < 0.4 * np.abs(photo - theirs).mean()
    assert np.abs((found - theirs).mean((0, 1))).max() < 0.3


def test_the_best_quality_changes_greys_by_rounding_alone() -> None:
    grey = _images(2, 32)[:, :1].expand(-1, 3, -1, -1)
    found = compressed(grey, torch.full((2, 1, 1, 1), 100.0))
    assert float((found - grey).square().mean().sqrt()) < 0.3 / 255.0 * 1.05
    assert float((compressed(grey, torch.full((2, 1, 1, 1), 20.0)) - grey).abs().mean()) > 0.01


def test_each_image_has_its_own_quality() -> None:
    both = _images(1, 32).repeat(2, 1, 1, 1)
    found = compressed(both, torch.tensor([95.0, 20.0]).view(2, 1, 1, 1))
    for k, quality in enumerate((95.0, 20.0)):
        alone = compressed(both[:1], torch.full((1, 1, 1, 1), quality))
        assert torch.allclose(found[k], alone[0], atol=1e-6)


def test_crops_are_the_frames_own_pixels_and_mirrored_ones_swap_sides() -> None:
    count = 16
    images = _images(count, 32)
    labels = torch.full((count, 32, 32), int(Segment.LEFT_EYE), dtype=torch.uint8)
    labels[:, :, 16:] = UNKNOWN
    labels[:, 20:, :16] = CLOTH
    frames = torch.tensor([[0.5, 0.5, 0.5]]).repeat(count, 1)
    found, classes = cropped(images, labels, frames, STILL, _rng(count))
    own, expected = images[:, :, 8:24, 8:24], labels[:, 8:24, 8:24].long()
    swapped = torch.where(expected == Segment.LEFT_EYE, int(Segment.RIGHT_EYE), expected).flip(-1)
    plain = (found - own).abs().amax((1, 2, 3)) < 1e-5
    mirrored = (found - own.flip(-1)).abs().amax((1, 2, 3)) < 1e-5
    assert (plain ^ mirrored).all()
    assert 2 < int(mirrored.sum()) < 14
    for k in range(count):
        assert torch.equal(classes[k], swapped[k] if mirrored[k] else expected[k])


def test_nothing_is_known_outside_the_image() -> None:
    images = _images(8, 32)
    labels = torch.full((8, 32, 32), SKIN, dtype=torch.uint8)
    frames = torch.tensor([[0.0, 0.5, 0.5]]).repeat(8, 1)
    found, classes = cropped(images, labels, frames, STILL, _rng(8))
    outside = classes == UNKNOWN
    left, right = outside[:, :, :8].all((1, 2)), outside[:, :, 8:].all((1, 2))
    assert (left ^ right).all()
    assert (outside.sum((1, 2)) == 16 * 8).all()
    assert (classes[~outside] == SKIN).all()
    unmirrored = found[left][:, :, :, 8:]
    assert torch.allclose(unmirrored, images[left][:, :, 8:24, :8], atol=1e-5)


@pytest.mark.parametrize("hands", [0.0, 1.0])
def test_what_is_covered_is_background(hands: float) -> None:
    images = torch.full((32, 3, 64, 64), -1.0)  # which no occluder has
    labels = torch.full((32, 64, 64), SKIN)
    labels[:, 32:] = UNKNOWN
    how = replace(STILL, size=64, occlude=0.7, hands=hands)
    found, classes = occluded(images, labels, how, _rng(32))
    changed = (found != images).any(1)
    assert torch.equal(changed, classes == BACKGROUND)
    assert torch.equal(classes[~changed], labels[~changed])
    touched = changed.any(2).any(1)
    assert 8 < int(touched.sum()) < 32
    assert float(changed[touched].float().mean()) < 0.6


def test_hands_are_as_the_face() -> None:
    skin = torch.tensor([0.8, 0.5, 0.2]).view(1, 3, 1, 1)
    images = torch.ones(16, 3, 64, 64)
    labels = torch.full((16, 64, 64), CLOTH)
    labels[:, 24:40, 24:40] = SKIN
    images = torch.where((labels == SKIN)[:, None], skin, images)
    how = replace(STILL, size=64, occlude=1.0, hands=1.0)
    found, classes = occluded(images, labels, how, _rng(16))
    red, green, blue = (found[:, k][classes == BACKGROUND] for k in range(3))
    assert len(red) > 100
    assert ((red > green) & (green > blue)).all()


def test_dye_changes_cloth_alone() -> None:
    images = 0.2 + 0.6 * _images(16, 32)
    labels = torch.full((16, 32, 32), SKIN)
    labels[:, 20:] = CLOTH
    labels[:, :, :4] = UNKNOWN
    found = dyed(images, labels, 1.0, _rng(16))
    cloth = (labels == CLOTH)[:, None].expand_as(images)
    assert torch.equal(found[~cloth], images[~cloth])
    assert float((found != images)[cloth].float().mean()) > 0.95
    some = (dyed(images, labels, 0.5, _rng(16)) != images).flatten(1).any(1)
    assert 2 < int(some.sum()) < 14
    assert torch.equal(dyed(images, labels, 0.0, _rng(16)), images)


def test_cut_outs_get_backgrounds() -> None:
    photos = _photos()
    photos.alpha[1, :, :16] = 0
    photos.images[1, :, :16] = 255
    black = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    found = over_backgrounds(photos, torch.arange(4), black, _rng(4))
    plain = photos.images.float() / 255.0
    assert (found[1, :, :16] == 0.0).all()
    assert torch.allclose(found[1, :, 16:], plain[1, :, 16:])
    assert torch.allclose(found[[0, 2, 3]], plain[[0, 2, 3]])


def test_equal_generators_give_equal_images() -> None:
    photos, pool = _photos(), background_pool(2, 32, 0)
    how = Augmentation(32, dye=0.5, occlude=0.5)
    index = torch.tensor([0, 3, 3, 1, 2, 0])
    first, again, other = (
        augmented(photos, index, how, pool, torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    )
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    images, labels = first
    assert images.shape == (6, 3, 32, 32)
    assert float(images.min()) >= -1.0
    assert float(images.max()) <= 1.0
    assert set(labels.unique().tolist()) <= {BACKGROUND, SKIN, CLOTH, UNKNOWN}
    assert not torch.equal(images[1], images[2])
