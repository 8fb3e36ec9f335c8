"""What edits do, and what they leave alone.

    portraiture train attributes --data PEOPLE --out RUN
    python benchmarks/eval_edits.py --attribute-network RUN/networks/attributes.safetensors
        [--people 20] [--json-file F] [--sheet-file F.png] [--weights ENCODER]

Held-out people (`bench invert`'s) become heads by the encoder; each attribute is set to +1 and -1.
Of images from the front and from 30° to either side: identity before and after, and the change
that the attribute network sees, in deviations over people: of the attribute (an edit of -1 counts
with its sign turned), and of the other that changes most. Style channels likewise. Of glasses:
identity, and the share of images in which the face parser sees some, without and with them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from math import radians
from pathlib import Path
from typing import get_args

import numpy as np
import torch
import tyro
from jaxtyping import Float
from metric import Metric
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from portraiture.edit.directions import Directions, known_directions
from portraiture.edit.run import STYLE, VIEWS, edit
from portraiture.evaluate.inversion import MetricNetworks, held_out_person, target_of_view
from portraiture.generate.run import contact_sheet
from portraiture.head import Head, head_image
from portraiture.invert.inversion import InversionMethod, make_head
from portraiture.invert.method import encoder_method
from portraiture.media import atomic_path, write_image
from portraiture.metrics.extractors import FeatureExtractor, identity_synthetic
from portraiture.metrics.perceptual import perceptual_synthetic
from portraiture.models import Models, default_models
from portraiture.people.attributes import Attribute
from portraiture.people.glasses import GLASSES
from portraiture.perception.attributes import AttributeNetwork
from portraiture.perception.parser import ParserNetwork
from portraiture.perception.weights import NO_ATTRIBUTES, load_attributes
from portraiture.progress import SILENT
from portraiture.types import Segment

YAWS = (radians(-30.0), 0.0, radians(30.0))
WORN = 0.01
"""Share of an image's pixels that glasses have at least."""
REPORTED: tuple[Attribute, ...] = ("smile", "age", "sex", "hair-length")
"""Edits that the suite reports."""
SHOWN: tuple[tuple[str, float], ...] = (("smile", 1.0), ("age", 1.0), (GLASSES, 1.0))


@dataclass(frozen=True)
class Row:
    """Means over people and amounts. identity: cosine. change, other: deviations."""

    edit: str
    identity: float
    change: float
    other: str
    other_change: float


def renders(head: Head) -> Float[Tensor, "V 3 R R"]:
    """In [-1, 1]."""
    views = np.stack([head_image(head, yaw) for yaw in YAWS])
    return torch.from_numpy(views).permute(0, 3, 1, 2).float() / 127.5 - 1.0


@torch.no_grad()
def measure_edit(
    heads: list[Head], name: str, known: Directions, attributes: AttributeNetwork,
    identity: FeatureExtractor,
) -> Row:  # fmt: skip
    """One edit by +1 and by -1 of every head."""
    names = attributes.config.names
    similar: list[float] = []
    changes: list[Tensor] = []
    for head in heads:
        before = renders(head)
        plain, who = attributes.standardised(before), identity.extract(before)
        for amount in (1.0, -1.0):
            after = renders(edit(head, {name: amount}, directions=known))
            cosine = torch.cosine_similarity(identity.extract(after), who, dim=1)
            similar.append(float(cosine.mean()))
            changes.append(amount * (attributes.standardised(after) - plain).mean(0))
    mean = torch.stack(changes).mean(0)
    own = names.index(name.removeprefix(STYLE))
    rest = mean.abs().clone()
    rest[own] = 0.0
    most = int(rest.argmax())
    return Row(name, float(np.mean(similar)), float(mean[own]), names[most], float(mean[most]))


