"""Styles as residuals of a generator's weights.

Properties: an untrained style is G_s itself; Δs shifts the style activations exactly, for every w,
and scales with the shape slider; texture weights alone leave every density and flow where it was;
stored in 8 bits a style is small and shows the same; another generator is refused.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from adapt_cases import generator_file, learned_style, small_generator

from portraiture.adapt.layers import FLOW, geometry_names, texture_names, trained_names
from portraiture.adapt.style import Style, StyleConfig, load_style, new_style, save_style, styled
from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.checkpoints import load_generator
from portraiture.errors import CheckpointError
from portraiture.meshing.head_mesh import pixels_of
from portraiture.metrics.psnr import psnr

CAMERA = torch.from_numpy(to_eg3d(eg3d_orbit(0.2, 0.0))).float()[None]


def test_an_untrained_style_changes_nothing() -> None:
    source = small_generator()
    made = styled(source, new_style(source))
    for name, value in made.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]), name


def test_layers_are_those_of_the_paper() -> None:
    source = small_generator()
    texture, geometry = texture_names(source), geometry_names(source)
    assert "backbone.synthesis.b8.torgb.weight" in texture and "decoder.net.0.weight" in texture
    assert "superresolution.block1.conv1.weight" in texture
    assert geometry == (
        "backbone.synthesis.b8.conv1.affine.bias", "backbone.synthesis.b16.conv0.affine.bias",
        "backbone.synthesis.b16.conv1.affine.bias", FLOW,
    )  # fmt: skip
    assert not any("mapping" in n for n in trained_names(source, "all"))
    assert set(trained_names(source, "linked")) == {*texture, *geometry}


@pytest.mark.parametrize("shape", [1.0, 0.3, 0.0])
def test_deltas_shift_style_activations_of_every_w(shape: float) -> None:
    source = small_generator()
    style = learned_style(source)
    made = styled(source, style, shape=shape)
    ws = torch.randn(3, source.num_ws, 16)
    before, after = source.backbone.synthesis.styles(ws), made.backbone.synthesis.styles(ws)
    delta = style.change("backbone.synthesis.b16.conv0.affine.bias")
    assert torch.allclose(after[16][0] - before[16][0], shape * delta.expand(3, -1), atol=1e-5)
    flow = style.change(FLOW)
    shift = made.flow.coefficients(ws[:, 0]) - source.flow.coefficients(ws[:, 0])
    assert torch.allclose(shift, shape * flow.expand(3, -1), atol=1e-5)


def test_the_average_follows_the_trained_weights() -> None:
    source, live = small_generator(), small_generator()
    style = new_style(source).requires_grad_(False)
    name = style.names[0]
    dict(live.named_parameters())[name].add_(1.0)
    style.follow(live, source, 0.75)
    assert torch.allclose(style.change(name), torch.full_like(style.change(name), 0.25))
    style.follow(live, source, 0.75)
    assert torch.allclose(style.change(name), torch.full_like(style.change(name), 0.4375))


def test_a_stored_style_shows_the_same(tmp_path: Path) -> None:
    source = load_generator(generator_file(tmp_path))
    style = learned_style(source)
    save_style(style, tmp_path / "style")
    again = load_style(tmp_path / "style")
    assert again.config == style.config
    ws = source.mapping(torch.randn(1, 8), None)

    def shown(one: Style) -> torch.Tensor:
        made = styled(source, one)
        planes = one.warp(made.planes(ws), ws)
        volume = made.render(planes, CAMERA, deterministic=True, backend="torch")
        return made.upsample(volume.features, ws, backend="torch")

    assert psnr(pixels_of(shown(again)), pixels_of(shown(style))) > 40.0


def test_a_style_of_heads_takes_less_than_two_megabytes(tmp_path: Path) -> None:
    style = learned_style(load_generator("heads"))
    files = save_style(style, tmp_path / "style")
    assert sum(file.stat().st_size for file in files) < 2_000_000


def test_another_generator_is_refused(tmp_path: Path) -> None:
    style = new_style(small_generator(seed=1))
    with pytest.raises(CheckpointError, match="another generator"):
        styled(small_generator(), style)
    with pytest.raises(CheckpointError):
        load_style(generator_file(tmp_path))


def test_a_card_may_not_ask_for_other_sizes(tmp_path: Path) -> None:
    source = small_generator()
    other = Style(StyleConfig(source.config, "none", "all"))
    save_style(other, tmp_path / "style")
    assert load_style(tmp_path / "style").config.layers == "all"
