"""Published networks: their sizes from the literature, what they compute, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from portraiture.camera import EG3D_ANCHOR, EG3D_UNIT_M, eg3d_orbit, project
from portraiture.errors import CheckpointError
from portraiture.metrics.published import (
    ARCFACE_BOX,
    fid,
    identity_arcface,
    lpips,
    parser_bisenet,
)
from portraiture.networks.ir_se import Gate
from portraiture.perception.arcface import ArcFace
from portraiture.perception.bisenet import BiSeNet, ResNet18
from portraiture.perception.inception import (
    Inception,
    UnitA,
    UnitB,
    UnitC,
    UnitD,
    UnitE,
    _average,
)
from portraiture.perception.lpips import SCALE, SHIFT, Lpips
from portraiture.photo.align import mean_face
from portraiture.types import Segment


def _count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_networks_have_the_sizes_of_the_literature() -> None:
    """torchvision's Inception-v3 has 27,161,264 parameters, of which 3,326,696 in the auxiliary
    head and 2,049,000 in the classifier; its ResNet-18 11,689,512, of which 513,000 in the
    classifier; its VGG-16 and AlexNet 14,714,688 and 2,469,696 before the classifier."""
    inception = Inception()
    assert _count(inception) - _count(inception.fc) == 27_161_264 - 3_326_696 - 2_049_000
    assert _count(ResNet18()) == 11_689_512 - 513_000
    assert _count(Lpips("vgg").features) == 14_714_688
    assert _count(Lpips("alex").features) == 2_469_696


def test_arcface_has_fifty_layers_and_unit_embeddings() -> None:
    """24 units of two convolutions, the first convolution and the last linear layer: IR-50."""
    network = ArcFace().eval()
    assert 2 * len(network.body) + 2 == 50
    shortcuts = [unit.get_submodule("shortcut_layer") for unit in network.body]
    wider = [k for k, shortcut in enumerate(shortcuts) if isinstance(shortcut, nn.Sequential)]
    assert wider == [3, 7, 21]
    with torch.no_grad():
        embedding = network(torch.rand(1, 3, 112, 112) * 2 - 1)
    assert embedding.shape == (1, 512)
    assert float(embedding.norm()) == pytest.approx(1.0, abs=1e-5)


def test_inception_halves_as_the_paper_says_and_pools_without_the_border() -> None:
    network, sizes = Inception().eval(), {}
    for name in ("Mixed_5d", "Mixed_6e", "Mixed_7c"):
        unit = network.get_submodule(name)
        unit.register_forward_hook(lambda m, i, out, name=name: sizes.update({name: out.shape[1:]}))
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 2048)
    assert sizes == {"Mixed_5d": (288, 35, 35), "Mixed_6e": (768, 17, 17), "Mixed_7c": (2048, 8, 8)}
    assert torch.allclose(_average(torch.ones(1, 1, 5, 5)), torch.ones(1, 1, 5, 5))


def test_lpips_of_one_layer_by_hand() -> None:
    """With the comparison's weights on the first layer only: unit vectors of its features."""
    torch.manual_seed(0)
    distance = Lpips("alex").eval()
    for k in range(5):
        nn.init.constant_(distance.get_parameter(f"lin{k}.model.1.weight"), 0.3 * (k == 0))
    a, b = torch.rand(2, 1, 3, 64, 64) * 2 - 1

    def features(x: Tensor) -> np.ndarray:
        layer = distance.features[0]
        assert isinstance(layer, nn.Conv2d) and layer.bias is not None
        colours = (x[0].numpy() - np.array(SHIFT)[:, None, None]) / np.array(SCALE)[:, None, None]
        padded = np.pad(colours, ((0, 0), (2, 2), (2, 2)))
        places = range(0, 58, 4)
        windows = np.array([[padded[:, i : i + 11, j : j + 11] for j in places] for i in places])
        raw = np.einsum("hwcij,ocij->ohw", windows, layer.weight.detach().numpy())
        raw = np.maximum(raw + layer.bias.detach().numpy()[:, None, None], 0.0)
        return raw / (np.sqrt((raw**2).sum(0)) + 1e-10)

    expected = 0.3 * ((features(a) - features(b)) ** 2).sum(0).mean()
    with torch.no_grad():
        assert float(distance(a, b)) == pytest.approx(expected, rel=1e-4)
        assert float(distance(a, a)) == 0.0


PUBLISHED_ORDER = [
    "background",
    "skin",
    "left_brow",
    "right_brow",
    "left_eye",
    "right_eye",
    "glasses",
    "left_ear",
    "right_ear",
    "earring",
    "nose",
    "mouth",
    "upper_lip",
    "lower_lip",
    "neck",
    "necklace",
    "cloth",
    "hair",
    "hat",
]


