"""Neural heads in files: to the bit, within bounds, only with the weights they were made with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from portraiture.avatar import Avatar
from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.checkpoints import fingerprint, save_generator
from portraiture.errors import HeadError, OutputError
from portraiture.generate.run import sample
from portraiture.head import VERSION, Head, head_image, rounded
from portraiture.meshing.head_mesh import MeshConfig
from portraiture.metrics.landmarks import detect_face
from portraiture.models import Models
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.triplane.rendering import RenderingConfig
from portraiture.types import as_uint8

CONFIG = TriPlaneConfig(
    z_dim=8, c_dim=0, w_dim=16, plane_size=16, plane_features=8, channel_base=64,
    channel_max=8, decoder_hidden=8, neural_resolution=16, superresolution="2X",
    superres_widths=(8, 8),
    rendering=RenderingConfig(depth_resolution=6, importance_resolution=0),
)  # fmt: skip


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "small.safetensors"
    save_generator(TriPlaneGenerator(CONFIG), path)
    return path


def _random_head(path: Path, *, white: bool, solid: bool = False) -> Head:
    """Of a generator of random weights; solid: so dense that it has a surface."""
    torch.manual_seed(3)
    rendering = replace(CONFIG.rendering, white_background=white, depth_resolution=12)
    made = TriPlaneGenerator(replace(CONFIG, rendering=rendering)).requires_grad_(False)
    if solid:
        made.decoder.net[2].weight[0] *= 60.0
        made.decoder.net[2].bias[0] = 30.0
    save_generator(made, path)
    return sample(1, network=path, models=Models())


@pytest.fixture
def head(weights: Path) -> Head:
    from portraiture.checkpoints import load_generator

    generator = load_generator(weights)
    ws = torch.randn(1, generator.num_ws, 16, generator=torch.Generator().manual_seed(2))
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(0.1, 0.0))).float()[None]
    made = Head(
        generator.planes(ws), camera, str(weights), fingerprint(generator), "w", ws=ws,
        facts={"psnr": 20.5, "steps": 3},
    )  # fmt: skip
    return rounded(made)


def test_a_head_comes_back_to_the_bit(head: Head, weights: Path, tmp_path: Path) -> None:
    full = replace(
        head,
        features=torch.ones(1, 4, 8, 8) / 4,
        visible=torch.full((1, 3, 1, 16, 16), 0.5),
        residual=torch.full((1, 3, 8, 16, 16), -0.75),
        tuned={"decoder.net.0.bias": torch.ones(8).half()},
    )
    full.save(tmp_path / "head.safetensors")
    again = Head.load(tmp_path / "head.safetensors", network=weights)
    for name in ("ws", "planes", "camera", "features", "visible", "residual"):
        assert torch.equal(getattr(again, name), getattr(full, name)), name
    assert (again.generator, again.fingerprint, again.method) == (
        full.generator, full.fingerprint, full.method,
    )  # fmt: skip
    assert again.facts == {"psnr": 20.5, "steps": 3}
    assert torch.equal(again.tuned["decoder.net.0.bias"], torch.ones(8).half())
    assert np.array_equal(full.render(yaw=0.3), again.render(yaw=0.3))


def _own_image(head: Head, yaw: float) -> np.ndarray:
    """The generator's image, in [0, 1]."""
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(yaw, 0.0))).float()[None]
    with torch.no_grad():
        volume = head.network.render(head.planes, camera, deterministic=True)
        image = head.network.upsample(volume.features, head.modulation)
    return image[0].clamp(-1.0, 1.0).permute(1, 2, 0).numpy() * 0.5 + 0.5


def test_images_are_float_rgba_of_the_size_that_is_asked_for(head: Head) -> None:
    for size, shape in ((None, (128, 128, 4)), (40, (40, 40, 4))):
        image = head.render(size=size)
        assert (image.shape, image.dtype) == (shape, np.float32)
        assert image.min() >= 0.0 and image.max() <= 1.0
    assert head_image(head, size=40).shape == (40, 40, 3)


