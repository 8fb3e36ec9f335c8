from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from portraiture.avatar import Avatar
from portraiture.checkpoints import load_image_generator, save_generator
from portraiture.cli.commands import main
from portraiture.networks.pyramid_encoder import PyramidEncoder
from portraiture.parametrize.networks import Imitator, ImitatorConfig, Mapper, MapperConfig
from portraiture.parametrize.presets import FACES_ENCODER
from portraiture.parametrize.run import PARAMETRIZE_FILES
from portraiture.parametrize.train_encoder import fitted
from portraiture.photo.demo_photo import demo_photo
from portraiture.weights import Card, write_weights


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of untrained networks beside faces2d."""
    folder = tmp_path_factory.mktemp("cascade")
    torch.manual_seed(0)
    faces = load_image_generator("faces2d")
    save_generator(faces, folder / "stylised.safetensors")
    imitator = Imitator(ImitatorConfig(faces=faces.config, hidden=8))
    imitator.synthesis.load_state_dict(faces.synthesis.state_dict())
    encoder = PyramidEncoder(fitted(FACES_ENCODER["tiny"].encoder, faces))
    mapper = Mapper(MapperConfig(rows=faces.num_ws, w_dim=faces.config.w_dim, row=8, hidden=16))
    made = {"imitator": imitator, "encoder": encoder, "mapper": mapper}
    for name, network in made.items():
        card = Card(network.model_name, asdict(network.config))
        write_weights(folder / f"{name}.safetensors", network.state_dict(), card)
    return folder


@pytest.mark.slow
def test_a_photo_gives_all_files_or_one_sentence(
    networks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "me"
    arguments = ["parametrize", str(demo_photo()), "--networks", str(networks), "--out", str(out)]
    main(arguments)
    assert {path.name for path in out.iterdir()} == set(PARAMETRIZE_FILES)
    height, width = np.asarray(Image.open(out / "stages.png")).shape[:2]
    assert width == 5 * height
    assert Avatar.load(out / "avatar.json").style == "natural"
    with pytest.raises(SystemExit) as stopped:
        main([*arguments[:3], str(tmp_path), "--out", str(tmp_path / "other")])
    assert stopped.value.code == 2 and not (tmp_path / "other").exists()
    assert "encoder.safetensors" in capsys.readouterr().err
