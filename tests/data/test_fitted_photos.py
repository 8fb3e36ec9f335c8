"""Photos of real people beside the latents that were fitted to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.data.distort import background_pool
from portraiture.data.fitted_photos import (
    SIDE,
    FittedPhotos,
    fit_portraits,
    load_fitted,
    mirrored_latents,
)
from portraiture.data.photo_set import TAKEN
from portraiture.errors import TrainingError
from portraiture.people.latent import GROUP_SLOTS, LATENT_SIZE, person_from_latent
from portraiture.photo.align import align
from portraiture.photo.demo_photo import demo_photo

SMALL = 16


def _plain(**changes: torch.Tensor) -> FittedPhotos:
    """Two portraits: red at the left, and grey, that are not distorted; red is cut out."""
    how = TAKEN.__class__(
        size=SMALL, mirror=0.0, zoom=(1.0, 1.0), shift=0.0, turn=0.0, light=0.0, colour=0.0,
        grey=0.0, occlude=0.0, blur=0.0, grain=0.0, jpeg=0.0,
    )  # fmt: skip
    crops = torch.full((2, 3, SMALL, SMALL), 128, dtype=torch.uint8)
    crops[0, :, :, : SMALL // 2] = torch.tensor([255, 0, 0], dtype=torch.uint8).view(3, 1, 1)
    alpha = torch.full((2, 1, SMALL, SMALL), 255, dtype=torch.uint8)
    alpha[0, :, :, SMALL // 2 :] = 0
    z = torch.randn(2, LATENT_SIZE, generator=torch.Generator().manual_seed(0))
    black = torch.zeros(1, 3, SMALL, SMALL, dtype=torch.uint8)
    cameras = torch.from_numpy(np.stack([to_eg3d(eg3d_orbit(yaw, 0.1)) for yaw in (0.3, -0.2)]))
    return FittedPhotos(crops, alpha, z, cameras.float(), black, how)


def test_photos_keep_their_background_or_get_another() -> None:
    photos = _plain()
    sampled = photos.sample(64, torch.Generator().manual_seed(1))
    red = sampled.photo[(sampled.photo[:, 0].amax((1, 2)) > 0.9)]
    assert 16 < len(red) < 48
    left = red[:, 0, :, 0].amax(1) > 0.9
    behind = torch.where(left[:, None, None], red[:, :, 0, -1, None], red[:, :, 0, 0, None])
    kept = behind[:, 0, 0] > -0.5
    assert kept.any()
    assert (~kept).any()
    assert torch.allclose(behind[kept], torch.full((1,), 128 / 127.5 - 1.0), atol=0.01)
    assert (behind[~kept] < -0.99).all()
    assert left.any()
    assert (~left).any()


def test_what_a_photo_shows_comes_over_white_with_its_camera() -> None:
    sampled = _plain().sample(64, torch.Generator().manual_seed(1))
    red = (sampled.shown.person == 0.0).any(-1).any(-1)[:, 0]
    left = sampled.shown.person[:, 0, 0, 0] == 1.0
    for flipped, column in ((False, 0), (True, SMALL - 1)):
        some = sampled.shown.image[red & (left != flipped)]
        assert len(some) > 4
        assert torch.allclose(some[:, :, 0, column], torch.tensor([1.0, -1.0, -1.0]), atol=0.01)
        assert torch.allclose(some[:, :, 0, SMALL - 1 - column], torch.ones(1))
    positions = sampled.shown.camera[:, :16].view(-1, 4, 4)[:, :3, 3]
    expected = _plain().cameras[0, :16].view(4, 4)[:3, 3]
    for camera in positions[red & left]:
        assert torch.allclose(camera, expected, atol=1e-5)
    for camera in positions[red & ~left]:
        assert torch.allclose(camera, expected * torch.tensor([-1.0, 1.0, 1.0]), atol=1e-5)


def test_a_mirror_changes_the_parting_alone() -> None:
    z = torch.randn(8, LATENT_SIZE, generator=torch.Generator().manual_seed(2))
    z[:, slice(*GROUP_SLOTS["hair_man_straight"])] -= 9.0
    mirrored = mirrored_latents(z)
    first, last = GROUP_SLOTS["parting"]
    changed = (z != mirrored).any(0)
    assert changed[first:last].all()
    assert int(changed.sum()) == last - first
    here, there = (person_from_latent(x[0].numpy()).parameters for x in (z, mirrored))
    assert here.hair_parting != there.hair_parting
    assert torch.equal(mirrored_latents(mirrored), z)


@pytest.mark.slow
def test_the_demo_portrait_is_fitted_and_comes_back(tmp_path: Path) -> None:
    bad = tmp_path / "a.png"
    bad.write_bytes(b"no picture")
    out = tmp_path / "portraits.safetensors"

    def everybody(image: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(image[:, :1])

    assert fit_portraits([bad, demo_photo()], out, everybody) == 1
    photos = load_fitted(out, background_pool(2, 32, 0), TAKEN)
    assert photos.crops.shape == (1, 3, SIDE, SIDE)
    sampled = photos.sample(3, torch.Generator().manual_seed(0))
    assert sampled.photo.shape == (3, 3, TAKEN.size, TAKEN.size)
    assert sampled.z.shape == (3, LATENT_SIZE)
    assert sampled.shown.image.shape == (3, 3, SIDE, SIDE)
    expected = torch.from_numpy(to_eg3d(align(demo_photo()).camera)).float()
    assert torch.equal(photos.cameras[0], expected)
    for paths, matte in (([bad], everybody), ([demo_photo()], lambda x: 0.0 * x[:, :1])):
        with pytest.raises(TrainingError, match="None of the pictures"):
            fit_portraits(paths, out, matte)


@pytest.mark.parametrize(
    "change", ["junk", "missing", "more", "shape", "kind", "nan", "far", "camera"]
)
def test_other_files_are_refused(tmp_path: Path, change: str) -> None:
    path = tmp_path / "portraits.safetensors"
    tensors = {
        "crops": torch.zeros(2, 3, SIDE, SIDE, dtype=torch.uint8),
        "alpha": torch.zeros(2, 1, SIDE, SIDE, dtype=torch.uint8),
        "z": torch.zeros(2, LATENT_SIZE),
        "camera": torch.zeros(2, 25),
    }
    save_file(tensors, path)
    assert len(load_fitted(path, background_pool(1, 32, 0), TAKEN).z) == 2
    match change:
        case "missing":
            del tensors["z"]
        case "more":
            tensors["w"] = torch.zeros(1)
        case "shape":
            tensors["alpha"] = tensors["alpha"][:1]
        case "kind":
            tensors["z"] = tensors["z"].half()
        case "nan":
            tensors["z"][1, 3] = float("nan")
        case "far":
            tensors["z"][1, 3] = 3e38
        case "camera":
            tensors["camera"][0, 3] = float("inf")
    save_file(tensors, path)
    if change == "junk":
        path.write_bytes(b"junk")
    with pytest.raises(TrainingError, match="fit_portraits"):
        load_fitted(path, background_pool(1, 32, 0), TAKEN)
