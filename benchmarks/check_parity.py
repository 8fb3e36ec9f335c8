"""Largest errors of the generator against the outputs of the original program.

    python benchmarks/check_parity.py FIXTURES [--backend torch] [--json FILE]

FIXTURES holds eg3d_tiny.{json,safetensors}, eg3d_tiny_outputs.npz, eg3d_canary.pkl and
eg3d_canary_outputs.npz; the second is a published pickle's structure and is converted safely.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from metric import Metric
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file
from torch import Tensor

from portraiture.checkpoints import load_generator
from portraiture.convert.run import convert_file
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator, VolumeBackend

TARGETS = {"ws": 1e-4, "planes": 1e-3, "image_raw": 1e-3, "image_depth": 1e-4, "image": 5e-3}
NAMES = {
    "ws": "EG3D's w, largest error",
    "planes": "EG3D's planes, largest error",
    "image_raw": "EG3D's raw image, largest error",
    "image_depth": "EG3D's depth, largest error",
    "image": "EG3D's image, largest error",
}
PSI, CUTOFF = 0.7, 14


def main(
    fixtures: Annotated[Path, tyro.conf.Positional],
    backend: VolumeBackend = "torch",
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> None:
    """Print a table; write the same as JSON."""
    rows = figures_of(fixtures, backend)
    table = Table("Output", *rows, "Target", title=f"Largest absolute error, backend {backend}")
    for name, target in TARGETS.items():
        cells = [f"{row[name]:.1e}" if name in row else "" for row in rows.values()]
        table.add_row(name, *cells, f"<= {target:.0e}")
    Console().print(table)
    if json_file is not None:
        json_file.write_text(json.dumps(rows, indent=1) + "\n")


def measure(fixtures: Path, *, backend: VolumeBackend = "torch") -> list[Metric]:
    """The larger of both generators' errors for each output; the targets are the tolerances."""
    rows = figures_of(fixtures, backend).values()
    return [
        Metric(f"parity/{NAMES[name]}", max(row.get(name, 0.0) for row in rows), "", "lower", limit)
        for name, limit in TARGETS.items()
    ]


def figures_of(fixtures: Path, backend: VolumeBackend) -> dict[str, dict[str, float]]:
    """`errors` of each generator."""
    return {
        "eg3d_tiny": errors(tiny_generator(fixtures), fixtures / "eg3d_tiny_outputs.npz", backend),
        "eg3d_canary": errors(_canary(fixtures), fixtures / "eg3d_canary_outputs.npz", backend),
    }


@torch.no_grad()
def errors(generator: TriPlaneGenerator, outputs: Path, backend: VolumeBackend) -> dict[str, float]:
    """Each stage from the original's input to it, so that errors do not add up."""
    with np.load(outputs) as file:
        expected = {key: torch.from_numpy(file[key]).float() for key in file}
    ws = generator.mapping(
        expected["z"], expected["conditioning"], truncation_psi=PSI, truncation_cutoff=CUTOFF
    )
    render = generator.synthesize(
        expected["ws"],
        expected["camera"],
        neural_resolution=expected["image_raw"].shape[-1],
        deterministic=True,
        backend=backend,
    )
    found: dict[str, Tensor] = {
        "ws": ws,
        "image_raw": render.image_raw,
        "image_depth": render.depth,
        "image": render.image,
    }
    if "planes" in expected:
        found["planes"] = generator.planes(expected["ws"]).flatten(1, 2)[:, :, ::8, ::8]
    return {name: float((value - expected[name]).abs().max()) for name, value in found.items()}


def tiny_generator(fixtures: Path) -> TriPlaneGenerator:
    """The original program's small generator."""
    config = json.loads((fixtures / "eg3d_tiny.json").read_text())
    generator = TriPlaneGenerator(
        TriPlaneConfig(
            z_dim=config["z_dim"],
            channel_base=config["channel_base"],
            channel_max=config["channel_max"],
            neural_resolution=config["neural_rendering_resolution"],
        )
    )
    state = load_file(fixtures / "eg3d_tiny.safetensors")
    generator.load_state_dict({name: value.float() for name, value in state.items()})
    return generator.eval()


def _canary(fixtures: Path) -> TriPlaneGenerator:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "canary"
        convert_file(fixtures / "eg3d_canary.pkl", out)
        return load_generator(out)


if __name__ == "__main__":
    tyro.cli(main)