def test_bisenet_names_classes_as_we_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pixel of each published class."""
    network = BiSeNet().eval()
    logits = torch.eye(19).view(1, 19, 19, 1).expand(1, 19, 19, 19)
    monkeypatch.setattr(network, "forward", lambda images: logits)
    labels = network.segment(torch.zeros(1, 3, 19, 19))
    assert [Segment(int(k)).name.lower() for k in labels[0, :, 0]] == PUBLISHED_ORDER


@pytest.mark.parametrize(("unit", "side", "order"), [
    (UnitA(8, 4), 9, ["branch1x1", "branch5x5_2", "branch3x3dbl_3", "branch_pool"]),
    (UnitB(8), 9, ["branch3x3", "branch3x3dbl_3"]),
    (UnitC(16), 9, ["branch1x1", "branch7x7_3", "branch7x7dbl_5", "branch_pool"]),
    (UnitD(), 9, ["branch3x3_2", "branch7x7x3_4"]),
    (UnitE(8, pool=_average), 9, [
        "branch1x1", "branch3x3_2a", "branch3x3_2b", "branch3x3dbl_3a", "branch3x3dbl_3b",
        "branch_pool",
    ]),
])  # fmt: skip
def test_inception_s_branches_stand_in_the_published_order(
    unit: nn.Module, side: int, order: list[str]
) -> None:
    """And where a unit halves, the pooled input comes last."""
    made: dict[str, Tensor] = {}
    for name in order:
        unit.get_submodule(name).register_forward_hook(
            lambda m, i, out, name=name: made.update({name: out})
        )
    inputs = 768 if isinstance(unit, UnitC | UnitD) else 8
    x = torch.rand(1, inputs, side, side)
    with torch.no_grad():
        out = unit.eval()(x)
    parts = [made[name] for name in order]
    if isinstance(unit, UnitB | UnitD):
        parts.append(nn.functional.max_pool2d(x, 3, 2))
    assert torch.equal(out, torch.cat(parts, 1))


def test_a_gate_weighs_channels_by_their_means() -> None:
    gate = Gate(32)
    x = np.random.default_rng(0).normal(size=(1, 32, 3, 3)).astype(np.float32)
    first, second = (layer.weight.detach().numpy()[:, :, 0, 0] for layer in (gate.fc1, gate.fc2))
    inner = np.maximum(first @ x.mean((2, 3))[0], 0.0)
    expected = x * (1.0 / (1.0 + np.exp(-second @ inner)))[None, :, None, None]
    with torch.no_grad():
        assert np.abs(gate(torch.from_numpy(x)).numpy() - expected).max() < 1e-6


def test_fid_sees_images_as_files_hold_them(tmp_path: Path) -> None:
    torch.save(Inception().eval().state_dict(), tmp_path / "inception.pth")
    extractor = fid(tmp_path / "inception.pth")
    levels = torch.randint(0, 256, (1, 3, 32, 32)).float()
    between = (levels + 0.3) / 127.5 - 1.0
    beyond = torch.where(levels == 255, 3.0, levels / 127.5 - 1.0)
    assert extractor.metric == "fid"
    wanted = extractor.extract(levels / 127.5 - 1.0)
    assert wanted.shape == (1, 2048)
    assert torch.equal(extractor.extract(between), wanted)
    assert torch.equal(extractor.extract(beyond), wanted)


def test_bisenet_loads_from_a_file(tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = BiSeNet().eval()
    torch.save(network.state_dict(), tmp_path / "79999_iter.pth")
    images = torch.rand(1, 3, 40, 40) * 2 - 1
    loaded = parser_bisenet(tmp_path / "79999_iter.pth")
    assert torch.equal(loaded.segment(images), network.segment(images))


def test_the_mean_face_lies_where_arcface_s_alignment_puts_it() -> None:
    points = mean_face()[0] / EG3D_UNIT_M + EG3D_ANCHOR
    seen = project(points, eg3d_orbit(0.0, 0.0), (1, 1))[:, :2]
    eyes = [seen[[33, 133]].mean(0), seen[[362, 263]].mean(0)]
    five = np.array([*eyes, seen[1], seen[61], seen[291]])
    left, top, right, bottom = ARCFACE_BOX
    found = (five - [left, top]) / [right - left, bottom - top] * 112
    template = [[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]]
    assert np.abs(found - template).max() < 5.0


def test_files_of_torch_and_safetensors_give_the_same(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = ArcFace().eval()
    torch.save(network.state_dict(), tmp_path / "model_ir_se50.pth")
    save_file(network.state_dict(), tmp_path / "arcface.safetensors")
    crops = torch.rand(1, 3, 128, 128) * 2 - 1
    a, b = (identity_arcface(tmp_path / f) for f in ("model_ir_se50.pth", "arcface.safetensors"))
    assert a.metric == "identity"
    assert torch.equal(a.extract(crops), b.extract(crops))


def test_lpips_loads_from_two_files(tmp_path: Path) -> None:
    distance = Lpips("alex").eval()
    state = distance.state_dict()
    own = {k: v for k, v in state.items() if k.startswith("features.")}
    torch.save(own | {"classifier.1.weight": torch.zeros(2, 2)}, tmp_path / "alexnet.pth")
    torch.save({k: v for k, v in state.items() if k.startswith("lin")}, tmp_path / "alex.pth")
    loaded = lpips(tmp_path / "alexnet.pth", tmp_path / "alex.pth")
    a, b = torch.rand(2, 1, 3, 64, 64)
    assert loaded.metric == "lpips"
    assert torch.equal(loaded.measure(a, b), distance(a, b).detach())


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="lacks"):
        fid(tmp_path / "other.pth")
    state = BiSeNet().state_dict()
    torch.save(state | {"more": torch.zeros(1)}, tmp_path / "more.pth")
    with pytest.raises(CheckpointError, match="unknown tensor 'more'"):
        parser_bisenet(tmp_path / "more.pth")
    torch.save(state | {"cp.resnet.conv1.weight": torch.zeros(1)}, tmp_path / "shape.pth")
    with pytest.raises(CheckpointError, match="shape"):
        parser_bisenet(tmp_path / "shape.pth")
    for name in ("none.pth", "none.safetensors"):
        with pytest.raises(CheckpointError, match="No such file"):
            fid(tmp_path / name)
    with pytest.raises(CheckpointError, match=r"other\.pth lacks features"):
        lpips(tmp_path / "other.pth", tmp_path / "other.pth")


def test_files_that_want_to_run_something_are_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return print, ("executed",)

    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Evil()))
    torch.save({"weight": Evil()}, tmp_path / "evil.pt")
    for name in ("evil.pth", "evil.pt"):
        with pytest.raises(CheckpointError, match="refused"):
            identity_arcface(tmp_path / name)
