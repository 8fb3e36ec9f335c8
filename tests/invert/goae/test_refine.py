"""Refined features: what they start from, where they are used, and edits that keep them."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.convert.layouts import layout
from portraiture.errors import CheckpointError
from portraiture.invert.goae.refine import _compare, refine
from portraiture.invert.weights import load_alignment, load_encoder, save
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.networks.features import edited_features, planes_and_features, planes_of
from portraiture.networks.goae_alignment import AlignmentConfig, FeatureAlignment
from portraiture.networks.goae_encoder import EncoderConfig, GoaeEncoder
from portraiture.networks.goae_program import ProgramWay
from portraiture.triplane.rendering import RenderingConfig
from portraiture.triplane.visibility import program_mask
from portraiture.weights import Card, read_card, write_weights

CONFIG = TriPlaneConfig(
    z_dim=8, c_dim=0, w_dim=16, plane_size=32, plane_features=8, channel_base=256,
    channel_max=16, decoder_hidden=16, neural_resolution=16, superresolution="2X",
    superres_widths=(8, 8),
    rendering=RenderingConfig(depth_resolution=12, importance_resolution=0),
)  # fmt: skip
ALIGN = AlignmentConfig(features=16, size=16, feature_ratio=1, widths=(16, 16, 16), gated=True)


@pytest.fixture(scope="module")
def generator() -> TriPlaneGenerator:
    """Random weights; the density is raised so that the box holds something solid."""
    torch.manual_seed(0)
    made = TriPlaneGenerator(CONFIG).eval().requires_grad_(False)
    made.decoder.net[2].weight[0] *= 60.0
    made.decoder.net[2].bias[0] = 30.0
    return made


@pytest.fixture
def ws(generator: TriPlaneGenerator) -> torch.Tensor:
    return generator.mapping(torch.randn(2, 8, generator=torch.Generator().manual_seed(1)), None)


def _alignment(**changes: object) -> FeatureAlignment:
    torch.manual_seed(2)
    return FeatureAlignment(replace(ALIGN, **changes)).eval()  # type: ignore[arg-type]


def _seen() -> tuple[torch.Tensor, torch.Tensor]:
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(0.3, 0.0))).float().expand(2, -1)
    photo = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(3)) * 2.0 - 1.0
    return photo, camera


def test_planes_of_its_own_features_are_its_own(
    generator: TriPlaneGenerator, ws: torch.Tensor
) -> None:
    planes, features = planes_and_features(generator, ws, 16)
    assert features.shape == (2, 16, 16, 16)
    assert torch.equal(planes, generator.planes(ws))
    assert torch.equal(planes_of(generator, ws, features), planes)
    assert not torch.allclose(planes_of(generator, ws, features + 0.5), planes)


def test_a_new_alignment_changes_nothing(generator: TriPlaneGenerator, ws: torch.Tensor) -> None:
    found = refine(generator, _alignment(), ws, *_seen())
    assert torch.equal(found.features, found.plain_features)
    assert torch.allclose(found.planes, generator.planes(ws), atol=1e-6)


def test_what_the_photo_does_not_show_stays_plain(
    generator: TriPlaneGenerator, ws: torch.Tensor
) -> None:
    alignment = _alignment(gated=False)
    with torch.no_grad():
        found = refine(generator, alignment, ws, *_seen())
        plain, moved = generator.planes(ws), planes_of(generator, ws, found.features)
    hidden = (found.visible == 0).expand_as(plain)
    shown = (found.visible == 1).expand_as(plain)
    assert hidden.any()
    assert shown.any()
    assert torch.equal(found.planes[hidden], plain[hidden])
    assert torch.allclose(found.planes[shown], moved[shown], atol=1e-5)


def test_a_carried_difference_changes_features_where_the_photo_differs(
    generator: TriPlaneGenerator, ws: torch.Tensor
) -> None:
    """Against a photo that is the reconstruction itself but for its left half."""
    alignment = _alignment(carried=True, mixing="convolution", widths=(16, 16, 16))
    assert alignment.config.image_size == 32
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(0.0, 0.0))).float().expand(2, -1)
    with torch.no_grad():
        alignment.gate_gamma.weight.normal_(std=0.3)
        alignment.gate_beta.weight.normal_(std=0.3)
        volume = generator.render(generator.planes(ws), camera, deterministic=True)
        photo = generator.upsample(volume.features, ws).clamp(-1.0, 1.0)
        other = photo.clone()
        other[..., :64] = -other[..., :64]
        same = refine(generator, alignment, ws, photo, camera)
        changed = refine(generator, alignment, ws, other, camera)
    assert torch.equal(same.plain_features, changed.plain_features)
    assert (changed.features - same.features).abs().mean() > 1e-4
    with pytest.raises(ValueError, match="do not fit"):
        alignment(torch.zeros(2, 3, 32, 32), same.plain_features)


def test_what_the_head_lacks_is_carried_to_its_axis(generator: TriPlaneGenerator) -> None:
    """A head of nothing at all, and a photo with a dark square in its middle."""
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(0.0, 0.0))).float()[None]
    photo = torch.ones(1, 3, 128, 128)
    photo[..., 56:72, 56:72] = -1.0
    config = replace(ALIGN, carried=True, mixing="convolution")
    empty = torch.zeros(1, 3, 8, 32, 32)
    ws = torch.zeros(1, generator.num_ws, 16)
    nothing = copy.deepcopy(generator)
    nothing.decoder.net[2].bias[0] = -60.0
    compared, visible = _compare(nothing, config, ws, empty, photo, camera)
    shown = compared.unflatten(1, (3, 7))[0, :, 6]
    span = shown.shape[-1] // 4
    middle = shown[:, span:-span, span:-span]
    assert middle.flatten(1).any(1).all()
    assert shown.sum() == middle.sum()
    assert visible.amax() > 0.9
    white, unseen = _compare(nothing, config, ws, empty, torch.ones_like(photo), camera)
    assert not white.unflatten(1, (3, 7))[0, :, 6].any()
    assert not unseen.any()


def test_the_program_s_way_by_hand(generator: TriPlaneGenerator, ws: torch.Tensor) -> None:
    """What is compared is not clamped; the mask is of F*'s own depth, of the front plane alone."""
    alignment, (photo, camera) = _alignment(gated=False), _seen()
    generator = copy.deepcopy(generator)
    generator.superresolution.block1.torgb.bias += 1.0
    compared: list[torch.Tensor] = []
    alignment.input_layer.register_forward_hook(lambda _, inputs, __: compared.append(inputs[0]))
    way = ProgramWay(sigmas=(1.2, 1.9))
    with torch.no_grad():
        found = refine(generator, alignment, ws, photo, camera, mixed="front", program=way)
        plain = generator.planes(ws)
        image = generator.upsample(generator.render(plain, camera, deterministic=True).features, ws)
        refined = planes_of(generator, ws, found.features)
        depth = generator.render(refined, camera, deterministic=True).depth
        everywhere = refine(generator, alignment, ws, photo, camera, mixed="none", program=way)
        rendered = [
            refine(generator, alignment, ws, photo, camera, mixed="front", program=other).visible
            for other in (ProgramWay(sigmas=None, seed=1), ProgramWay(sigmas=None, seed=2))
        ]
    assert image.abs().max() > 1.1
    assert torch.allclose(compared[0], image - photo, atol=1e-5)
    mask = program_mask(depth, camera, size=32, box_warp=1.0, sigmas=(1.2, 1.9))
    assert 0.05 < mask.mean() < 0.95
    assert torch.allclose(found.visible[:, 0], mask)
    assert torch.allclose(found.planes[:, 1:], refined[:, 1:], atol=1e-5)
    assert torch.allclose(found.planes[:, 0], mask * refined[:, 0] + (1.0 - mask) * plain[:, 0],
                          atol=1e-5)  # fmt: skip
    assert torch.allclose(everywhere.planes, everywhere.refined, atol=1e-5)
    assert not torch.equal(*rendered)
    with pytest.raises(ValueError, match="front plane"):
        refine(generator, alignment, ws, photo, camera, program=way)


