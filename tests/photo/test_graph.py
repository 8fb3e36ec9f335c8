"""The operations of converted networks against loops that follow TensorFlow Lite's definitions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy import ndarray
from safetensors.numpy import save_file

from portraiture.photo.graph import ASSETS, Graph


def network(
    path: Path,
    size: int,
    operations: list[dict[str, Any]],
    weights: dict[str, ndarray],
    sparse: dict[str, list[int]] | None = None,
) -> Graph:
    graph = {
        "input": "x",
        "size": size,
        "outputs": {"y": operations[-1]["output"]},
        "operations": operations,
        "sparse": sparse or {},
    }
    save_file(weights, path / "net.safetensors", {"graph": json.dumps(graph)})
    return Graph(path / "net.safetensors")


def step(
    op: str, inputs: tuple[str, ...] = ("x",), output: str = "y", **more: Any
) -> dict[str, Any]:
    return {"op": op, "inputs": list(inputs), "output": output, **more}


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def test_uneven_margins_of_a_strided_convolution(tmp_path: Path, generator) -> None:
    """TensorFlow's "SAME" with stride 2 on an even size pads at the end only."""
    image = generator.normal(size=(1, 3, 8, 8)).astype(np.float32)
    kernel = generator.normal(size=(4, 3, 3, 3)).astype(np.float32)
    bias = generator.normal(size=4).astype(np.float32)
    conv = step("conv", weight="w", bias="b", stride=2, margin=[0, 1, 0, 1], groups=1, relu=True)
    out = network(tmp_path, 8, [conv], {"w": kernel, "b": bias})(torch.from_numpy(image))["y"]
    expected = np.zeros((4, 4, 4))
    for c, i, j in np.ndindex(4, 4, 4):
        window = image[0, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
        height, width = window.shape[1:]
        expected[c, i, j] = max((window * kernel[c, :, :height, :width]).sum() + bias[c], 0)
    assert np.allclose(out[0].numpy(), expected, atol=1e-5)


def test_depth_to_space(tmp_path: Path) -> None:
    """output[b·h + i, b·w + j, c] = input[h, w, (b·i + j)·C + c], channels last."""
    image = torch.arange(3 * 4 * 4, dtype=torch.float32).view(1, 3, 4, 4)
    widen = step("pad_channels", count=5, output="wide")
    out = network(tmp_path, 4, [widen, step("depth_to_space", ("wide",), block=2)], {})(image)["y"]
    source = torch.cat([image, torch.zeros(1, 5, 4, 4)], 1)
    assert out.shape == (1, 2, 8, 8)
    for c, y, x in np.ndindex(2, 8, 8):
        channel = (2 * (y % 2) + x % 2) * 2 + c
        assert out[0, c, y, x] == source[0, channel, y // 2, x // 2]


def test_sparse_weights(tmp_path: Path, generator) -> None:
    weight = generator.normal(size=(3,)).astype(np.float32) * np.array([0, 1, 0], np.float32)
    packed = {"w.mask": np.packbits(weight != 0), "w.values": weight[weight != 0]}
    net = network(tmp_path, 2, [step("prelu", weight="w")], packed, sparse={"w": [3]})
    out = net(torch.full((1, 3, 2, 2), -1.0))["y"]
    assert np.array_equal(out[0, :, 0, 0].numpy(), -weight)


@pytest.mark.parametrize("scale", [1.5, 6.0])
def test_region_and_sample(tmp_path: Path, scale: float) -> None:
    """A crop around points follows them: of a ramp it shows the place of every pixel."""
    size, side = 32, 6
    places = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1) + 0.5
    ramp = np.concatenate([places, np.ones((size, size, 1))], -1).transpose(2, 0, 1)
    left, right, others = (10, 14), (20, 19), [(12, 12), (17, 20)]
    region = {
        name: [y * size + x for x, y in pixels]
        for name, pixels in {"ends": [left, right], "points": [left, right, *others]}.items()
    }
    operations = [
        step("rows", output="points", width=3),
        step(
            "region",
            ("points",),
            "matrix",
            left=region["ends"][0],
            right=region["ends"][1],
            points=region["points"],
            scale=scale,
            size=side,
        ),
        step("sample", ("x", "matrix"), size=side),
    ]
    image = torch.from_numpy(ramp[None].astype(np.float32))
    out = network(tmp_path, size, operations, {})(image)["y"][0].numpy()

    axis = np.array([10, 5]) / np.hypot(10, 5)
    down = np.array([-axis[1], axis[0]])
    along, across = ((np.array([left, right, *others]) + 0.5) @ np.stack([axis, down]).T).T
    low, high = np.array([along.min(), across.min()]), np.array([along.max(), across.max()])
    for i, j in np.ndindex(side, side):
        part = (np.array([j, i]) + 0.5) / side - 0.5
        u, v = (low + high) / 2 + part * scale * (high - low)
        x, y = u * axis + v * down
        inside = 0.5 <= x <= size - 0.5 and 0.5 <= y <= size - 0.5
        assert np.allclose(out[:, i, j], [x, y, 1] if inside else 0, atol=1e-4)
    assert (out[2] > 0.99).all() == (scale == 1.5)


def test_the_files_hold_what_their_operations_use() -> None:
    for path in sorted(ASSETS.glob("*.safetensors")):
        net = Graph(path)
        assert net.size in (128, 192, 256)
        with pytest.raises(ValueError, match=f"{net.size}²"):
            net(torch.zeros(1, 3, 100, 100))


def test_unused_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="spare"):
        network(tmp_path, 2, [step("logistic")], {"spare": np.zeros(1, np.float32)})


def test_unknown_operations_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="softmax"):
        network(tmp_path, 2, [step("softmax")], {})(torch.zeros(1, 3, 2, 2))
