"""Cut-outs of sampled people, and photos made of them."""

from __future__ import annotations

from dataclasses import replace

import torch

from portraiture.checkpoints import load_image_generator
from portraiture.data.photo_set import TAKEN
from portraiture.data.sampled_photos import SampledPhotos, cut_out
from portraiture.people.latent import LATENT_SIZE


def test_somebody_before_white_is_cut_out_with_the_whites_inside() -> None:
    images = torch.full((1, 3, 32, 32), 250, dtype=torch.uint8)
    images[:, :, 8:24, 8:24] = 90
    images[:, :, 14:17, 14:17] = 255  # the white of an eye
    images[:, :, 2, 2] = 0  # a speck
    mask = cut_out(images)
    assert mask.shape == (1, 1, 32, 32)
    assert (mask[0, 0, 11:21, 11:21] == 255).all()
    assert (mask[0, 0, :5, :5] == 0).all()
    assert 13 * 13 < (mask > 127).sum() < 17 * 17


def test_photos_show_their_latents_people() -> None:
    """Before black and as the generator draws them, they are its images."""
    network = load_image_generator("faces2d").requires_grad_(False)
    plain = replace(
        TAKEN, zoom=(1.0, 1.0), shift=0.0, turn=0.0, light=0.0, colour=0.0, occlude=0.0, blur=0.0,
        grain=0.0, jpeg=0.0,
    )  # fmt: skip
    black = torch.zeros(1, 3, 128, 128, dtype=torch.uint8)
    batch = SampledPhotos(network, black, plain).sample(2, torch.Generator().manual_seed(4))
    assert batch.z.shape == (2, LATENT_SIZE)
    z = torch.randn(2, network.config.z_dim, generator=torch.Generator().manual_seed(4))
    assert torch.equal(batch.z, z[:, :LATENT_SIZE])
    with torch.no_grad():
        wanted = network.images(network.mapping(z, None)).clamp(-1.0, 1.0)
    middle = slice(48, 80)
    near = (batch.photo - wanted)[:, :, middle, middle].abs()
    assert near.mean() < 0.01
    assert batch.photo[:, :, :3].max() < -0.9 or wanted[:, :, :3].min() < 0.5
