"""Neural heads in files: to the bit, within bounds, only with the weights they were made with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.checkpoints import fingerprint, save_generator
from portraiture.errors import HeadError
from portraiture.head import Head, rounded
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.triplane.volume import RenderingConfig

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


@pytest.fixture
def head(weights: Path) -> Head:
    from portraiture.checkpoints import load_generator

    generator = load_generator(weights)
    ws = torch.randn(1, generator.num_ws, 16, generator=torch.Generator().manual_seed(2))
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(0.1, 0.0))).float()[None]
    made = Head(
        ws, generator.planes(ws), camera, str(weights), fingerprint(generator), "w",
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
    assert np.array_equal(full.render(0.3), again.render(0.3))


def test_the_size_of_a_picture_can_be_chosen(head: Head) -> None:
    assert head.render().shape == (128, 128, 3)
    assert head.render(size=40).shape == (40, 40, 3)


def test_what_was_tuned_is_in_the_pictures(head: Head) -> None:
    bias = head.network.state_dict()["superresolution.block1.torgb.bias"]
    tuned = replace(head, tuned={"superresolution.block1.torgb.bias": (bias + 0.5).half()})
    assert tuned.render().astype(int).mean() > head.render().astype(int).mean() + 20


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
        ({"generator": 3}, "version"),
        ({"features": "abc"}, "version"),
    ],
)
def test_strange_headers_are_refused_in_a_sentence(
    head: Head, weights: Path, tmp_path: Path, about: object, sentence: str
) -> None:
    path = tmp_path / "head.safetensors"
    head.save(path)
    good = {"version": 1, "generator": "heads", "fingerprint": "", "method": "w", "facts": {}}
    text = json.dumps(good | about) if isinstance(about, dict) else about
    save_file(load_file(path), path, metadata=None if text is None else {"head": str(text)})
    with pytest.raises(HeadError, match=sentence):
        Head.load(path, network=weights)


@pytest.mark.parametrize("change", ["missing", "unknown", "shape", "nan", "paint", "paint nan"])
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
        case "paint":
            tensors["residual"] = tensors["residual"][..., :8].contiguous()
        case "paint nan":
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