def test_gradients_reach_the_alignment_alone(
    generator: TriPlaneGenerator, ws: torch.Tensor
) -> None:
    alignment = _alignment().train()
    photo, camera = _seen()
    refine(generator, alignment, ws, photo, camera).planes.square().mean().backward()
    for gate in (alignment.gate_gamma, alignment.gate_beta):
        assert gate.weight.grad is not None
        assert (gate.weight.grad != 0).any()


def test_features_of_a_size_that_is_not_there_are_refused(
    generator: TriPlaneGenerator, ws: torch.Tensor
) -> None:
    for size in (32, 64):
        with pytest.raises(ValueError, match=f"side {size}"):
            planes_and_features(generator, ws, size)


def test_an_edit_adds_what_it_changes_to_what_was_refined() -> None:
    plain, refined, edited = (
        torch.zeros(1, 2, 2, 2),
        torch.ones(1, 2, 2, 2),
        torch.full((1, 2, 2, 2), 0.25),
    )
    assert (edited_features(refined, plain, edited) == 1.25).all()
    assert torch.equal(edited_features(refined, plain, plain), refined)
    assert torch.equal(edited_features(plain, plain, edited), edited)


SMALL = EncoderConfig(
    image_size=32, embed_dim=8, depths=(1, 1, 1, 1), heads=(1, 1, 1, 1), window=4, w_dim=16,
    rows=(1, 1, 3), hidden=16,
)  # fmt: skip


def test_weights_come_back_as_they_were_saved(tmp_path: Path) -> None:
    torch.manual_seed(4)
    for made, load in (
        (GoaeEncoder(SMALL), load_encoder),
        (FeatureAlignment(ALIGN), load_alignment),
    ):
        out = tmp_path / made.model_name
        save(made, out, Card(made.model_name, {}, data="balls"), storage="float32")
        again = load(out)
        assert again.config == made.config
        assert read_card(out).data == "balls"
        assert not any(p.requires_grad for p in again.parameters())
        for name, value in made.state_dict().items():
            assert torch.equal(value, again.state_dict()[name]), name


def test_weights_of_another_kind_are_refused(tmp_path: Path) -> None:
    save(GoaeEncoder(SMALL), tmp_path / "encoder", Card("goae-encoder", {}))
    with pytest.raises(CheckpointError, match="not GOAE's feature alignment"):
        load_alignment(tmp_path / "encoder")
    save(FeatureAlignment(ALIGN), tmp_path / "align", Card("goae-afa", {}))
    with pytest.raises(CheckpointError, match="not an encoder"):
        load_encoder(tmp_path / "align")


def test_a_published_alignment_is_loaded_strictly(tmp_path: Path) -> None:
    """With the tensors that `portraiture convert` writes, and with one too many."""
    tensors = {
        name: torch.zeros(shape, dtype=torch.int64 if name.endswith("tracked") else None)
        for name, shape in layout("goae_afa").items()
    }
    card = Card("goae-afa", {"features": 512, "size": 32})
    write_weights(tmp_path / "afa", tensors, card)
    assert load_alignment(tmp_path / "afa").config == AlignmentConfig()
    write_weights(tmp_path / "more", tensors | {"extra": torch.zeros(1)}, card)
    with pytest.raises(CheckpointError, match="extra"):
        load_alignment(tmp_path / "more")


def test_a_file_without_a_card_is_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="card"):
        load_encoder(tmp_path / "x.safetensors")