def test_alpha_over_white_is_the_generators_own_image() -> None:
    """Of a shipped head, but for the edge, where superresolution draws finer than opacity is."""
    head = sample(3)
    rgba = head.render(yaw=0.2)
    alpha = rgba[..., 3:]
    assert (alpha > 0.99).mean() > 0.3 and (alpha < 0.01).mean() > 0.2
    own = _own_image(head, 0.2)
    over = alpha * rgba[..., :3] + 1.0 - alpha
    assert np.quantile(np.abs(over - own), 0.98) < 1.5 / 255
    opaque = head.render(yaw=0.2, background=(1.0, 1.0, 1.0))
    assert np.abs(opaque[..., :3] - own).max() < 0.5 / 255 + 1e-5
    assert (opaque[..., 3] == 1.0).all()


def test_over_black_a_black_generators_own_image_comes_back(tmp_path: Path) -> None:
    head = _random_head(tmp_path / "own.safetensors", white=False, solid=True)
    own = _own_image(head, 0.2)
    opaque = head.render(yaw=0.2, background=(0.0, 0.0, 0.0))
    assert np.abs(opaque[..., :3] - own).max() < 0.5 / 255 + 1e-5
    rgba = head.render(yaw=0.2)
    solid = rgba[..., 3] > 0.999
    assert solid.mean() > 0.3
    assert np.abs(rgba[..., :3] - own)[solid].max() < 2.0 / 255


def test_another_background_shows_where_the_head_is_not(tmp_path: Path) -> None:
    head = _random_head(tmp_path / "own.safetensors", white=True)
    rgba, red = head.render(), head.render(background=(1.0, 0.0, 0.0))
    alpha = rgba[..., 3:]
    white = head.render(background=(1.0, 1.0, 1.0))[..., :3]
    wanted = (white + (1.0 - alpha) * (np.array([1.0, 0.0, 0.0]) - 1.0)).clip(0.0, 1.0)
    assert np.abs(red[..., :3] - wanted).max() < 1e-5


def test_avatar_and_head_turn_to_the_same_side() -> None:
    """At yaw +0.5 the camera stands on the person's left: the nose points to the image's left
    of the middle between the eyes."""
    head, avatar = sample(3), Avatar.sample(3)
    for one in (head, avatar):
        turned = []
        for yaw in (-0.5, 0.5):
            image = one.render(yaw=yaw, size=256, background=(1.0, 1.0, 1.0))
            points = detect_face(as_uint8(image[..., :3]))
            assert points is not None
            turned.append(float(points[1, 0] - 0.5 * (points[33, 0] + points[263, 0])))
        assert turned[1] < -4.0 < 4.0 < turned[0], turned


def test_exports_are_by_suffix(head: Head, tmp_path: Path) -> None:
    solid = _random_head(tmp_path / "solid.safetensors", white=True, solid=True)
    config = MeshConfig(resolution=32, triangles=500, texture_size=64, absorption=5.0)
    for name in ("head.glb", "head.ply"):
        assert solid.export(tmp_path / name, config=config).stat().st_size > 1000
    assert (tmp_path / "head.glb").read_bytes()[:4] == b"glTF"
    assert (tmp_path / "head.ply").read_bytes()[:3] == b"ply"
    for name in ("head.obj", "head"):
        with pytest.raises(OutputError, match=r"\.glb, \.ply or \.mp4"):
            head.export(tmp_path / name)


def test_a_head_without_w_is_modulated_by_the_mean(head: Head, tmp_path: Path) -> None:
    bare = replace(head, ws=None)
    mean = head.network.backbone.mapping.w_avg
    with_mean = replace(head, ws=mean.expand(1, head.network.num_ws, -1))
    assert np.array_equal(bare.render(), with_mean.render())
    bare.save(tmp_path / "bare.safetensors")
    again = Head.load(tmp_path / "bare.safetensors", network=head.generator)
    assert again.ws is None
    assert np.array_equal(again.render(), bare.render())


