"""LiftedGAN's and GOAE's files, whose networks are known by their tensors' names and shapes."""

from __future__ import annotations

import io
import re

import pytest
import torch
from shared_data import SHARED

from portraiture.convert import goae, liftedgan
from portraiture.convert.layouts import LayoutName, layout
from portraiture.convert.refusal import RefusalError
from portraiture.convert.run import read_foreign

REFERENCE = SHARED / "reference"
needs_reference = pytest.mark.skipif(
    not REFERENCE.exists(), reason="../shared/reference with names is absent"
)
Shapes = dict[str, tuple[int, ...]]


@needs_reference
@pytest.mark.parametrize(
    ("name", "file", "count"),
    [
        ("goae_encoder", "goae_encoder_ffhq_state_dict.txt", 545),
        ("goae_afa", "goae_afa_ffhq_state_dict.txt", 174),
        ("liftedgan", "liftedgan_ffhq256_state_dict.txt", 169),
    ],
)
def test_the_layouts_are_the_published_ones(name: LayoutName, file: str, count: int) -> None:
    published: Shapes = {}
    for line in (REFERENCE / file).read_text().splitlines():
        key, _, shape = line.partition(" ")
        published[key] = tuple(int(n) for n in re.findall(r"\d+", shape))
    assert layout(name) == published
    assert len(published) == count


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The layouts with every axis cut to two, so that files of them stay small."""

    def cut(name: LayoutName) -> Shapes:
        return {key: tuple(min(n, 2) for n in shape) for key, shape in layout(name).items()}

    monkeypatch.setattr(goae, "layout", cut)
    monkeypatch.setattr(liftedgan, "layout", cut)


def _random(name: LayoutName) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(3)
    table: dict[str, torch.Tensor] = {}
    for key, shape in layout(name).items():
        cut = [min(n, 2) for n in shape]
        whole = key.endswith(("num_batches_tracked", "relative_position_index"))
        table[key] = torch.randint(9, cut) if whole else torch.randn(cut, generator=rng)
    return table


def saved(value: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


@pytest.mark.parametrize("name", ["goae_encoder", "goae_afa"])
@pytest.mark.usefixtures("small")
def test_goae_keeps_its_names(name: LayoutName) -> None:
    table = _random(name)
    for root, dropped in ((table, ()), ({"state_dict": table, "step": 3}, ("step",))):
        converted = read_foreign(saved(root))
        assert converted.model == name.replace("_", "-")
        assert converted.dropped == dropped
        assert list(converted.tensors) == list(table)
        for key, tensor in table.items():
            assert converted.tensors[key].dtype == tensor.dtype
            assert torch.equal(converted.tensors[key], tensor)


@pytest.mark.usefixtures("small")
def test_liftedgan_is_renamed_by_its_table() -> None:
    table = _random("liftedgan")
    root: dict[str, object] = {"optimizer": {"state": {}, "param_groups": []}, "epoch": 30}
    for net in liftedgan.TABLES:
        root[net] = {
            key.removeprefix(f"{net}."): value
            for key, value in table.items()
            if key.startswith(f"{net}.")
        }
    converted = read_foreign(saved(root))
    names = liftedgan.lifted_names()
    unused = {name for name in table if name.startswith(liftedgan.UNUSED)}
    assert converted.model == "liftedgan" and converted.renamed == len(names)
    assert set(converted.dropped) == {"optimizer", "epoch"} | unused
    pairs = {
        "netD.head.6.bias": "depth.head.6.bias",
        "netT.network.21.weight": "transformation.network.21.weight",
        "netSD.model_view.mlp.6.bias": "view.mlp.6.bias",
        "netSC.model.mlp.9.bias": "manipulation.model.mlp.9.bias",
    }
    assert pairs.items() <= names.items()
    assert len(set(names.values())) == len(converted.tensors)
    assert set(names) | unused == set(table)
    for theirs, ours in names.items():
        assert torch.equal(converted.tensors[ours], table[theirs])


@pytest.mark.usefixtures("small")
def test_unknown_and_missing_tensors_are_named() -> None:
    table = _random("goae_afa")
    with pytest.raises(RefusalError, match=r"unknown tensor body\.99\.weight"):
        read_foreign(saved(table | {"body.99.weight": torch.ones(2)}))
    last = list(table)[-1]
    with pytest.raises(RefusalError, match=f"lacks the tensor {re.escape(last)}"):
        read_foreign(saved({k: v for k, v in table.items() if k != last}))
    with pytest.raises(RefusalError, match="shape"):
        read_foreign(saved(table | {last: torch.ones(3, 3)}))
