"""The identity network on people it has not seen: synthetic ones, and real photos.

python benchmarks/eval_identity.py SYNTH_FOLDER [--first 60] [--photos FOLDER] [--json FILE]

Synthetic pairs show a person in other light, from another side, with another expression. Of real
people there is one photo each: other people's photos are the impostors, and two differently
cropped and coloured copies of one photo a (weak) positive pair.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from metric import Metric
from numpy import ndarray
from rich.console import Console
from rich.table import Table

from portraiture.data.distort import Distortion, background_pool, distorted
from portraiture.data.face_set import FaceBatch, FaceSet, load_faces
from portraiture.errors import PhotoError
from portraiture.metrics.extractors import identity_synthetic
from portraiture.metrics.identity import Embed, all_pairs, verification
from portraiture.perception.weights import load_identity
from portraiture.photo.align import align

SIZE = 128
GENTLE = Distortion(
    size=SIZE, zoom=(0.94, 1.06), shift=0.015, turn=0.04, occlude=0.0, grain=0.2, jpeg=0.5
)


def main() -> None:
    """Print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="what `portraiture synth` wrote")
    parser.add_argument("--first", type=int, default=0, help="the first person not trained on")
    parser.add_argument("--photos", type=Path, help="photos of different people, one of each")
    parser.add_argument("--network", default="identity-synthetic")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options = parser.parse_args()
    embed = identity_synthetic(load_identity(options.network)).extract
    figures = synthetic_figures(embed, load_faces([options.folder], size=SIZE).part(options.first))
    if options.photos is not None:
        crops = photo_crops(options.photos)
        figures |= photo_figures(embed, crops, figures["synthetic"]["threshold"])
    show(figures)
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


def measure(folder: Path, *, first: int = 0) -> list[Metric]:
    """Of synthetic people from number `first` on."""
    embed = identity_synthetic(load_identity()).extract
    figures = synthetic_figures(embed, load_faces([folder], size=SIZE).part(first))
    value = 100.0 * figures["synthetic"]["accuracy"]
    return [Metric("perception/identity network, verification accuracy", value, "%", "higher", 2.0)]


def synthetic_figures(embed: Embed, faces: FaceSet) -> dict[str, Any]:
    """Verification over all pairs of views, as they are and as bad photos."""
    people, views = faces.images.shape[:2]
    person, view = np.divmod(np.arange(people * views), views)
    batch = faces.take(person, view)
    plain = batch.images.float() / 127.5 - 1.0
    spoilt, _ = distorted(
        batch, Distortion(size=SIZE), background_pool(16, SIZE, 1), np.random.default_rng(0)
    )
    figures: dict[str, Any] = {"people": people, "views": views}
    for name, images in (("synthetic", plain), ("synthetic, spoilt", spoilt)):
        similarity, same = all_pairs(embedded(embed, images), person)
        figures[name] = asdict(verification(similarity, same)) | spread(similarity, same)
    return figures


def photo_figures(embed: Embed, crops: ndarray, threshold: float) -> dict[str, Any]:
    """Impostors and weak positives; threshold: that of the synthetic people."""
    images = torch.from_numpy(crops).permute(0, 3, 1, 2).contiguous()
    batch = FaceBatch(
        images,
        torch.full_like(images[:, :1], 255),
        torch.zeros_like(images[:, 0]),
        torch.arange(len(images)),
    )
    rng, pool = np.random.default_rng(0), background_pool(1, SIZE, 0)
    plain = embedded(embed, images.float() / 127.5 - 1.0)
    copies = [embedded(embed, distorted(batch, GENTLE, pool, rng)[0]) for _ in range(2)]
    impostors, _ = all_pairs(plain, np.arange(len(plain)))
    positives = (copies[0] * copies[1]).sum(1)
    similarity = np.concatenate([impostors, positives])
    same = np.arange(len(similarity)) >= len(impostors)
    figures = asdict(verification(similarity, same)) | spread(similarity, same)
    figures["refused at the synthetic threshold"] = float((impostors < threshold).mean())
    return {"photos": len(crops), "real": figures}


def photo_crops(folder: Path) -> ndarray:
    """EG3D crops of every usable photo, (N, SIZE, SIZE, 3) uint8."""
    images = []
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        try:
            images.append(align(path).crop)
        except PhotoError:
            continue
    crops = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()
    small = torch.nn.functional.interpolate(crops, (SIZE, SIZE), mode="area")
    return small.round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def embedded(embed: Embed, images: torch.Tensor) -> ndarray:
    return torch.cat([embed(part) for part in images.split(64)]).numpy()


def spread(similarity: ndarray, same: ndarray) -> dict[str, float]:
    """Quantiles of the cosine for both kinds of pairs."""
    out = {}
    for name, values in (("same", similarity[same]), ("others", similarity[~same])):
        for share in (0.05, 0.5, 0.95, 0.99):
            out[f"{name} {share:.0%}"] = float(np.quantile(values, share))
    return out


def show(figures: dict[str, Any]) -> None:
    """A column for each kind of pairs."""
    kinds = [name for name, values in figures.items() if isinstance(values, dict)]
    title = ", ".join(f"{name} {v}" for name, v in figures.items() if not isinstance(v, dict))
    table = Table("identity-synthetic", *kinds, title=title)
    rows = dict.fromkeys(row for kind in kinds for row in figures[kind])
    for row in rows:
        values = [figures[kind].get(row) for kind in kinds]
        table.add_row(row, *("" if value is None else f"{value:.3f}" for value in values))
    Console().print(table)


if __name__ == "__main__":
    main()
