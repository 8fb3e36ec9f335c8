"""GOAE's networks: the published layout, what depends on what, and the alignment's beginnings."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from portraiture.convert.layouts import layout
from portraiture.errors import CheckpointError
from portraiture.invert.method import SHIPPED_ALIGNMENT, SHIPPED_ENCODER
from portraiture.invert.weights import load_alignment, load_encoder
from portraiture.networks.goae_alignment import AlignmentConfig, FeatureAlignment
from portraiture.networks.goae_encoder import PAPER, CrossAttention, EncoderConfig, GoaeEncoder
from portraiture.networks.goae_names import from_published, pretrained_windows
from portraiture.weights import Card, write_weights

SMALL = EncoderConfig(
    image_size=64, embed_dim=8, depths=(1, 1, 1, 1), heads=(1, 2, 2, 2), window=4,
    w_dim=16, rows=(1, 2, 3), hidden=24, pretrained_windows=(0, 0, 0, 0),
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


def test_a_single_w_is_what_closed_gates_leave() -> None:
    torch.manual_seed(0)
    gated = GoaeEncoder(replace(SMALL, gated=True)).eval()
    single = GoaeEncoder(replace(SMALL, single_w=True)).eval()
    state = gated.state_dict()
    single.load_state_dict({name: state[name] for name in single.state_dict()})
    assert not {"cross_att_fine", "mapper_query_channel_fine"} & dict(single.named_modules()).keys()
    photos = _photos()
    with torch.no_grad():
        for levels in (0, 3):
            assert torch.equal(single(photos, levels=levels), gated(photos, levels=levels))


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


@pytest.mark.parametrize("twice", [False, True])
def test_the_norm_follows_attention_alone_unless_it_comes_twice(twice: bool) -> None:
    """One query and one token by hand: attention of a single token is its value."""
    torch.manual_seed(0)
    block = CrossAttention(8, heads=2, hidden=6, norm_twice=twice).eval()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.normal_()
        query, token = torch.randn(1, 1, 8), torch.randn(1, 1, 8)
        found = block(query, token)
        attention = block.multihead_attn
        value = attention.in_proj_weight[16:] @ token[0, 0] + attention.in_proj_bias[16:]
        x = query[0, 0] + attention.out_proj.weight @ value + attention.out_proj.bias
        x = (x - x.mean()) / (x.var(correction=0) + 1e-5).sqrt()
        hidden = (block.linear1.weight @ x + block.linear1.bias).clamp_min(0.0)
        x = x + block.linear2.weight @ hidden + block.linear2.bias
        if twice:
            x = (x - x.mean()) / (x.var(correction=0) + 1e-5).sqrt()
    assert torch.allclose(found[0, 0], x, atol=1e-5)


def test_windows_of_pre_training_are_read_from_the_published_tables() -> None:
    """Of windows of 16 and 8 over those of pre-training, 12 and 6 (Liu et al. 2022, Eq. 4)."""
    tables: dict[str, torch.Tensor] = {}
    for stage, (window, pretrained) in enumerate(((16, 12), (16, 12), (16, 12), (8, 6))):
        apart = torch.arange(1.0 - window, window) / (pretrained - 1) * 8
        apart = torch.stack(torch.meshgrid(apart, apart, indexing="ij"), -1)[None]
        spaced = torch.sign(apart) * torch.log2(apart.abs() + 1.0) / math.log2(8)
        tables[f"swin_model.layers.{stage}.blocks.0.attn.relative_coords_table"] = spaced
    assert pretrained_windows(tables) == (12, 12, 12, 6)
    last = "swin_model.layers.3.blocks.0.attn.relative_coords_table"
    for wrong in (tables[last].transpose(1, 2), torch.zeros_like(tables[last])):
        with pytest.raises(ValueError, match=r"layers\.3"):
            pretrained_windows(tables | {last: wrong})
    with pytest.raises(ValueError, match="lacks"):
        pretrained_windows({last: tables[last]})


def test_gated_levels_begin_with_nothing_and_are_learned() -> None:
    torch.manual_seed(0)
    encoder = GoaeEncoder(replace(SMALL, gated=True))
    out = encoder(_photos())
    assert torch.allclose(out, out[:, :1].expand_as(out))
    (out * torch.randn(out.shape)).sum().backward()
    assert encoder.gates.grad is not None
    assert (encoder.gates.grad != 0).all()
    with torch.no_grad():
        encoder.gates.fill_(0.1)
    refined = encoder(_photos())
    refined = (refined - refined[:, :1]).flatten(1).norm(dim=1).mean()
    refined.backward()
    assert (encoder.gates.grad != 0).all()


def test_narrow_attention_gives_rows_as_wide_as_w() -> None:
    """Of queries and tokens half as wide, brought to w's width by a linear layer."""
    torch.manual_seed(0)
    encoder = GoaeEncoder(replace(SMALL, attention=8, gated=True)).eval()
    with torch.no_grad():
        encoder.gates.fill_(1.0)
        before = encoder(_photos())
        encoder.widen_mid.bias.add_(1.0)
        moved = encoder(_photos()) - before
    assert before.shape == (2, 7, 16)
    assert torch.allclose(moved[:, 2:4], torch.ones(2, 2, 16), atol=1e-5)
    assert torch.equal(moved[:, :2], torch.zeros(2, 2, 16))
    assert torch.equal(moved[:, 4:], torch.zeros(2, 3, 16))


