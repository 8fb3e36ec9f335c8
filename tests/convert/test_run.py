"""Whole conversions: what is written, and that nothing is when a file is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from portraiture.convert.run import convert_file
from portraiture.errors import ConversionError, OutputError


@pytest.fixture
def direction(tmp_path: Path) -> Path:
    path = tmp_path / "age.npy"  # a ZIP of torch under the wrong name, as published ones are
    with path.open("wb") as file:
        torch.save(torch.arange(512.0)[None], file)
    return path


def test_a_folder_with_weights_and_card(direction: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "age"
    report = convert_file(direction, out)
    assert report.files == (out / "model.safetensors", out / "config.json")
    assert sorted(p.name for p in out.iterdir()) == ["config.json", "model.safetensors"]
    assert torch.equal(load_file(report.files[0])["direction"], torch.arange(512.0))
    card = json.loads(report.files[1].read_text())
    assert card["model"] == "direction" and card["config"] == {"w_dim": 512, "layers": 1}
    digest = hashlib.sha256(direction.read_bytes()).hexdigest()
    assert card["source"]["sha256"] == digest == report.sha256
    assert card["source"]["file"] == "age.npy"
    assert card["sha256"] == hashlib.sha256(report.files[0].read_bytes()).hexdigest()
    assert card["licence"].startswith("unknown")
    assert "direction" in report.summary()


def test_a_single_file_with_the_card_inside(direction: Path, tmp_path: Path) -> None:
    out = tmp_path / "age.safetensors"
    assert convert_file(direction, out).files == (out,)
    with safe_open(out, framework="pt") as file:
        card = json.loads(file.metadata()["card"])
    assert card["model"] == "direction"
    assert card["source"]["file"] == "age.npy"


@pytest.mark.parametrize("name", ["age", "age.safetensors"])
def test_what_is_there_is_kept_unless_told_otherwise(
    direction: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / name
    first = [p.read_bytes() for p in convert_file(direction, out).files]
    with pytest.raises(OutputError, match="--overwrite"):
        convert_file(direction, out)
    again = convert_file(direction, out, overwrite=True)
    assert [p.read_bytes() for p in again.files] == first


def test_a_refused_file_leaves_nothing_behind(craft: Any, tmp_path: Path) -> None:
    source, marker = tmp_path / "model.pkl", tmp_path / "executed"
    attack = craft.call(craft.name("posix", "system"), craft.text(f"touch {marker}"))
    source.write_bytes(craft.file(craft.dict({"G_ema": attack})))
    for out in (tmp_path / "folder", tmp_path / "file.safetensors"):
        with pytest.raises(ConversionError) as caught:
            convert_file(source, out)
        message = str(caught.value)
        assert message == (
            f"{source} cannot be converted: it asks for posix.system, which no known checkpoint"
            " needs (nothing was run)."
        )
    assert [p.name for p in tmp_path.iterdir()] == ["model.pkl"]


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"PK\3\4", b"\x80\x04N.", b"hello", b"\x93NUMPY", b"\x80\x04N.more"]
)
def test_damaged_and_unknown_files(tmp_path: Path, data: bytes) -> None:
    source = tmp_path / "x.pt"
    source.write_bytes(data)
    with pytest.raises(ConversionError) as caught:
        convert_file(source, tmp_path / "out")
    message = str(caught.value)
    assert message.startswith(str(source)) and message.endswith(".") and "\n" not in message


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="folder"):
        convert_file(tmp_path, tmp_path / "out")
    with pytest.raises(ConversionError, match="cannot be read"):
        convert_file(tmp_path / "none.pkl", tmp_path / "out")
