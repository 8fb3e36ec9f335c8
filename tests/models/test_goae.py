"""GOAE's networks: the published layout, what depends on what, and the alignment's beginnings."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from portraiture.convert.layouts import layout
from portraiture.models.goae_align import AlignmentConfig, FeatureAlignment
from portraiture.models.goae_encoder import PAPER, EncoderConfig, GoaeEncoder
from portraiture.models.goae_names import from_published

SMALL = EncoderConfig(
    image_size=64, embed_dim=8, depths=(1, 1, 1, 1), heads=(1, 2, 2, 2), window=4,
    w_dim=16, rows=(1, 2, 3), hidden=24,
)  # fmt: skip


def _photos(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(3))


def test_the_published_encoder_fits_name_for_name() -> None:
    with torch.device("meta"):
        ours = GoaeEncoder(PAPER).state_dict()
        published = {name: torch.empty(shape) for name, shape in layout("goae_encoder").items()}
    renamed = from_published(published)
    assert {k: v.shape for k, v in renamed.items()} == {k: v.shape for k, v in ours.items()}


def test_the_published_alignment_fits_name_for_name() -> None:
    with torch.device("meta"):
        ours = FeatureAlignment(AlignmentConfig()).state_dict()
    assert {k: tuple(v.shape) for k, v in ours.items()} == layout("goae_afa")


def test_a_joint_projection_is_split_in_the_order_query_key_value() -> None:
    joint = torch.arange(12.0).reshape(6, 2)
    found = from_published({"swin_model.layers.0.blocks.1.attn.qkv.weight": joint})
    prefix = "swin_model.encoder.layers.0.blocks.1.attention.self."
    for part, rows in (("query", [0, 1]), ("key", [2, 3]), ("value", [4, 5])):
        assert torch.equal(found[f"{prefix}{part}.weight"], joint[rows])


def test_an_unknown_tensor_keeps_its_name() -> None:
    assert list(from_published({"somewhere.else": torch.zeros(1)})) == ["somewhere.else"]


def test_rows_of_levels_left_out_are_the_first_row() -> None:
    torch.manual_seed(0)
    encoder = GoaeEncoder(SMALL).eval()
    photos = _photos()
    with torch.no_grad():
        full, base, two = (encoder(photos, levels=k) for k in (3, 0, 2))
    assert full.shape == (2, SMALL.num_ws, SMALL.w_dim)
    assert torch.equal(base, base[:, :1].expand_as(base))
    assert torch.allclose(full[:, 0], base[:, 0])
    assert torch.allclose(two[:, :4], full[:, :4])
    assert torch.equal(two[:, 4:], two[:, :1].expand(-1, 3, -1))
    assert not torch.allclose(full[:, 4:], two[:, 4:], atol=1e-3)


def test_what_is_added_to_the_first_row_has_no_norm_of_its_own() -> None:
    """Post-norm without parameters: what a level adds has mean 0 and variance 1 in every row."""
    torch.manual_seed(0)
    encoder = GoaeEncoder(SMALL).eval()
    with torch.no_grad():
        out = encoder(_photos())
    added = out[:, 1:] - out[:, :1]
    assert torch.allclose(added.mean(-1), torch.zeros(2, 6), atol=1e-5)
    assert torch.allclose(added.var(-1, unbiased=False), torch.ones(2, 6), atol=1e-3)


ALIGN = AlignmentConfig(features=16, size=8, widths=(16, 16, 32), gated=True)


@pytest.mark.parametrize("mixing", ["attention", "convolution"])
def test_a_gated_alignment_begins_with_the_features_themselves(mixing: str) -> None:
    torch.manual_seed(1)
    module = FeatureAlignment(replace(ALIGN, mixing=mixing)).eval()  # type: ignore[arg-type]
    features = torch.randn(2, 16, 8, 8)
    found = module(_photos(), features)
    assert torch.equal(found, features)
    found.square().mean().backward()
    assert (module.gates.grad != 0).all()


def test_attention_finds_detail_wherever_it_is() -> None:
    """Where keys lie does not matter: residual features in another order give the same γ and β."""
    torch.manual_seed(2)
    module = FeatureAlignment(replace(ALIGN, gated=False)).eval()
    features, seen = torch.randn(1, 16, 8, 8), torch.randn(1, 16, 8, 8)
    order = torch.randperm(64)
    moved = seen.flatten(2)[:, :, order].reshape(seen.shape)
    with torch.no_grad():
        for here, there in zip(
            module._film(seen, features), module._film(moved, features), strict=True
        ):
            assert torch.allclose(here, there, atol=1e-5)


def test_sizes_that_do_not_fit_are_refused() -> None:
    module = FeatureAlignment(ALIGN)
    with pytest.raises(ValueError, match="do not fit"):
        module(torch.zeros(1, 3, 32, 32), torch.zeros(1, 16, 8, 8))
