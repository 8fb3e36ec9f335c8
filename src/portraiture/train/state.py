"""The complete state of a training run in one safetensors file, restored bit-exactly.

models, averages, optimisers, numbers, step ─save─▶ step-00001234.safetensors ─restore─▶ the same
Random numbers and the order of the data are functions of the seed and the step (`train.rng`), so
only the step needs to be stored. Nothing is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from portraiture.errors import TrainingError
from portraiture.media import atomic_path

FORMAT = "portraiture training state 1"
KEPT = 2
"""Number of checkpoints to keep."""


@dataclass
class TrainState:
    """The state that a training step reads and updates.

    models: trained networks by name. averages: their EMAs, which are exported. optimizers: by name.
    numbers: the recipe's own scalars (probabilities, running means), stored exactly as Python
    floats. step: number of steps done.
    """

    models: dict[str, nn.Module]
    averages: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    numbers: dict[str, float] = field(default_factory=dict)
    step: int = 0


def save(path: Path, state: TrainState) -> None:
    """Write `state` to `path` atomically. Raises OutputError.

    All metadata is one JSON entry, since the file format does not preserve the order of entries:
    equal states give equal files.
    """
    tensors: dict[str, Tensor] = {}
    plain: dict[str, Any] = {}
    for kind, networks in (("model", state.models), ("average", state.averages)):
        for name, network in networks.items():
            tensors |= {f"{kind}.{name}.{k}": v for k, v in network.state_dict().items()}
    for name, optimizer in state.optimizers.items():
        whole = optimizer.state_dict()
        rest: dict[str, dict[str, Any]] = {}
        for index, entry in whole["state"].items():
            for key, value in entry.items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer.{name}.{index}.{key}"] = value
                else:
                    rest.setdefault(str(index), {})[key] = value
        plain[name] = {"groups": whole["param_groups"], "rest": rest}
    head = {
        "format": FORMAT,
        "step": state.step,
        "numbers": state.numbers,
        "optimizers": plain,
    }
    still = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    with atomic_path(path) as partial:
        save_file(still, partial, {"state": json.dumps(head)})


def restore(path: Path, state: TrainState) -> None:
    """Load what `save` wrote into a state of the same build, in place.

    Raises TrainingError if the file is damaged or holds other networks.
    """
    try:
        with safe_open(path, framework="pt") as file:
            head = _head(file.metadata() or {})
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise TrainingError(f"{path} cannot be read ({error}); delete it to go on.") from error
    if head.get("format") != FORMAT:
        raise TrainingError(f"{path} is not a training state of this version; use another --out.")
    other = TrainingError(f"{path} holds other networks than this run's; use another --out.")
    for kind, networks in (("model", state.models), ("average", state.averages)):
        for name, network in networks.items():
            found = _take(tensors, f"{kind}.{name}.")
            expected = network.state_dict()
            if found.keys() != expected.keys():
                raise other
            if any(found[key].shape != expected[key].shape for key in found):
                raise other
            network.load_state_dict(found)
    plain = head["optimizers"]
    if plain.keys() != state.optimizers.keys():
        raise other
    for name, optimizer in state.optimizers.items():
        _restore_optimizer(optimizer, _take(tensors, f"optimizer.{name}."), plain[name])
    if tensors:
        raise other
    state.numbers = head["numbers"]
    state.step = head["step"]


def _head(metadata: dict[str, str]) -> dict[str, Any]:
    """The file's metadata; {} for files from other programs."""
    return json.loads(metadata.get("state", "{}"))


def _take(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Remove and return the entries with a prefix, under their names without it."""
    names = [key for key in tensors if key.startswith(prefix)]
    return {key.removeprefix(prefix): tensors.pop(key) for key in names}


def _restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], plain: dict[str, Any]
) -> None:
    entries: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        index, _, slot = key.partition(".")
        entries.setdefault(int(index), {})[slot] = value
    for index, rest in plain["rest"].items():
        entries.setdefault(int(index), {}).update(rest)
    groups = [
        {k: tuple(v) if isinstance(v, list) and k != "params" else v for k, v in group.items()}
        for group in plain["groups"]
    ]
    optimizer.load_state_dict({"state": entries, "param_groups": groups})


def checkpoints(folder: Path) -> list[Path]:
    """Checkpoints in `folder`, oldest first."""
    return sorted(folder.glob("step-????????.safetensors"))


def save_checkpoint(folder: Path, state: TrainState) -> Path:
    """Write the next checkpoint of a run and delete all but the last `KEPT`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{state.step:08d}.safetensors"
    save(path, state)
    for old in checkpoints(folder)[:-KEPT]:
        old.unlink(missing_ok=True)
    for leftover in folder.glob(".*.partial.safetensors"):
        leftover.unlink(missing_ok=True)
    return path
