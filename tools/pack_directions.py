"""Find the editing directions of a generator that ships, so that the first edit need not.

    python tools/pack_directions.py [NETWORK]

Minutes, for the engine measures 12,000 people. Directions of other weights are removed.
"""

from __future__ import annotations

import tyro
from tyro.conf import Positional

from portraiture.checkpoints import fingerprint, load_generator
from portraiture.edit.directions import find_directions, save_directions, shipped_directions


def main(network: Positional[str] = "heads") -> None:
    """network: a shipped name."""
    generator = load_generator(network)
    path = shipped_directions() / f"{fingerprint(generator)[:32]}.safetensors"
    save_directions(find_directions(generator), path)
    for other in set(shipped_directions().iterdir()) - {path}:
        other.unlink()
    print(f"{path} {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    tyro.cli(main)
