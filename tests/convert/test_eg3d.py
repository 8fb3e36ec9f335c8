"""EG3D's pickles: the canary against the original program, and small ones made here."""

from __future__ import annotations

import copy
import dataclasses
import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from shared_data import SHARED
from torch import Tensor

from portraiture.checkpoints import load_generator
from portraiture.convert.refusal import RefusalError
from portraiture.convert.run import convert_file, read_foreign
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.networks.layers import fir_kernel
from portraiture.triplane.rendering import RenderingConfig
from portraiture.triplane.sampling import box_limits, make_rays
from portraiture.triplane.volume import render_rays

FIXTURES = SHARED / "fixtures"
needs_fixtures = pytest.mark.skipif(
    not FIXTURES.exists(), reason="../shared/fixtures with the original program's outputs is absent"
)
MARKER = "EXECUTED_PICKLED_SOURCE"
"""What the canary's embedded source would write, in the working folder."""

CONFIG = TriPlaneConfig(
    z_dim=6, c_dim=25, w_dim=10, plane_size=16, plane_features=5, channel_base=96, channel_max=8,
    decoder_hidden=7, neural_resolution=8, superresolution="4X", superres_widths=(6, 4),
    superres_clamp=None, raw_after_block0=True,
    rendering=RenderingConfig(depth_resolution=6, importance_resolution=6),
)  # fmt: skip
OPTIONS: dict[str, Any] = {
    "superresolution_module": "training.superresolution.SuperresolutionHybrid4X",
    "superresolution_noise_mode": "none", "sr_antialias": True, "clamp_mode": "softplus",
    "disparity_space_sampling": False, "depth_resolution": 6, "depth_resolution_importance": 6,
    "ray_start": 2.25, "ray_end": 3.3, "box_warp": 1, "c_scale": 1, "decoder_lr_mul": 1,
    "c_gen_conditioning_zero": False, "density_reg": 0.25, "avg_camera_pivot": [0, 0, 0.2],
}  # fmt: skip
FIXED_AXES = [
    [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    [[1, 0, 0], [0, 0, 1], [0, 1, 0]],
    [[0, 0, 1], [0, 1, 0], [1, 0, 0]],
]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@needs_fixtures
def test_the_canary_executes_nothing_and_renders_right(tmp_path: Path) -> None:
    canary = FIXTURES / "eg3d_canary.pkl"
    assert MARKER.encode() in canary.read_bytes(), "the canary would not show an execution"
    report = convert_file(canary, tmp_path / "canary")
    generator = load_generator(tmp_path / "canary")
    assert not list(tmp_path.rglob(MARKER)) and not Path(MARKER).exists()
    assert report.model == "eg3d" and report.renamed == 0
    assert report.dropped == (
        "superresolution.resample_filter", "renderer.plane_axes", "training_set_kwargs"
    )  # fmt: skip
    assert report.tensors == len(generator.state_dict())

    with np.load(FIXTURES / "eg3d_canary_outputs.npz") as file:
        truth = {key: torch.from_numpy(file[key]) for key in file}
    ws = generator.mapping(
        truth["z"], truth["conditioning"], truncation_psi=0.7, truncation_cutoff=14
    )
    assert _error(ws, truth["ws"]) < 1e-4
    one = {key: value[:1] for key, value in truth.items()}  # the other is as good and as slow
    color, density = generator.query(generator.planes(one["ws"]), one["points"])
    assert _error(color, one["rgb"]) < 1e-4
    assert _error(density, one["sigma"][..., 0]) < 1e-4
    render = generator.synthesize(one["ws"], one["camera"], backend="torch", deterministic=True)
    assert _error(render.image_raw, one["image_raw"]) < 1e-3
    assert _error(render.depth, one["image_depth"]) < 1e-4
    assert _error(render.image, one["image"]) < 5e-3


def _error(a: Tensor, b: Tensor) -> float:
    assert a.shape == b.shape
    return float((a - b).abs().max())


@lru_cache(maxsize=1)
def _generator() -> TriPlaneGenerator:
    torch.manual_seed(5)
    generator = TriPlaneGenerator(CONFIG)
    torch.nn.init.normal_(generator.backbone.mapping.w_avg)
    return generator.eval().requires_grad_(False)


def crafted(
    craft: Any,
    options: dict[str, Any] | None = None,
    *,
    axes: list[Any] | None = None,
    clamp: float | None = None,
    extra: dict[str, Tensor] | None = None,
    attributes: dict[str, bytes] | None = None,
) -> bytes:
    """The small generator as the original program would pickle it."""
    below = {
        "superresolution.block0.conv0": {"conv_clamp": craft.value(clamp)},
        "backbone.synthesis.b4.conv1": {"conv_clamp": craft.value(None)},
    }
    settings = {
        "rendering_kwargs": craft.value(OPTIONS | (options or {})),
        "neural_rendering_resolution": craft.value(8),
        **(attributes or {}),
    }
    generator = _generator()
    if axes is not None:
        generator = copy.deepcopy(generator)
        generator.renderer = torch.nn.Module()
        below["renderer"] = {"plane_axes": craft.value(torch.tensor(axes, dtype=torch.float32))}
    network = craft.network(
        generator, "TriPlaneGenerator", settings=settings, below=below, extra=extra
    )
    return craft.file(craft.dict({"G": craft.none, "G_ema": network, "D": craft.none}))


def test_every_tensor_and_setting_arrives(craft: Any) -> None:
    data = crafted(
        craft, {"white_back": True, "sr_antialias": False, "odd": {1, 2}, 3: 4}, clamp=256
    )
    converted = read_foreign(data)
    state = _generator().state_dict()
    assert list(converted.tensors) == list(state)
    for name, tensor in state.items():
        assert torch.equal(converted.tensors[name], tensor), name
    rendering = dataclasses.replace(CONFIG.rendering, white_background=True)
    expected = dataclasses.replace(
        CONFIG, rendering=rendering, superres_antialias=False, superres_clamp=256.0
    )
    assert converted.config == dataclasses.asdict(expected)
    assert converted.unused == {"avg_camera_pivot": [0, 0, 0.2], "density_reg": 0.25}


def test_tensors_outside_the_state_are_named(craft: Any) -> None:
    """The original keeps its last planes as an attribute, and pickles them."""
    planes = {"_last_planes": craft.value(torch.zeros(2)), "pair": craft.value((torch.ones(1), 3))}
    original = [*FIXED_AXES[:2], [[0, 0, 1], [1, 0, 0], [0, 1, 0]]]
    converted = read_foreign(crafted(craft, axes=original, attributes=planes))
    assert converted.dropped == ("_last_planes", "pair", "renderer.plane_axes")


def test_a_decoder_with_another_learning_rate_keeps_its_function(craft: Any) -> None:
    """EG3D multiplies the decoder's weights and biases by it at run time."""
    converted = read_foreign(crafted(craft, {"decoder_lr_mul": 0.25}))
    for name, tensor in _generator().state_dict().items():
        gain = 0.25 if name.startswith("decoder.") else 1.0
        assert torch.equal(converted.tensors[name], tensor * gain)


def test_the_axes_of_the_planes_are_read(craft: Any) -> None:
    original = [*FIXED_AXES[:2], [[0, 0, 1], [1, 0, 0], [0, 1, 0]]]
    for axes, name in ((None, "original"), (original, "original"), (FIXED_AXES, "fixed")):
        assert read_foreign(crafted(craft, axes=axes)).config["rendering"]["plane_axes"] == name
    for strange in (FIXED_AXES[::-1], [[[0.0] * 3] * 3] * 3):
        with pytest.raises(RefusalError, match="axes"):
            read_foreign(crafted(craft, axes=strange))


def test_rays_by_the_box_as_the_generators_of_cars_publish_them(craft: Any, tmp_path: Path) -> None:
    """Their settings arrive, and what is rendered changes with nothing but the rays' limits."""
    cars = {
        "ray_start": "auto", "ray_end": "auto", "box_warp": 1.6, "white_back": True,
        "avg_camera_radius": 1.7, "avg_camera_pivot": [0, 0, 0],
    }  # fmt: skip
    (tmp_path / "cars.pkl").write_bytes(crafted(craft, cars, axes=FIXED_AXES))
    convert_file(tmp_path / "cars.pkl", tmp_path / "cars")
    generator = load_generator(tmp_path / "cars")
    rendering = generator.config.rendering
    half = math.sqrt(3.0) * 0.8
    assert (rendering.ray_limits, rendering.box_warp) == ("box", 1.6)
    assert (rendering.white_background, rendering.plane_axes) == (True, "fixed")
    assert rendering.ray_start == pytest.approx(1.7 - half)
    assert rendering.ray_end == pytest.approx(1.7 + half)
    planes = generator.planes(torch.randn(1, generator.num_ws, 10))
    wide = torch.tensor([0.5, 0.0, 0.5, 0.0, 0.5, 0.5, 0.0, 0.0, 1.0])
    pose = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    pose[2, 3] = 1.7
    camera = torch.cat([pose.flatten(), wide])[None]
    seen = generator.render(planes, camera, backend="torch", deterministic=True)
    origins, directions = make_rays(camera, 8)
    start, end = box_limits(origins, directions, 1.6)
    by_hand = [
        render_rays(
            planes, generator.decoder, origins[:, k : k + 1], directions[:, k : k + 1],
            dataclasses.replace(
                rendering, ray_limits="fixed", ray_start=float(start[0, k]),
                ray_end=float(end[0, k]),
            ),
            deterministic=True,
        ).color[0, 0]
        for k in range(64)
    ]  # fmt: skip
    assert torch.allclose(seen.features[0].flatten(1).T, torch.stack(by_hand), atol=1e-5)
    assert (end - start)[0].min() < 0.5 < 1.59 < (end - start)[0].max()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("superresolution_module", "training.superresolution.SuperresolutionHybrid3X"),
        ("superresolution_module", None),
        ("ray_start", "auto"),
        ("ray_end", "auto"),
        ("ray_end", 1.0),
        ("ray_end", float("nan")),
        ("depth_resolution", 10**9),
        ("depth_resolution", True),
        ("clamp_mode", "relu"),
        ("disparity_space_sampling", True),
        ("c_scale", 0.5),
        ("superresolution_noise_mode", "loud"),
        ("sr_antialias", "yes"),
    ],
)
def test_settings_that_would_render_wrongly_are_refused(craft: Any, key: str, value: Any) -> None:
    with pytest.raises(RefusalError):
        read_foreign(crafted(craft, {key: value}))


def test_unknown_missing_and_odd_tensors_are_named(craft: Any) -> None:
    with pytest.raises(RefusalError, match="unknown tensor surprise"):
        read_foreign(crafted(craft, extra={"surprise": torch.zeros(2)}))
    filters = {"resample_filter": fir_kernel()}
    with pytest.raises(RefusalError, match="unknown tensor resample_filter"):
        read_foreign(crafted(craft, extra=filters))  # only superresolution may have it
    lacking = crafted(craft).replace(b"w_avg", b"w_bvg")
    with pytest.raises(RefusalError, match=r"unknown tensor backbone\.mapping\.w_bvg"):
        read_foreign(lacking)
