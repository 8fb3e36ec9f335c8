"""adapt on the command line: from images to a style, a head in it and back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from adapt_cases import generator_file, prepared_folder

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.cli import main
from portraiture.head import Head, rounded
from portraiture.models import Models


def head_file(generator: Path, path: Path) -> Path:
    models = Models()
    network = models.generator(generator)
    ws = network.mapping(torch.randn(1, 8, generator=torch.Generator().manual_seed(5)), None)
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(0.0, 0.0))).float()[None]
    head = Head(
        planes=network.planes(ws), ws=ws, camera=camera, generator=str(generator),
        fingerprint=models.fingerprint(generator), method="sample", models=models,
    )  # fmt: skip
    return rounded(head).save(path)


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_a_head_goes_into_a_trained_style_and_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator, data = generator_file(tmp_path), prepared_folder(tmp_path / "data")
    head, out = head_file(generator, tmp_path / "head.safetensors"), tmp_path / "painted"
    network = ["--network", str(generator)]
    main(["adapt", "train", "--images", str(data), "--preset", "tiny", "--out", str(out), *network])
    assert {p.name for p in (out / "style").iterdir()} == {"model.safetensors", "config.json"}
    apply = ["adapt", "apply", str(head), "--style", str(out), *network]
    main([*apply, "--out", str(tmp_path / "a"), "--exaggerate", "1.5", "--shape", "0.5"])
    styled = Head.load(tmp_path / "a" / "head.safetensors", network=generator)
    assert styled.facts["style"] == "painted" and styled.facts["style_shape"] == 0.5
    again = [str(tmp_path / "a" / "head.safetensors") if x == str(head) else x for x in apply]
    main([*again, "--back", "--out", str(tmp_path / "b")])
    back = Head.load(tmp_path / "b" / "head.safetensors", network=generator)
    plain = Head.load(head, network=generator)
    assert torch.allclose(back.planes, plain.planes, atol=1e-2)
    message = refused([*apply, "--out", str(tmp_path / "c"), "--shape", "2"], capsys)
    assert "--shape goes from 0 to 1" in message and not (tmp_path / "c").exists()
    message = refused([*apply[:4], "nowhere", "--out", str(tmp_path / "c")], capsys)
    assert "There is no style nowhere" in message


def test_a_bundle_is_written_instead_of_training(tmp_path: Path) -> None:
    generator, data = generator_file(tmp_path), prepared_folder(tmp_path / "data")
    main([
        "adapt", "train", "--images", str(data), "--preset", "tiny", "--network", str(generator),
        "--out", str(tmp_path / "out"), "--bundle", str(tmp_path / "bundle"),
    ])  # fmt: skip
    assert (tmp_path / "bundle" / "images.zip").is_file()
    assert (tmp_path / "bundle" / "train.py").is_file()
