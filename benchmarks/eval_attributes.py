"""How well the attribute network reads people off images.

    portraiture train attributes --data PEOPLE --out RUN
    portraiture synth --kind latents --people 200 --seed 2 --views 3 --out HELD_OUT
    python benchmarks/eval_attributes.py HELD_OUT --network RUN/networks/attributes.safetensors
        [--json F]

Per attribute: the correlation of its scores with the engine's on images before white, of all
views; "known" is the share of the variance that it explains.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table

from portraiture.media import atomic_path
from portraiture.people.attributes import score_people
from portraiture.people.people_file import load_person, people_in
from portraiture.perception.weights import NO_ATTRIBUTES, load_attributes


@torch.no_grad()
def main(
    folder: Annotated[Path, tyro.conf.Positional],
    network: Path | None = None,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> None:
    """Print the table."""
    if network is None:
        raise SystemExit(NO_ATTRIBUTES.format(option="--network"))
    reader = load_attributes(network)
    found, z = [], []
    for path in people_in(folder):
        person = load_person(path)
        images = torch.from_numpy(person.rgb).permute(0, 3, 1, 2).float() / 127.5 - 1.0
        found.append(reader(images).numpy())
        z += [person.z] * len(images)
    read, scores = np.concatenate(found), score_people(np.stack(z))
    table, flat = Table("Attribute", "Correlation", "Known"), {}
    for k, name in enumerate(reader.config.names):
        truth = scores[name]  # type: ignore[index]
        correlation = float(np.corrcoef(read[:, k], truth)[0, 1])
        known = 1.0 - float(np.square(read[:, k] - truth).mean() / truth.var())
        table.add_row(name, f"{correlation:.2f}", f"{known:.2f}")
        flat[name] = round(correlation, 3)
    Console().print(table)
    print(f"{len(read)} pictures of {len(found)} people")
    if json_file is not None:
        flat |= {"command": "benchmarks/eval_attributes.py", "pictures": len(read)}
        with atomic_path(json_file) as partial:
            partial.write_text(json.dumps(flat, indent=1) + "\n")


if __name__ == "__main__":
    tyro.cli(main)
