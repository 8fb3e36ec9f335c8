"""The supporting networks' files: strict when read; and what the shipped networks know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from portraiture.checkpoints import shipped
from portraiture.errors import CheckpointError
from portraiture.perception.identity import IdentityConfig, IdentityNetwork
from portraiture.perception.parser import ParserConfig, ParserNetwork
from portraiture.perception.weights import load_identity, load_parser, save_network


def _tiny() -> IdentityNetwork:
    torch.manual_seed(0)
    return IdentityNetwork(IdentityConfig(width=4, neck=8, embedding=12, size=32)).eval()


def _save(network: IdentityNetwork | ParserNetwork, out: Path) -> None:
    save_network(network, out, data="none", recipe="none", metrics={"accuracy": 0.5})


def test_round_trip_in_half_precision(tmp_path: Path) -> None:
    network = _tiny()
    _save(network, tmp_path / "net")
    again = load_identity(tmp_path / "net")
    assert again.config == network.config and not again.training
    faces = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(again(faces), network(faces), atol=2e-3, rtol=0)
    card = json.loads((tmp_path / "net" / "config.json").read_text())
    assert card["metrics"] == {"accuracy": 0.5} and card["model"] == "identity"


def test_parser_round_trip(tmp_path: Path) -> None:
    network = ParserNetwork(ParserConfig(widths=(4, 4, 8, 8), size=32)).eval()
    _save(network, tmp_path / "net")
    assert load_parser(tmp_path / "net").config == network.config


def test_another_kind_is_refused(tmp_path: Path) -> None:
    _save(_tiny(), tmp_path / "net")
    with pytest.raises(CheckpointError, match="not a face parser"):
        load_parser(tmp_path / "net")
    with pytest.raises(CheckpointError):
        load_identity(tmp_path / "nothing")


def test_card_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    _save(_tiny(), tmp_path / "net")
    path = tmp_path / "net" / "config.json"
    card = json.loads(path.read_text())
    path.write_text(json.dumps(card | {"config": card["config"] | {"width": 8}}))
    with pytest.raises(CheckpointError, match="in shape"):
        load_identity(tmp_path / "net")
    path.write_text(json.dumps(card | {"config": {"depth": 18}}))
    with pytest.raises(CheckpointError, match="does not fit"):
        load_identity(tmp_path / "net")


def test_shipped_networks_load_and_are_small() -> None:
    cards = shipped()
    if not {"identity-synthetic", "parser"} <= set(cards):
        pytest.skip("the supporting networks are not shipped")
    assert load_identity().config.size == 112
    labels = load_parser().segment(torch.zeros(1, 3, 96, 96))
    assert labels.shape == (1, 96, 96)
