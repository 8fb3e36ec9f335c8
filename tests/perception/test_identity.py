"""The identity network: shapes, unit length, where it looks."""

from __future__ import annotations

import numpy as np
import torch

from portraiture.perception.identity import (
    IdentityConfig,
    IdentityNetwork,
    Pointwise,
    face_crop,
    similarity,
)

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


def test_face_crop_is_a_box_of_the_image_and_differentiable() -> None:
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


def test_a_strided_shortcut_is_the_convolution_that_it_stands_for() -> None:
    torch.manual_seed(0)
    ours, plain = Pointwise(4, 8, 1, 2).double(), torch.nn.Conv2d(4, 8, 1, 2).double()
    ours.load_state_dict(plain.state_dict())
    x = torch.randn(2, 4, 7, 6, dtype=torch.float64, requires_grad=True)
    y = torch.randn(2, 4, 7, 6, dtype=torch.float64, requires_grad=True)
    with torch.no_grad():
        y.copy_(x)
    ours(x).square().sum().backward()
    plain(y).square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad)
    torch.testing.assert_close(ours.weight.grad, plain.weight.grad)