def test_every_block_begins_as_the_identity() -> None:
    block = GoaeEncoder(SMALL).swin_model.encoder.layers[0].blocks[0].eval()
    x = torch.randn(1, 256, 8, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        assert torch.equal(block(x, (16, 16))[0].view_as(x), x)


def test_published_names_mean_what_transformers_means_by_them() -> None:
    """One block by hand (Liu et al. 2022, Eqs. 2 to 4): a window, cosine attention with a learned
    scale and continuous position bias, norms after attention and MLP."""
    torch.manual_seed(3)
    d, heads, side = 8, 2, 4
    shapes = {
        "norm1.weight": (d,), "norm1.bias": (d,), "norm2.weight": (d,), "norm2.bias": (d,),
        "attn.logit_scale": (heads, 1, 1), "attn.q_bias": (d,), "attn.v_bias": (d,),
        "attn.cpb_mlp.0.weight": (512, 2), "attn.cpb_mlp.0.bias": (512,),
        "attn.cpb_mlp.2.weight": (heads, 512), "attn.qkv.weight": (3 * d, d),
        "attn.proj.weight": (d, d), "attn.proj.bias": (d,), "mlp.fc1.weight": (4 * d, d),
        "mlp.fc1.bias": (4 * d,), "mlp.fc2.weight": (d, 4 * d), "mlp.fc2.bias": (d,),
    }  # fmt: skip
    p = {name: torch.randn(shape) * 0.5 for name, shape in shapes.items()}
    prefix = "swin_model.layers.0.blocks.0."
    renamed = from_published({prefix + name: value for name, value in p.items()})
    config = EncoderConfig(
        image_size=4 * side * 8, embed_dim=d, depths=(1, 1, 1, 1), heads=(heads, 2, 2, 2),
        window=side, w_dim=16, rows=(1, 1, 1), hidden=8, pretrained_windows=(0, 0, 0, 0),
    )  # fmt: skip
    layer = GoaeEncoder(config).swin_model.encoder.layers[0].blocks[0].eval()
    ours = prefix.replace("swin_model.layers", "swin_model.encoder.layers")
    layer.load_state_dict({k.removeprefix(ours): v for k, v in renamed.items()})
    whole = config.image_size // 4
    x = torch.randn(1, whole * whole, d)
    with torch.no_grad():
        found = layer(x, (whole, whole))[0].view(whole, whole, d)[:side, :side].reshape(-1, d)
    t = x.view(whole, whole, d)[:side, :side].reshape(-1, d)
    q, k, v = (t @ p["attn.qkv.weight"].T).chunk(3, 1)
    q, v = q + p["attn.q_bias"], v + p["attn.v_bias"]
    q, k, v = (y.view(-1, heads, d // heads).transpose(0, 1) for y in (q, k, v))
    cosine = torch.nn.functional.normalize(q, dim=2) @ torch.nn.functional.normalize(k, dim=2).mT
    scale = p["attn.logit_scale"].clamp(max=math.log(100.0)).exp()
    at = torch.stack(torch.meshgrid(*[torch.arange(side)] * 2, indexing="ij"), -1).view(-1, 2)
    apart = (at[:, None] - at[None]).float() / (side - 1) * 8.0
    coordinates = apart.sign() * (apart.abs() + 1.0).log2() / 3.0
    hidden = torch.relu(coordinates @ p["attn.cpb_mlp.0.weight"].T + p["attn.cpb_mlp.0.bias"])
    bias = 16.0 * torch.sigmoid(hidden @ p["attn.cpb_mlp.2.weight"].T).permute(2, 0, 1)
    mixed = ((cosine * scale + bias).softmax(-1) @ v).transpose(0, 1).reshape(-1, d)
    mixed = mixed @ p["attn.proj.weight"].T + p["attn.proj.bias"]
    norm = torch.nn.functional.layer_norm
    t = t + norm(mixed, (d,), p["norm1.weight"], p["norm1.bias"], eps=1e-5)
    h = torch.nn.functional.gelu(t @ p["mlp.fc1.weight"].T + p["mlp.fc1.bias"])
    h = h @ p["mlp.fc2.weight"].T + p["mlp.fc2.bias"]
    t = t + norm(h, (d,), p["norm2.weight"], p["norm2.bias"], eps=1e-5)
    assert torch.allclose(found, t, atol=1e-4)


ALIGN = AlignmentConfig(features=16, size=8, feature_ratio=1, widths=(16, 16, 32), gated=True)


@pytest.mark.parametrize("mixing", ["attention", "convolution"])
def test_a_gated_alignment_begins_with_the_features_themselves(mixing: str) -> None:
    torch.manual_seed(1)
    module = FeatureAlignment(replace(ALIGN, mixing=mixing)).eval()  # type: ignore[arg-type]
    features = torch.randn(2, 16, 8, 8)
    found = module(_photos(), features)
    assert torch.equal(found, features)
    found.square().mean().backward()
    for gate in (module.gate_gamma, module.gate_beta):
        assert (gate.weight.grad != 0).any(0).any()


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


def test_shipped_weights_give_what_they_gave_when_they_were_trained() -> None:
    """Their cards say how they differ from the published networks. The encoder's numbers are of the
    module that trained it, at 82b9841, in 16 bits; the alignment's were noted before 8 bits, which
    move both by half a hundredth."""
    rng = torch.Generator().manual_seed(5)
    encoder = load_encoder(SHIPPED_ENCODER)
    alignment = load_alignment(SHIPPED_ALIGNMENT)
    with torch.no_grad():
        w = encoder(torch.randn(1, 3, 128, 128, generator=rng))[0, 0]
        compared = torch.randn(1, 21, 64, 64, generator=rng)
        features = alignment(compared, torch.randn(1, 192, 32, 32, generator=rng))
    first = torch.tensor([-0.0756837, -0.2912379, 0.3172878, -0.5863671, -0.2943968, 0.0368227])
    assert torch.allclose(w[:6], first, atol=1.5e-2)
    first = torch.tensor([1.0474014, -2.846827, -0.293158, -0.021739, -5.0708294, 0.7959365])
    assert torch.allclose(features[0, 0, 0, :6], first, atol=3e-2)
    assert features.norm().item() == pytest.approx(882.0825, rel=3e-3)


def test_a_card_that_does_not_say_how_it_was_trained_is_refused(tmp_path: Path) -> None:
    for made, load, field in (
        (GoaeEncoder(SMALL), load_encoder, "leaky_slope"),
        (FeatureAlignment(ALIGN), load_alignment, "norm_tokens"),
    ):
        config = asdict(made.config)
        del config[field]
        card = Card(made.model_name, config)
        write_weights(tmp_path / made.model_name, made.state_dict(), card)
        with pytest.raises(CheckpointError, match=field):
            load(tmp_path / made.model_name)


def test_convolutions_of_finer_features_than_f_are_refused() -> None:
    with pytest.raises(ValueError, match="feature_ratio"):
        replace(ALIGN, mixing="convolution", feature_ratio=2)
    assert replace(ALIGN, mixing="convolution", feature_ratio=2, carried=True).image_size == 16


def test_sizes_that_do_not_fit_are_refused() -> None:
    module = FeatureAlignment(ALIGN)
    with pytest.raises(ValueError, match="do not fit"):
        module(torch.zeros(1, 3, 32, 32), torch.zeros(1, 16, 8, 8))
