"""The banded superresolution against the plain one, and Winograd's transforms by themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.networks.superres import SuperresName, Superresolution
from portraiture.networks.superres_fast import MARGIN, fast_dtype, supports, upsample_fast
from portraiture.networks.superres_frozen import frozen
from portraiture.networks.winograd_numba import transform_kernels

pytestmark = pytest.mark.skipif(fast_dtype() is None, reason="this torch has no oneDNN")


def _head(name: SuperresName, clamp: float | None = 256.0) -> Superresolution:
    torch.manual_seed(0)
    head = Superresolution(name, features=8, w_dim=16, widths=(64, 32), clamp=clamp)
    for block in (head.block0, head.block1):
        for layer in (block.conv0, block.conv1, block.torgb):
            torch.nn.init.normal_(layer.bias)
    return head.eval().requires_grad_(False)


@pytest.mark.parametrize(
    ("name", "batch", "side"), [("8XDC", 1, 50), ("4X", 1, 140), ("2X", 2, 16)]
)
def test_float32_equals_the_reference(name: SuperresName, batch: int, side: int) -> None:
    head = _head(name)
    features, ws = torch.randn(batch, 8, side, side), torch.randn(batch, 3, 16)
    expected = head.stages(features, ws)
    found = upsample_fast(head, features, ws, dtype=torch.float32)
    for one, other in zip(expected, found, strict=True):
        assert one.shape == other.shape
        assert (one - other).abs().max() < 1e-4


@pytest.mark.parametrize("name", ["8XDC", "4X"])
def test_frozen_equals_the_reference_and_its_gradient(name: SuperresName) -> None:
    head = _head(name)
    ws = torch.randn(1, 3, 16)
    features = torch.randn(1, 8, 24, 24).requires_grad_(True)
    exact = _value_and_gradient(lambda x: head(x, ws, resize=False), features)
    for kind, near in ((torch.float32, 1e-4), (None, 0.06)):
        found = _value_and_gradient(frozen(head, ws, dtype=kind), features)
        for one, other in zip(exact, found, strict=True):
            assert (one - other).std() < near * one.std()


def _value_and_gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    image = function(x)
    weight = torch.linspace(-1.0, 1.0, image.numel()).sin().view_as(image)
    return image, torch.autograd.grad((image * weight).sum(), [x])[0]


@pytest.mark.parametrize("clamp", [None, 0.7])
def test_clamp(clamp: float | None) -> None:
    head = _head("2X", clamp)
    features, ws = torch.randn(1, 8, 64, 64), torch.randn(1, 3, 16)
    expected = head(features, ws)
    found = upsample_fast(head, features, ws, dtype=torch.float32)[1]
    assert (expected - found).abs().max() < 1e-4
    if clamp:
        assert expected.abs().max() <= 2 * clamp + 3 * 5


@pytest.mark.skipif(fast_dtype() != torch.bfloat16, reason="this processor has no fast bfloat16")
def test_bfloat16_is_close() -> None:
    head = _head("2X")
    features, ws = torch.randn(1, 8, 64, 64), torch.randn(1, 3, 16)
    expected = head(features, ws)
    error = upsample_fast(head, features, ws)[1] - expected
    assert error.std() < 0.01 * expected.std()


def test_winograd_identity() -> None:
    """Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A is the valid convolution of a 4×4 tile."""
    torch.manual_seed(1)
    d, g = torch.randn(3, 4, 4).double(), torch.randn(2, 3, 3, 3).double()
    b = torch.tensor([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]).double()
    a = torch.tensor([[1, 1, 1, 0], [0, 1, -1, -1]]).double()
    product = torch.einsum("kc,kco->ko", (b @ d @ b.T).flatten(1).T, transform_kernels(g))
    found = a @ product.T.view(2, 4, 4) @ a.T
    assert torch.allclose(found, F.conv2d(d[None], g)[0])


def test_what_is_not_supported() -> None:
    head = _head("2X")
    assert supports(head, torch.zeros(1, 8, 64, 64)) and MARGIN == 2
    narrow = Superresolution("2X", features=8, w_dim=16, widths=(24, 32))
    assert not supports(narrow, torch.zeros(1, 8, 64, 64))
    with pytest.raises(RuntimeError):
        upsample_fast(narrow, torch.zeros(1, 8, 64, 64), torch.zeros(1, 3, 16))


def test_generator_takes_it_only_without_gradients_and_noise() -> None:
    torch.manual_seed(2)
    config = TriPlaneConfig(
        z_dim=16, w_dim=16, plane_size=16, channel_base=256, channel_max=16,
        superresolution="2X", superres_widths=(32, 32), neural_resolution=16,
    )  # fmt: skip
    generator = TriPlaneGenerator(config)
    features, ws = torch.randn(1, 32, 16, 16), torch.randn(1, generator.num_ws, 16)
    assert generator.upsample(features, ws).requires_grad
    with torch.no_grad():
        exact = generator.upsample(features, ws, backend="torch")
        quick = generator.upsample(features, ws)
    assert 0 < (exact - quick).abs().max() < 0.2
