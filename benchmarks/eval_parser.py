"""The face parser on synthetic people it has not seen, and a sheet of real photos to look at.

python benchmarks/eval_parser.py SYNTH_FOLDER [--first 142] [--photos FOLDER --sheet parsed.png]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from metric import Metric, Row, metrics_from
from numpy import ndarray
from rich.console import Console
from rich.table import Table

from portraiture.data.distort import Distortion, background_pool, distorted
from portraiture.data.face_set import FaceSet, load_faces
from portraiture.errors import PhotoError
from portraiture.media import write_image
from portraiture.perception.parser import ParserNetwork
from portraiture.perception.weights import load_parser
from portraiture.perception_training.parser import coloured
from portraiture.photo.align import align
from portraiture.train.grids import tile
from portraiture.types import Segment


def main() -> None:
    """Print a table; write JSON and the sheet where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="what `portraiture synth` wrote")
    parser.add_argument("--first", type=int, default=0, help="the first person not trained on")
    parser.add_argument("--network", default="parser")
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--sheet", type=Path, help="picture of every fourth photo and its classes")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options = parser.parse_args()
    network = load_parser(options.network)
    size = network.config.size
    figures = synthetic_figures(
        network, load_faces([options.folder], size=size).part(options.first)
    )
    show(figures)
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    if options.photos is not None and options.sheet is not None:
        write_image(options.sheet, sheet(network, options.photos))


ROWS = (
    Row("pixels", "perception/face parser, pixels right", "%", "higher", 1.0, scale=100.0),
    Row("mean", "perception/face parser, mean IoU", "", "higher", 0.03),
)


def measure(folder: Path, *, first: int = 0) -> list[Metric]:
    """Of synthetic people from number `first` on."""
    network = load_parser()
    faces = load_faces([folder], size=network.config.size).part(first)
    return metrics_from(synthetic_figures(network, faces)["synthetic"], ROWS)


def synthetic_figures(network: ParserNetwork, faces: FaceSet) -> dict[str, dict[str, float]]:
    """Intersection over union by class, on images as they are and as bad photos."""
    people, views = faces.images.shape[:2]
    batch = faces.take(*np.divmod(np.arange(people * views), views))
    plain = batch.images.float() / 127.5 - 1.0, batch.labels.long()
    how = Distortion(size=network.config.size)
    pool = background_pool(16, network.config.size, 1)
    spoilt = distorted(batch, how, pool, np.random.default_rng(0))
    return {
        name: overlaps(labels.numpy(), segmented(network, images))
        for name, (images, labels) in (("synthetic", plain), ("synthetic, spoilt", spoilt))
    }


def segmented(network: ParserNetwork, images: torch.Tensor) -> ndarray:
    return torch.cat([network.segment(part) for part in images.split(32)]).numpy()


def overlaps(labels: ndarray, found: ndarray) -> dict[str, float]:
    """By class that is there, their mean, and the share of right pixels."""
    out = {}
    for segment in Segment:
        true, ours = labels == segment, found == segment
        if true.any():
            out[segment.name.lower()] = float((true & ours).sum() / (true | ours).sum())
    return out | {
        "mean": float(np.mean(list(out.values()))),
        "pixels": float((labels == found).mean()),
    }


def show(figures: dict[str, dict[str, float]]) -> None:
    table = Table("intersection over union", *figures)
    for row in next(iter(figures.values())):
        table.add_row(row, *(f"{values.get(row, float('nan')):.3f}" for values in figures.values()))
    Console().print(table)


def sheet(network: ParserNetwork, folder: Path) -> ndarray:
    """Photos and their classes side by side."""
    crops = []
    for path in sorted(path for path in folder.iterdir() if path.is_file())[::4]:
        try:
            crops.append(align(path).crop[::2, ::2])
        except PhotoError:
            continue
    images = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 127.5 - 1.0
    pairs = torch.stack([images, coloured(network.segment(images))], 1).flatten(0, 1)
    return tile(pairs, columns=12)


if __name__ == "__main__":
    main()
