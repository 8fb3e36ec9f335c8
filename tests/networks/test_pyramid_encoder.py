"""pSp's and e4e's encoders: which map gives which row, and that they come back from their files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from portraiture.errors import CheckpointError
from portraiture.invert.weights import load_encoder, save
from portraiture.networks.pyramid_encoder import PyramidConfig, PyramidEncoder
from portraiture.weights import Card, write_weights

SMALL = PyramidConfig(
    kind="psp",
    image_size=32,
    widths=(16, 16, 32, 32),
    units=(1, 1, 1, 1),
    w_dim=8,
    rows=(1, 1, 2),
    branch=16,
)


def _encoder(kind: str) -> PyramidEncoder:
    torch.manual_seed(0)
    return PyramidEncoder(replace(SMALL, kind=kind)).eval()  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "levels", "moved"), [
    ("psp", 0, [2]), ("psp", 3, [2]), ("e4e", 1, []), ("e4e", 2, [2]), ("e4e", 3, [2]),
])  # fmt: skip
def test_each_row_has_its_own_branch(kind: str, levels: int, moved: list[int]) -> None:
    encoder, photos = _encoder(kind), torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        before = encoder(photos, levels=levels)
        for parameter in encoder.branches[2].parameters():
            parameter.add_(0.3)
        after = encoder(photos, levels=levels)
    assert before.shape == (2, 5, 8)
    changed = (before - after).abs().amax((0, 2)) > 1e-6
    assert [k for k in range(5) if changed[k]] == moved


def test_rows_of_e4e_are_offsets_from_the_first() -> None:
    encoder, photos = _encoder("e4e"), torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        base = encoder(photos, levels=0)
        whole = encoder(photos)
    assert torch.allclose(base, base[:, :1].expand_as(base))
    assert torch.allclose(whole[:, 0], base[:, 0])
    assert (whole[:, 1:] - whole[:, :1]).abs().amax((0, 2)).min() > 1e-6


def test_fine_rows_read_the_fine_map() -> None:
    """Cut off from it, they no longer see a change of half a pixel's wavelength; coarse ones never
    read it."""
    encoder, photos = _encoder("psp"), torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        before = encoder(photos)
        torch.nn.init.zeros_(encoder.fine_to_coarse.weight)
        after = encoder(photos)
    changed = (before - after).abs().amax((0, 2)) > 1e-6
    assert changed.tolist() == [False, False, False, True, True]


def test_it_comes_back_from_its_file(tmp_path: Path) -> None:
    encoder, photos = _encoder("e4e"), torch.randn(1, 3, 32, 32)
    save(encoder, tmp_path / "e4e", Card("unset", {}), storage="float32")  # type: ignore[arg-type]
    again = load_encoder(tmp_path / "e4e")
    assert isinstance(again, PyramidEncoder)
    assert again.config == encoder.config
    with torch.no_grad():
        assert torch.equal(again(photos), encoder(photos))


def test_a_card_that_asks_for_too_much_is_refused(tmp_path: Path) -> None:
    encoder = _encoder("psp")
    config = {"kind": "psp", "image_size": 32, "widths": [16, 16, 32, 32],
              "units": [10_000, 1, 1, 1], "w_dim": 8, "rows": [1, 1, 2], "branch": 16}  # fmt: skip
    write_weights(tmp_path / "big", encoder.state_dict(), Card("pyramid-encoder", config))
    with pytest.raises(CheckpointError, match="blocks"):
        load_encoder(tmp_path / "big")


def test_the_papers_size_is_that_of_the_backbone_it_names() -> None:
    """IR-SE50 without its output has 18 rows' branches behind it: 1024² StyleGAN2's."""
    with torch.device("meta"):
        encoder = PyramidEncoder(PyramidConfig())
        shapes = encoder(torch.zeros(1, 3, 256, 256)).shape
    assert shapes == (1, 18, 512)
