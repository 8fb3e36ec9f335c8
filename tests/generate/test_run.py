"""Heads by seed: latents, files, determinism, and one-sentence errors."""

from __future__ import annotations

import json
from math import radians
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from portraiture.checkpoints import load_image_generator, save_generator, shipped
from portraiture.cli import main
from portraiture.errors import OutputError, SampleError, SurfaceError
from portraiture.generate.run import (
    SampleConfig,
    contact_sheet,
    head_files,
    latent_of_seed,
    parse_seeds,
    sample_heads,
    sample_images,
    sample_ws,
)
from portraiture.meshing.head_mesh import MeshConfig
from portraiture.metrics.landmarks import detection_rate
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.networks.faces2d import FacesConfig, FacesGenerator
from portraiture.triplane.rendering import RenderingConfig

VIEWS = (radians(-30.0), 0.0)


@pytest.fixture(scope="module")
def generator() -> TriPlaneGenerator:
    """Random weights; the density is raised so that the box holds something solid."""
    torch.manual_seed(0)
    config = TriPlaneConfig(
        z_dim=16, c_dim=0, w_dim=16, plane_size=32, plane_features=8, channel_base=256,
        channel_max=16, decoder_hidden=16, neural_resolution=32, superresolution="2X",
        superres_widths=(8, 8),
        rendering=RenderingConfig(depth_resolution=12, importance_resolution=0),
    )  # fmt: skip
    made = TriPlaneGenerator(config).eval().requires_grad_(False)
    made.decoder.net[2].weight[0] *= 60.0
    made.decoder.net[2].bias[0] = 30.0
    return made


def test_an_image_generator_gives_an_image_a_seed(tmp_path: Path) -> None:
    torch.manual_seed(0)
    painter = FacesGenerator(
        FacesConfig(size=16, z_dim=8, w_dim=16, mapping_layers=2, channel_base=64, channel_max=8)
    ).eval()
    seeds = list(range(9))
    images = sample_images(seeds, tmp_path / "out", network=painter)
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == sorted([*(f"seed{k}.png" for k in seeds), "sheet.png"])
    sheet = np.asarray(Image.open(tmp_path / "out" / "sheet.png"))
    assert sheet.shape == (32, 8 * 16, 3)
    assert np.array_equal(sheet[16:, :16], images[8])
    assert (sheet[16:, 16:] == 255).all()
    z = latent_of_seed(3, 8)
    with torch.no_grad():
        image = painter.images(painter.mapping(z, None, truncation_psi=0.7))[0]
    expected = (image.clamp(-1, 1).permute(1, 2, 0).numpy() + 1.0) * 127.5
    assert np.abs(images[3] - expected).max() <= 1.0
    with pytest.raises(OutputError, match="exists"):
        sample_images(seeds, tmp_path / "out", network=painter)


