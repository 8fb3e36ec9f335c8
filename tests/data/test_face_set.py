"""Faces for the supporting networks: labels cleaned, images distorted together with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from portraiture.data import distort
from portraiture.data.distort import Distortion, background_pool, distorted, mirrored_labels
from portraiture.data.face_set import FaceBatch, FaceSet, load_faces, shrunk_labels
from portraiture.errors import DataError
from portraiture.types import Segment


def test_shrunk_labels_fill_brows_and_drop_specks() -> None:
    labels = np.full((1, 64, 64), Segment.SKIN, np.uint8)
    labels[0, 8:16, 8:40] = np.where(np.arange(32) % 2, Segment.LEFT_BROW, Segment.SKIN)
    labels[0, 50, 50] = Segment.EARRING
    small = shrunk_labels(labels, 32)
    assert (small[0, 5:7, 6:18] == Segment.LEFT_BROW).all()
    assert (small[0, 20:] == Segment.SKIN).all()


def test_scalp_between_hairs_becomes_hair() -> None:
    labels = np.full((1, 128, 128), Segment.SKIN, np.uint8)
    labels[0, :40, ::6] = Segment.HAIR
    labels[0, :40, 1::6] = Segment.HAIR
    assert (shrunk_labels(labels, 128, scalp=True)[0, 8:32, 8:120] == Segment.HAIR).all()
    assert (shrunk_labels(labels, 128)[0, 8:32] == Segment.SKIN).any()


def test_draws_views_of_different_people() -> None:
    images = np.arange(6, dtype=np.uint8)[:, None, None, None, None] * np.ones(
        (6, 2, 4, 4, 3), np.uint8
    )
    faces = FaceSet(images, images[..., 0], images[..., 0])
    batch = faces.sample(5, torch.Generator().manual_seed(0))
    assert len(set(batch.person.tolist())) == 5
    assert (batch.images[:, 0, 0, 0] == batch.person).all()
    assert len(faces.sample(9, torch.Generator()).person) == 9
    assert len(faces.part(2, 5)) == 3


def test_pairs_are_two_views_of_each_person() -> None:
    images = np.arange(12, dtype=np.uint8).reshape(6, 2, 1, 1, 1) * np.ones(
        (6, 2, 4, 4, 3), np.uint8
    )
    faces = FaceSet(images, images[..., 0], images[..., 0])
    batch = faces.sample_pairs(8, torch.Generator().manual_seed(0))
    first, second = batch.person.split(4)
    assert torch.equal(first, second) and len(set(first.tolist())) == 4
    values = batch.images[:, 0, 0, 0]
    assert (values // 2 == batch.person).all() and (values[:4] != values[4:]).all()


def test_missing_people_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no synthetic people"):
        load_faces([tmp_path])


def test_mirror_swaps_left_and_right() -> None:
    labels = torch.tensor([[[Segment.LEFT_EYE, Segment.SKIN, Segment.RIGHT_BROW]]])
    expected = [Segment.LEFT_BROW, Segment.SKIN, Segment.RIGHT_EYE]
    assert mirrored_labels(labels)[0, 0].tolist() == expected
    assert torch.equal(mirrored_labels(mirrored_labels(labels)), labels)


def test_mirrored_unknown_pixels_stay_unknown() -> None:
    labels = torch.tensor([[[255, Segment.LEFT_EYE]]])
    assert mirrored_labels(labels)[0, 0].tolist() == [Segment.RIGHT_EYE, 255]


def _halves(count: int, side: int) -> FaceBatch:
    """Bright hair above, dark cloth below, cut out on the left."""
    images = torch.full((count, 3, side, side), 230, dtype=torch.uint8)
    labels = torch.full((count, side, side), int(Segment.HAIR), dtype=torch.uint8)
    images[:, :, side // 2 :], labels[:, side // 2 :] = 20, int(Segment.CLOTH)
    alpha = torch.full((count, 1, side, side), 255, dtype=torch.uint8)
    return FaceBatch(images, alpha, labels, torch.arange(count))


PLAIN = Distortion(size=32, light=0, colour=0, grey=0, occlude=0, blur=0, grain=0, jpeg=0)


def test_labels_move_with_the_image() -> None:
    images, labels = distorted(
        _halves(16, 48), PLAIN, background_pool(1, 48, 0), np.random.default_rng(0)
    )
    assert images.shape == (16, 3, 32, 32) and labels.shape == (16, 32, 32)
    wrong = (images[:, 0] > 0) != (labels == Segment.HAIR)
    assert wrong.float().mean() < 0.02
    assert len({int((x == Segment.HAIR).sum()) for x in labels}) > 4


def test_background_replaces_what_was_cut_out() -> None:
    batch = _halves(2, 16)
    batch.alpha[:, :, :, :8] = 0
    batch.images[:, :, :, :8] = 255
    backgrounds = torch.full((1, 3, 16, 16), 51, dtype=torch.uint8)
    images = distort.before_backgrounds(batch, backgrounds, np.random.default_rng(0))
    np.testing.assert_allclose(images[:, :, :, :8].numpy(), 0.2, atol=1e-6)
    np.testing.assert_allclose(images[:, :, 0, 8:].numpy(), 230 / 255, atol=1e-6)


def test_everything_at_once_is_repeatable_and_in_range() -> None:
    how = Distortion(size=32, occlude=1.0, blur=1.0, grain=1.0, jpeg=1.0)
    made = [
        distorted(_halves(4, 32), how, background_pool(3, 32, 0), np.random.default_rng(1))
        for _ in range(2)
    ]
    assert torch.equal(made[0][0], made[1][0]) and torch.equal(made[0][1], made[1][1])
    images, labels = made[0]
    assert images.abs().max() <= 1 and images.std() > 0.1
    assert (labels == Segment.BACKGROUND).any()
