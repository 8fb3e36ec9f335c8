"""Weights by name and path: round trips, cards, and sentences for what does not fit."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import portraiture
from portraiture import checkpoints
from portraiture.checkpoints import (
    CONVERSION,
    Card,
    load_card,
    load_generator,
    load_image_generator,
    save_generator,
    shipped,
)
from portraiture.errors import CheckpointError
from portraiture.invert.weights import check_fit, load_alignment, load_encoder
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.networks.faces2d import FacesConfig, FacesGenerator
from portraiture.perception.weights import (
    load_attributes,
    load_identity,
    load_parser,
    load_portrait_parser,
)
from portraiture.triplane.rendering import RenderingConfig
from portraiture.weights import Storage

CONFIG = TriPlaneConfig(
    z_dim=6, w_dim=10, choice_groups=((1, 3),), plane_size=16, plane_features=5, channel_base=96,
    channel_max=8, neural_resolution=8, superresolution="2X", superres_widths=(6, 4),
    conditioning="zero", rendering=RenderingConfig(box_warp=1.5, depth_resolution=7),
)  # fmt: skip
CARD = Card("eg3d", {}, "synthetic people", "tiny", 3, {"psnr": 24.5}, "Apache-2.0")


@pytest.fixture
def generator() -> TriPlaneGenerator:
    torch.manual_seed(2)
    return TriPlaneGenerator(CONFIG)


@pytest.mark.parametrize("name", ["tiny", "tiny.safetensors"])
@pytest.mark.parametrize("storage", ["float16", "float32"])
def test_round_trip(
    generator: TriPlaneGenerator, tmp_path: Path, name: str, storage: Storage
) -> None:
    files = save_generator(generator, tmp_path / name, CARD, storage=storage)
    stored = load_file(files[0])
    assert {t.dtype for t in stored.values()} == {getattr(torch, storage)}
    loaded = load_generator(tmp_path / name)
    assert loaded.config == CONFIG and not loaded.training
    for key, tensor in generator.state_dict().items():
        result = loaded.state_dict()[key]
        assert result.dtype == torch.float32
        assert torch.equal(result, tensor.half().float() if storage == "float16" else tensor), key
    card = load_card(tmp_path / name)
    wanted = dataclasses.replace(CARD, config=card.config, sha256=card.sha256)
    assert card == wanted
    assert bool(card.sha256) == (name == "tiny")
    if name == "tiny":
        assert load_generator(tmp_path / name / "model.safetensors").config == CONFIG


def test_image_generators(tmp_path: Path) -> None:
    torch.manual_seed(2)
    generator = FacesGenerator(FacesConfig(8, 5, 7, 2, 32, 4, clamp=256.0)).eval()
    save_generator(generator, tmp_path / "flat")
    loaded = load_image_generator(tmp_path / "flat")
    assert loaded.config == generator.config
    z = torch.randn(2, 5)
    with torch.no_grad():
        wanted = generator.images(generator.mapping(z, None))
        assert torch.equal(loaded.images(loaded.mapping(z, None)), wanted)
    with pytest.raises(CheckpointError, match="not a tri-plane"):
        load_generator(tmp_path / "flat")


def test_axes_of_planes(generator: TriPlaneGenerator, tmp_path: Path) -> None:
    save_generator(generator, tmp_path / "tiny")
    assert load_generator(tmp_path / "tiny").config.rendering.plane_axes == "original"
    fixed = load_generator(tmp_path / "tiny", plane_axes="fixed")
    assert fixed.config.rendering == dataclasses.replace(CONFIG.rendering, plane_axes="fixed")
    save_generator(fixed, tmp_path / "fixed")
    assert load_generator(tmp_path / "fixed").config.rendering.plane_axes == "fixed"


def test_shipped_names(
    generator: TriPlaneGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_weights_folder", lambda: tmp_path / "weights")
    monkeypatch.chdir(tmp_path)
    assert shipped() == {}
    for name in ("heads", "others"):
        save_generator(generator, tmp_path / "weights" / name, CARD, storage="float16")
    assert list(shipped()) == ["heads", "others"]
    assert shipped()["heads"].licence == "Apache-2.0"
    assert load_generator("heads").config == CONFIG
    assert portraiture.load_generator("heads").config == CONFIG
    for unknown in ("headz", "../heads", "no/such/folder", "x.safetensors", "x.pkl", ""):
        with pytest.raises(CheckpointError) as caught:
            load_generator(unknown)
        assert "\n" not in str(caught.value)
    with pytest.raises(CheckpointError, match="shipped are heads, others"):
        load_generator("headz")


LOADERS = {
    "eg3d": load_generator,
    "stylegan2": load_image_generator,
    "identity": load_identity,
    "parser": load_parser,
    "portrait-parser": load_portrait_parser,
    "attributes": load_attributes,
    "goae-encoder": load_encoder,
    "pyramid-encoder": load_encoder,
    "goae-afa": load_alignment,
}


def test_the_cards_that_ship_are_true() -> None:
    sizes = [
        (checkpoints._weights_folder() / name / "model.safetensors").stat().st_size
        for name in shipped()
    ]
    assert max(sizes) <= 8_000_000 and sum(sizes) <= 28_000_000
    for name, card in shipped().items():
        assert card.sha256 and card.licence != "unknown"
        LOADERS[card.model](name)


def test_the_encoder_and_alignment_that_ship_are_for_the_heads_that_ship() -> None:
    check_fit(load_generator("heads"), load_encoder("swin-w"), load_alignment("goae-alignment"))


def test_foreign_files_are_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "age.pt"
    stream = io.BytesIO()
    torch.save(torch.arange(512.0), stream)
    source.write_bytes(stream.getvalue())
    assert load_card(source).model == "direction"
    (made,) = (tmp_path / "cache" / "portraiture" / f"converted-{CONVERSION}").iterdir()
    before = (made / "config.json").stat().st_mtime_ns
    assert load_card(source).source["file"] == "age.pt"
    assert (made / "config.json").stat().st_mtime_ns == before


def _edited(folder: Path, **changes: Any) -> None:
    card = json.loads((folder / "config.json").read_text())
    card["config"] |= changes
    (folder / "config.json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"w_dim": 11}, "in shape"),
        ({"plane_size": 8}, "unknown tensor"),
        ({"mapping_layers": 3}, "lacks the tensor backbone.mapping.fc2.weight"),
        ({"mapping_layers": 10**9}, "mapping_layers cannot be"),
        ({"plane_size": 1 << 40}, "plane_size cannot be"),
        ({"flow_rank": -1}, "flow_rank cannot be"),
        ({"z_dim": "6"}, "z_dim cannot be"),
        ({"z_dim": True}, "z_dim cannot be"),
        ({"z_dim": 6.5}, "z_dim cannot be"),
        ({"superresolution": "16X"}, "superresolution cannot be"),
        ({"superres_widths": [6]}, "does not fit"),
        ({"rendering": None}, "does not fit"),
        ({"rendering": {"plane_axes": "none"}}, "plane_axes cannot be"),
        ({"surprise": 1}, "setting 'surprise' is unknown"),
    ],
)
def test_cards_that_do_not_fit(
    generator: TriPlaneGenerator, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    save_generator(generator, tmp_path / "tiny")
    _edited(tmp_path / "tiny", **changes)
    with pytest.raises(CheckpointError) as caught:
        load_generator(tmp_path / "tiny")
    assert reason in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "[" * 100_000, '{"model": "x", "config": {}}']
)
def test_cards_that_are_none(generator: TriPlaneGenerator, tmp_path: Path, text: str) -> None:
    save_generator(generator, tmp_path / "tiny")
    (tmp_path / "tiny" / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load_generator(tmp_path / "tiny")


def test_weights_that_are_not_the_cards(generator: TriPlaneGenerator, tmp_path: Path) -> None:
    weights, _ = save_generator(generator, tmp_path / "tiny")
    tensors = load_file(weights)
    save_file({name: tensor + 1 for name, tensor in tensors.items()}, weights)
    with pytest.raises(CheckpointError, match="not the file that its card was written for"):
        load_generator(tmp_path / "tiny")
    weights.write_bytes(weights.read_bytes()[:-5])
    with pytest.raises(CheckpointError):
        load_generator(tmp_path / "tiny")


def test_files_without_a_card(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "bare.safetensors")
    with pytest.raises(CheckpointError, match="has no card"):
        load_generator(tmp_path / "bare.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        load_generator(tmp_path / "broken.safetensors")