def test_flat_images_have_no_mesh(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    config = FacesConfig(
        size=16, z_dim=8, w_dim=16, mapping_layers=2, channel_base=64, channel_max=8
    )
    save_generator(FacesGenerator(config), tmp_path / "flat.safetensors")
    command = ["sample", "--seeds", "0-1", "--network", str(tmp_path / "flat.safetensors")]
    main([*command, "--out", str(tmp_path / "a")])
    assert (tmp_path / "a" / "sheet.png").is_file()
    with pytest.raises(SystemExit):
        main([*command, "--mesh", "--out", str(tmp_path / "b")])
    assert "flat images" in capsys.readouterr().err


def test_the_embedded_images_show_faces() -> None:
    if "faces2d" not in shipped():
        pytest.skip("faces2d is not shipped")
    painter = load_image_generator("faces2d")
    z = torch.cat([latent_of_seed(seed, painter.config.z_dim) for seed in range(4)])
    with torch.no_grad():
        images = painter.images(painter.mapping(z, None))
    assert images.shape == (4, 3, 128, 128)
    pixels = ((images.clamp(-1.0, 1.0) + 1.0) * 127.5).permute(0, 2, 3, 1).to(torch.uint8).numpy()
    assert detection_rate(list(pixels)) == 1.0


def test_seeds_are_read_as_written() -> None:
    assert parse_seeds("0-3,12") == (0, 1, 2, 3, 12)
    assert parse_seeds("7") == (7,)
    assert parse_seeds(" 5 , 3-4, 5") == (5, 3, 4)


@pytest.mark.parametrize("text", ["", "a", "3-1", "1,,2", "-4", "1.5", "5000000000", "0-99999"])
def test_other_seeds_are_refused(text: str) -> None:
    with pytest.raises(SampleError) as caught:
        parse_seeds(text)
    assert str(caught.value).count(".") <= 2


def test_latents_are_normal_and_those_of_the_published_programs() -> None:
    z = latent_of_seed(7, 20_000)
    assert abs(float(z.mean())) < 0.03
    assert float(z.std()) == pytest.approx(1.0, abs=0.02)
    assert latent_of_seed(0, 2)[0].tolist() == pytest.approx([1.7640524, 0.4001572])


def test_truncation_goes_to_the_mean(generator: TriPlaneGenerator) -> None:
    mean = generator.backbone.mapping.w_avg
    torch.testing.assert_close(sample_ws(generator, 3, truncation=0.0)[0, 0], mean)
    assert not torch.equal(sample_ws(generator, 3), sample_ws(generator, 4))


def test_all_files_are_written(generator: TriPlaneGenerator, tmp_path: Path) -> None:
    config = SampleConfig(
        views=VIEWS, size=48, video=True,
        mesh=MeshConfig(resolution=32, triangles=500, texture_size=64, absorption=5.0),
    )  # fmt: skip
    (head,) = sample_heads([5], tmp_path / "out", network=generator, config=config)
    assert sorted(path.name for path in head.folder.iterdir()) == sorted(head_files(config))
    assert {"front.png", "view_-30.png", "view_0.png"} <= set(head_files(config))
    with Image.open(tmp_path / "out" / "sheet.png") as sheet:
        assert sheet.size == (96, 48)
    ws = load_file(head.folder / "latent.safetensors")["ws"]
    torch.testing.assert_close(ws, sample_ws(generator, 5, truncation=0.7))
    record = json.loads((tmp_path / "out" / "sample.json").read_text())
    assert record["seeds"] == [5]
    assert record["settings"]["views"] == [-30.0, 0.0]


def test_same_seed_same_images(generator: TriPlaneGenerator, tmp_path: Path) -> None:
    config = SampleConfig(views=VIEWS)
    one = sample_heads([1, 2], tmp_path / "a", network=generator, config=config)
    two = sample_heads([2], tmp_path / "b", network=generator, config=config)
    np.testing.assert_array_equal(one[1].views[0], two[0].views[0])
    assert not np.array_equal(one[0].views[0], one[1].views[0])


def test_nothing_is_replaced_unasked(generator: TriPlaneGenerator, tmp_path: Path) -> None:
    config = SampleConfig(views=VIEWS)
    sample_heads([1], tmp_path / "a", network=generator, config=config)
    with pytest.raises(OutputError, match="--overwrite"):
        sample_heads([1], tmp_path / "a", network=generator, config=config)
    sample_heads([1], tmp_path / "a", network=generator, config=config, overwrite=True)


def test_an_empty_head_leaves_no_folder(generator: TriPlaneGenerator, tmp_path: Path) -> None:
    config = SampleConfig(views=VIEWS, mesh=MeshConfig(resolution=16, absorption=1e6))
    with pytest.raises(SurfaceError):
        sample_heads([1], tmp_path / "a", network=generator, config=config)
    assert not (tmp_path / "a" / "seed1").exists()


@pytest.mark.parametrize(
    "config",
    [
        SampleConfig(size=8),
        SampleConfig(truncation=float("nan")),
        SampleConfig(views=()),
        SampleConfig(views=(0.1, 0.1)),
        SampleConfig(pitch=1.57),
    ],
)
def test_settings_out_of_range_are_refused(config: SampleConfig, tmp_path: Path) -> None:
    with pytest.raises(SampleError):
        sample_heads([0], tmp_path / "a", config=config)
    assert not (tmp_path / "a").exists()


def test_the_sheet_has_a_row_a_head() -> None:
    images = [np.full((4, 4, 3), k, np.uint8) for k in range(6)]
    sheet = contact_sheet([images[:3], images[3:]])
    assert sheet.shape == (8, 12, 3)
    assert sheet[5, 9, 0] == 5