@torch.no_grad()
def measure_glasses(
    heads: list[Head], known: Directions, parser: ParserNetwork, identity: FeatureExtractor
) -> tuple[float, float, float]:
    """Cosine of identities, and share of images that show glasses, before and after."""
    similar, found = [], []
    for head in heads:
        both = [renders(one) for one in (head, edit(head, {GLASSES: 1.0}, directions=known))]
        who = [identity.extract(one) for one in both]
        similar.append(float(torch.cosine_similarity(*who, dim=1).mean()))
        labels = [parser.segment(one) == Segment.GLASSES for one in both]
        found.append([float((one.flatten(1).double().mean(1) > WORN).double().mean())
                      for one in labels])  # fmt: skip
    before, after = np.mean(found, 0)
    return float(np.mean(similar)), float(before), float(after)


def heads_of(models: Models, how: InversionMethod, people: int) -> list[Head]:
    """Held-out people, inverted from the front."""
    parser, identity = models.parser(), identity_synthetic(models.identity())
    metrics = MetricNetworks(models.portrait_parser(), perceptual_synthetic(parser), identity)
    heads = []
    for index in track(range(people), "People"):
        person = held_out_person(index, (0.0,), how.generator.config.image_size)
        target = target_of_view(person, 0, index, how.generator, metrics)
        heads.append(make_head(how.invert([target], SILENT), target, how))
    return heads


def measure(attribute_network: Path, *, people: int = 20) -> list[Metric]:
    """Identity kept and change of the attribute for the four edits of `REPORTED`."""
    models = default_models()
    how, attributes = encoder_method(models, "goae+refine"), load_attributes(attribute_network)
    identity = identity_synthetic(models.identity())
    heads, known = heads_of(models, how, people), known_directions(how.generator)
    metrics = []
    for name in REPORTED:
        words = name.replace("-", " ")
        row = measure_edit(heads, name, known, attributes, identity)
        metrics += [
            Metric(f"edits/edit of {words}: similarity", row.identity, "", "higher", 0.03),
            Metric(f"edits/edit of {words}: change", row.change, "σ", "higher", 0.1),
        ]
    return metrics


def sheet(heads: list[Head], known: Directions) -> np.ndarray:
    """Four people from five sides, and each after three edits."""
    rows = []
    for head in heads[:4]:
        shown = [head, *(edit(head, {name: amount}, directions=known) for name, amount in SHOWN)]
        rows += [[head_image(one, yaw, size=160) for yaw in VIEWS] for one in shown]
    return contact_sheet(rows)


def main(
    people: int = 20, json_file: Path | None = None, sheet_file: Path | None = None,
    weights: str | None = None, alignment: str | None = None, styles: bool = False,
    project: bool = True, attribute_network: Path | None = None,
) -> None:  # fmt: skip
    """styles: also measure edits by style channels. project: bring the photos' textures in."""
    if attribute_network is None:
        raise SystemExit(NO_ATTRIBUTES.format(option="--attribute-network"))
    models, attributes = default_models(), load_attributes(attribute_network)
    parser, identity = models.parser(), identity_synthetic(models.identity())
    method = "goae+refine" if project else "aligned"
    how = encoder_method(models, method, weights=weights, alignment=alignment)
    heads, known = heads_of(models, how, people), known_directions(how.generator)
    names: list[str] = list(get_args(Attribute))
    names += [STYLE + name for name in names] if styles else []
    rows = [
        measure_edit(heads, name, known, attributes, identity) for name in track(names, "Edits")
    ]
    table = Table("Edit", "Identity", "Change", "Other that changes most", "by")
    for row in rows:
        table.add_row(row.edit, f"{row.identity:.3f}", f"{row.change:+.2f}", row.other,
                      f"{row.other_change:+.2f}")  # fmt: skip
    Console().print(table)
    similar, before, after = measure_glasses(heads, known, parser, identity)
    print(f"glasses: identity {similar:.3f}, seen in {before:.0%} before and {after:.0%} after")
    if json_file is not None:
        with atomic_path(json_file) as partial:
            partial.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    if sheet_file is not None:
        write_image(sheet_file, sheet(heads, known))


if __name__ == "__main__":
    tyro.cli(main)
