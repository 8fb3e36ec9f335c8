"""The public names: there in every order of imports, typed, and the same for both nouns."""

from __future__ import annotations

import inspect
import subprocess
import sys
from itertools import permutations
from pathlib import Path
from types import FunctionType

import numpy as np
import pytest
import torch

import portraiture
from portraiture import Avatar, Head, Models
from portraiture.checkpoints import save_generator
from portraiture.cli import main
from portraiture.engine import prepare
from portraiture.errors import DeviceError, SampleError
from portraiture.models import choose_device
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.triplane.volume import RenderingConfig

VERBS = ("create", "edit", "invert", "sample")
CONFIG = TriPlaneConfig(
    z_dim=8, c_dim=0, w_dim=16, plane_size=16, plane_features=8, channel_base=64, channel_max=8,
    decoder_hidden=8, neural_resolution=16, superresolution="2X", superres_widths=(8, 8),
    rendering=RenderingConfig(depth_resolution=6, importance_resolution=0),
)  # fmt: skip
ORDERS = permutations(
    (
        "import portraiture",
        "from portraiture.invert.run import invert_photos; from portraiture.edit.run import edit",
        "from portraiture.create import run; import portraiture.edit.directions",
    )
)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_generator(TriPlaneGenerator(CONFIG), tmp_path / "small.safetensors")
    return tmp_path / "small.safetensors"


def test_verbs_are_functions_in_every_order_of_imports() -> None:
    """Folders of the same names do not hide them, and stay importable."""
    check = f"""
import sys, types, portraiture
for name in {VERBS}:
    assert isinstance(getattr(portraiture, name), types.FunctionType), name
from portraiture import edit, invert
from portraiture.invert import run
assert run.invert is invert and isinstance(sys.modules["portraiture.invert"], types.ModuleType)
"""
    programs = [["; ".join(order), check] for order in ORDERS]
    for program in (programs[0], programs[-1]):
        subprocess.run([sys.executable, "-c", "\n".join(program)], check=True)


def test_every_public_name_is_there() -> None:
    for name in portraiture.__all__:
        assert getattr(portraiture, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        portraiture.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_public_names_are_typed() -> None:
    assert (Path(portraiture.__file__).parent / "py.typed").is_file()
    methods = [getattr(kind, name) for kind in (Avatar, Head)
               for name in ("render", "export", "save", "load")]  # fmt: skip
    for function in [*(getattr(portraiture, name) for name in VERBS), *methods]:
        assert isinstance(function, FunctionType)
        signature = inspect.signature(function)
        assert signature.return_annotation is not inspect.Signature.empty, function
        for parameter in signature.parameters.values():
            typed = parameter.annotation is not inspect.Parameter.empty
            assert typed or parameter.name == "self", (function, parameter)


def test_both_nouns_are_rendered_by_the_same_angles() -> None:
    """Keyword-only, radians, the same defaults."""
    own, other = (inspect.signature(kind.render).parameters for kind in (Head, Avatar))
    for name in ("yaw", "pitch", "background"):
        assert own[name] == other[name]
        assert own[name].kind is inspect.Parameter.KEYWORD_ONLY
    assert Head.render.__annotations__["return"].endswith("4']")
    assert Avatar.render.__annotations__["return"].endswith("4']")


def test_a_seed_gives_a_head(weights: Path) -> None:
    models = Models()
    one, again = (portraiture.sample(7, network=weights, models=models) for _ in range(2))
    assert (one.method, one.models) == ("sample", models)
    assert np.array_equal(one.render(), again.render())
    assert not torch.equal(one.planes, portraiture.sample(8, network=weights, models=models).planes)
    mean = portraiture.sample(7, network=weights, truncation=0.0, models=models)
    assert mean.ws is not None
    w_avg = models.generator(weights).backbone.mapping.w_avg
    assert torch.equal(mean.ws[0, 0], w_avg.half().float())
    for seed in (-1, 2**32):
        with pytest.raises(SampleError):
            portraiture.sample(seed, network=weights)


def test_a_device_that_is_missing_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("cpu") == choose_device("auto") == torch.device("cpu")
    with pytest.raises(DeviceError, match="no cuda device") as caught:
        choose_device("cuda")
    assert str(caught.value).count(".") == 1
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("cuda")


@pytest.mark.parametrize(
    "command",
    [
        ["invert", "none.jpg", "--out", "OUT"],
        ["edit", "none.safetensors", "--set", "smile=1", "--out", "OUT"],
        ["sample", "--seeds", "0", "--out", "OUT"],
        ["bench", "invert", "--people", "1"],
    ],
    ids=lambda command: command[0],
)
def test_every_command_that_computes_has_a_device(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(prepare, "prepare", lambda: None)  # compiles the renderer
    command = [str(tmp_path / "out") if word == "OUT" else word for word in command]
    with pytest.raises(SystemExit) as caught:
        main([*command, "--device", "cuda"])
    assert caught.value.code == 2
    assert "no cuda device" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_heads_are_sampled_on_the_cpu_by_name(weights: Path, tmp_path: Path) -> None:
    main(["sample", "--seeds", "0", "--network", str(weights), "--yaw", "0", "--device", "cpu",
          "--out", str(tmp_path / "out")])  # fmt: skip
    assert (tmp_path / "out" / "seed0" / "front.png").is_file()
