"""GOAE's networks, insertion, mask and edit against the outputs of the published program.

Weights are made by a formula under the published names (`../shared/fixtures/formula.py`). Other
slopes, norms and windows give outputs that differ by more than the tolerance.
"""

from __future__ import annotations

import pytest
import torch
from from_formula import filled, formula, normal, outputs
from shared_data import SHARED
from torch import Tensor

from portraiture.convert.layouts import layout
from portraiture.networks.eg3d import Backbone, TriPlaneConfig, TriPlaneGenerator
from portraiture.networks.features import edited_features, planes_and_features, planes_of
from portraiture.networks.goae_alignment import AlignmentConfig, FeatureAlignment
from portraiture.networks.goae_encoder import LEVELS, PAPER, GoaeEncoder
from portraiture.networks.goae_names import from_published
from portraiture.networks.goae_program import program_styles
from portraiture.triplane.visibility import mix_planes, program_mask

FIXTURES = SHARED / "fixtures"
pytestmark = pytest.mark.skipif(
    not FIXTURES.exists(), reason="../shared/fixtures with the original program's outputs is absent"
)
TOLERANCE = 2e-5


def _image(name: str, side: int) -> Tensor:
    return torch.from_numpy(formula().image(name, (1, 3, side, side)))


def _error(found: Tensor, expected: Tensor) -> float:
    assert found.shape == expected.shape
    return float((found - expected).abs().max())


def test_the_encoder_gives_the_w_of_the_published_one() -> None:
    encoder, expected = GoaeEncoder(PAPER).eval(), outputs("goae_encoder")
    encoder.load_state_dict(from_published(filled("goae_encoder", layout("goae_encoder"))))
    seen: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
    for level in LEVELS:
        getattr(encoder, f"cross_att_{level}").register_forward_hook(
            lambda _, inputs, output, level=level: seen.update({level: (*inputs, output)})
        )
    with torch.no_grad():
        found = encoder(_image("input.image", PAPER.image_size))
    assert _error(found[:, 0], expected["w0"]) < TOLERANCE
    for level, (query, tokens, delta) in seen.items():
        assert _error(query[0], expected[f"query_{level}"]) < TOLERANCE
        assert _error(delta[0], expected[f"delta_{level}"]) < TOLERANCE
        assert _error(tokens[0].mean(0), expected[f"tokens_{level}_mean"]) < TOLERANCE
        assert _error(tokens[0].std(0, correction=0), expected[f"tokens_{level}_std"]) < TOLERANCE
    assert _error(found[0], expected["wplus"]) < TOLERANCE


@pytest.mark.parametrize(
    ("side", "ratio"), [(256, 1), pytest.param(512, 2, marks=pytest.mark.slow)]
)
def test_the_alignment_gives_the_features_of_the_published_one(side: int, ratio: int) -> None:
    config, expected = AlignmentConfig(feature_ratio=ratio), outputs("goae_afa")
    assert config.image_size == side
    module = FeatureAlignment(config).eval()
    module.load_state_dict(filled("goae_afa", layout("goae_afa")), strict=False)
    features = normal("input.features", 1, 512, 32, 32)
    residual = _image(f"input.rendered.{side}", side) - _image(f"input.photo.{side}", side)
    with torch.no_grad():
        found = module(residual, features)
        seen = module.output_layer(module.body(module.input_layer(residual)))
        gamma, beta = module._film(seen, features)
    end, step = ("", 8) if side == 512 else ("_256", 64)
    for name, value in (("aligned", found), ("gamma", gamma), ("beta", beta)):
        assert _error(value[0, ::step], expected[name + end]) < TOLERANCE, name


SPLIT = TriPlaneConfig(channel_base=2048, channel_max=64)


def _split_generator() -> TriPlaneGenerator:
    """EG3D with the fixture's backbone, in float64: the program's own rounding is error enough."""
    generator = TriPlaneGenerator(SPLIT).eval().requires_grad_(False)
    names = {f"backbone.{k}": v.shape for k, v in Backbone(SPLIT).state_dict().items()}
    tensors = filled("goae_insert", names)
    missing, unknown = generator.load_state_dict(tensors, strict=False)
    assert not unknown
    assert all("resample_filter" in n or not n.startswith("backbone") for n in missing)
    return generator.double()


def _thin(planes: Tensor) -> Tensor:
    return planes.flatten(1, 2)[0, ::8, ::8, ::8]


def test_features_enter_and_edits_are_made_where_the_program_does_it() -> None:
    generator, expected = _split_generator(), outputs("goae_insert")
    ws = normal("input.ws", 1, 14, 512).double()
    moved = ws + normal("input.direction", 1, 1, 512)
    shape = (1, 64, 32, 32)
    gamma, beta = 1.0 + 0.3 * normal("input.gamma", *shape), 0.3 * normal("input.beta", *shape)
    with torch.no_grad():
        plain, features = planes_and_features(generator, ws, 32)
        edited_plain, edited = planes_and_features(generator, moved, 32)
        refined = gamma * features + beta
        features_then = edited_features(refined, features, edited)
        styles = program_styles(generator, ws, moved, 32)
        found = {
            "planes_plain": plain,
            "planes_refined": planes_of(generator, ws, refined),
            "planes_edited_plain": edited_plain,
            "planes_edited_refined": planes_of(generator, moved, features_then, styles=styles),
            "planes_edited_refined_if_edited_ws": planes_of(generator, moved, features_then),
        }
    assert _error(features[0, ::4, ::2, ::2], expected["features"]) < TOLERANCE
    assert _error(edited[0, ::4, ::2, ::2], expected["edited_features"]) < TOLERANCE
    for name, planes in found.items():
        assert _error(_thin(planes), expected[name]) < TOLERANCE, name


def test_the_mask_and_the_mix_are_the_program_s() -> None:
    expected = outputs("goae_mix")
    where = {"size": 256, "box_warp": 1.0}
    depth, camera = expected["depth"][:, None], expected["cameras"]
    for sigma, step in ((1.0, 4), (1.5, 1), (2.0, 4)):
        mask = program_mask(depth, camera, sigmas=(sigma, sigma), **where)[:, 0, ::step, ::step]
        assert _error(mask, expected[f"mask_{sigma}"]) < TOLERANCE, sigma
    mask = program_mask(depth, camera, sigmas=(1.5, 1.5), **where)
    shape = (1, 3, 4, 256, 256)
    refined, plain = normal("input.planes_refined", *shape), normal("input.planes_plain", *shape)
    masks = torch.ones(3, 3, 1, 256, 256)
    masks[:, 0] = mask
    mixed = mix_planes(refined, plain, masks)[..., ::16, ::16]
    assert _error(mixed, expected["mixed_1.5_sample"]) < TOLERANCE