def test_edits_are_kept_in_the_file(head: Head, tmp_path: Path) -> None:
    replace(head, edits={"smile": 1.5}).save(tmp_path / "head.safetensors")
    again = Head.load(tmp_path / "head.safetensors", network=head.generator)
    assert (again.edits, again.facts) == ({"smile": 1.5}, head.facts)


def test_what_was_tuned_is_in_the_images(head: Head) -> None:
    bias = head.network.state_dict()["superresolution.block1.torgb.bias"]
    tuned = replace(head, tuned={"superresolution.block1.torgb.bias": (bias + 0.5).half()})
    before, after = (one.render(background=(0.0, 0.0, 0.0)) for one in (head, tuned))
    assert after.mean() > before.mean() + 20 / 255


def test_other_weights_of_the_same_name_are_refused(head: Head, weights: Path) -> None:
    torch.manual_seed(1)
    save_generator(TriPlaneGenerator(CONFIG), weights, overwrite=True)
    with pytest.raises(HeadError, match="not those"):
        head.render()


def test_a_head_of_other_sizes_is_refused(head: Head) -> None:
    for name in ("ws", "planes"):
        odd = replace(head, **{name: getattr(head, name)[..., :4]})  # type: ignore[arg-type]
        with pytest.raises(HeadError, match="sizes"):
            odd.render()


def test_a_tuned_tensor_of_another_shape_is_refused(head: Head) -> None:
    with pytest.raises(HeadError, match="does not fit"):
        replace(head, tuned={"decoder.net.0.bias": torch.ones(3)}).render()


def test_a_file_never_says_which_weights_to_read(head: Head, tmp_path: Path) -> None:
    head.save(tmp_path / "head.safetensors")
    with pytest.raises(HeadError, match=r"small\.safetensors"):
        Head.load(tmp_path / "head.safetensors")


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        (None, "not a whole head"),
        ("[1, 2]", "not a head of this version"),
        ('{"version": 7}', "not a head of this version"),
        ("{" * 5000, "not a whole head"),
        ({"facts": {"x": [1]}}, "facts"),
        ({"edits": {"smile": "much"}}, "edits"),
        ({"edits": {"smile": True}}, "edits"),
        ({"generator": 3}, "version"),
        ({"features": "abc"}, "version"),
    ],
)
def test_strange_headers_are_refused_in_a_sentence(
    head: Head, weights: Path, tmp_path: Path, about: object, sentence: str
) -> None:
    path = tmp_path / "head.safetensors"
    head.save(path)
    good = {
        "version": VERSION, "generator": "heads", "fingerprint": "", "method": "w", "edits": {},
        "facts": {},
    }  # fmt: skip
    text = json.dumps(good | about) if isinstance(about, dict) else about
    save_file(load_file(path), path, metadata=None if text is None else {"head": str(text)})
    with pytest.raises(HeadError, match=sentence):
        Head.load(path, network=weights)


@pytest.mark.parametrize(
    "change", ["missing", "unknown", "shape", "nan", "residual", "residual nan"]
)
def test_strange_tensors_are_refused(
    head: Head, weights: Path, tmp_path: Path, change: str
) -> None:
    path = tmp_path / "head.safetensors"
    replace(head, residual=torch.zeros_like(head.planes)).save(path)
    Head.load(path, network=weights)
    tensors = load_file(path)
    match change:
        case "missing":
            del tensors["planes"]
        case "unknown":
            tensors["more"] = torch.zeros(1)
        case "shape":
            tensors["ws"] = tensors["ws"][0]
        case "nan":
            tensors["ws"][0, 0, 0] = float("nan")
        case "residual":
            tensors["residual"] = tensors["residual"][..., :8].contiguous()
        case "residual nan":
            tensors["residual"][0, 0, 0, 0, 0] = float("nan")
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(HeadError):
        Head.load(path, network=weights)


def test_a_torn_file_is_refused(head: Head, weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "head.safetensors"
    head.save(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(HeadError, match="not a whole head"):
        Head.load(path, network=weights)
    with pytest.raises(HeadError):
        Head.load(tmp_path / "none", network=weights)
