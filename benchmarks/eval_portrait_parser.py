"""The portrait parser on portraits that it has not seen.

    python benchmarks/eval_portrait_parser.py FILE [--weights PATH] [--json-file F]

FILE is held/portraits.safetensors of `tools/label_portraits.py`. Its segments are pseudo-labels:
intersection over union is over the pixels that they know, in EG3D's crop. Looks are what somebody
saw. They are read off at three zooms, plain and mirrored, and the probabilities are averaged;
accuracy is over the portraits whose look is known. A question asks for a group of classes, such as
"glasses of any kind": its recall is the share of those who have it that are found.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
import tyro
from jaxtyping import Float, Int
from metric import Metric, Row, metrics_from
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor
from tyro.conf import Positional

from portraiture.data.labelled_photos import UNKNOWN, LabelledPhotos, load_labelled
from portraiture.media import atomic_path
from portraiture.perception.looks import LOOKS, NAMES, Look
from portraiture.perception.portrait_parser import PortraitParser
from portraiture.perception.weights import load_portrait_parser
from portraiture.types import Segment

ZOOMS = (1.0, 1.4, 1.9)
"""Sides of the crops, in EG3D crops."""
BATCH = 16
QUESTIONS: dict[str, tuple[Look, tuple[str, ...]]] = {
    "bald": ("hair", ("bald",)),
    "curly or afro": ("form", ("curly", "afro")),
    "beard": ("beard", ("stubble", "moustache", "goatee", "full")),
    "glasses": ("glasses", ("rimless", "thin", "thick")),
    "suit": ("clothes", ("suit_tie", "suit_open")),
}
LENGTHS = (("bald", "receding"), ("buzz", "short"), ("medium",), ("long",))
ROWS = (
    Row("iou/mean", "portraits/portrait parser, mean IoU", "", "higher", 0.03),
    Row("accuracy/hair length", "portraits/portrait parser, hair length", "%", "higher", 3.0,
        scale=100.0),
    Row("accuracy/glasses", "portraits/portrait parser, glasses or not", "%", "higher", 2.0,
        scale=100.0),
    Row("accuracy/beard", "portraits/portrait parser, beard or not", "%", "higher", 2.0,
        scale=100.0),
)  # fmt: skip


@dataclass(frozen=True)
class Readings:
    """segments: likeliest class of each pixel of EG3D's crops. labels: their pseudo-labels. looks:
    mean probabilities of each look."""

    segments: Int[Tensor, "K m m"]
    labels: Int[Tensor, "K m m"]
    looks: dict[Look, Float[Tensor, "K n"]]


def main(
    file: Positional[Path], *, weights: Path | None = None, json_file: Path | None = None
) -> None:
    """weights: of another portrait parser than the shipped one. json_file: gets the figures."""
    figures = measured(load_portrait_parser(weights or "portrait-parser"), load_labelled(file))
    show(figures)
    if json_file is not None:
        with atomic_path(json_file) as part:
            part.write_text(json.dumps(figures, indent=1) + "\n")


def measure(file: Path) -> list[Metric]:
    """Of the shipped parser."""
    return metrics_from(measured(load_portrait_parser(), load_labelled(file)), ROWS)


def measured(network: PortraitParser, photos: LabelledPhotos) -> dict[str, float]:
    """Figures by kind and name: iou, exact (of a look), accuracy and recall (of a question)."""
    readings = read(network, photos)
    return overlaps(readings.segments, readings.labels) | accuracies(readings.looks, photos.looks)


def read(network: PortraitParser, photos: LabelledPhotos) -> Readings:
    """Parse all photos, at every zoom and mirrored."""
    segments, labels = [], []
    looks: dict[Look, Tensor] = {name: torch.zeros(len(photos), len(LOOKS[name])) for name in NAMES}
    views = [(zoom, mirror) for zoom in ZOOMS for mirror in (False, True)]
    for part in track(torch.arange(len(photos)).split(BATCH), description="Parse"):
        for zoom, mirror in views:
            images, classes = crops(photos, part, network.config.size, zoom=zoom, mirror=mirror)
            pixels, found = network.read(images)
            for name in NAMES:
                looks[name][part] += found[name] / len(views)
            if zoom == 1.0 and not mirror:
                segments.append(pixels.argmax(1))
                labels.append(classes)
    return Readings(torch.cat(segments), torch.cat(labels), looks)


def crops(
    photos: LabelledPhotos, index: Int[Tensor, "B"], size: int, *, zoom: float, mirror: bool
) -> tuple[Float[Tensor, "B 3 m m"], Int[Tensor, "B m m"]]:
    """Crops around the frames in [-1, 1], and their labels. zoom: side, in EG3D crops."""
    frames = photos.frames[index]
    side, centre, none = frames[:, 2] * zoom, 2.0 * frames[:, :2] - 1.0, torch.zeros(len(index))
    across = -side if mirror else side
    rows = [across, none, centre[:, 0], none, side, centre[:, 1]]
    theta = torch.stack(rows, 1).view(-1, 2, 3)
    grid = F.affine_grid(theta, [len(index), 3, size, size], align_corners=False)
    images = photos.images[index].float() / 127.5 - 1.0
    images = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    labels = photos.labels[index][:, None].float()
    labels = F.grid_sample(
        labels, grid, mode="nearest", padding_mode="border", align_corners=False
    )[:, 0].round().long()  # fmt: skip
    return images, torch.where((grid.abs() <= 1.0).all(-1), labels, UNKNOWN)


def overlaps(found: Int[Tensor, "K m m"], labels: Int[Tensor, "K m m"]) -> dict[str, float]:
    """Intersection over union of the classes that are labelled, over known pixels, and the mean."""
    known = labels != UNKNOWN
    out = {}
    for segment in Segment:
        true, ours = labels == segment, (found == segment) & known
        if true.any():
            name = segment.name.lower().replace("_", " ")
            out[f"iou/{name}"] = float((true & ours).sum() / (true | ours).sum())
    return out | {"iou/mean": sum(out.values()) / max(1, len(out))}


def accuracies(
    looks: dict[Look, Float[Tensor, "K n"]], true: Int[Tensor, "K A"]
) -> dict[str, float]:
    """Shares of right answers: each look's class, the questions, and the length of the hair."""
    figures = {}
    for name in NAMES:
        asked, answers = _known(looks, true, name)
        figures[f"exact/{name}"] = _share(asked == answers)
    for question, (name, classes) in QUESTIONS.items():
        wanted = torch.tensor([label in classes for label in LOOKS[name]])
        asked, answers = (wanted[x] for x in _known(looks, true, name))
        figures[f"accuracy/{question}"] = _share(asked == answers)
        figures[f"recall/{question}"] = _share(answers[asked])
    lengths = [next(k for k, group in enumerate(LENGTHS) if x in group) for x in LOOKS["hair"]]
    asked, answers = (torch.tensor(lengths)[x] for x in _known(looks, true, "hair"))
    return figures | {"accuracy/hair length": _share(asked == answers)}


def _known(
    looks: dict[Look, Float[Tensor, "K n"]], true: Int[Tensor, "K A"], name: Look
) -> tuple[Int[Tensor, "k"], Int[Tensor, "k"]]:
    """Classes that somebody saw and ours, of the photos whose look is known."""
    column = true[:, NAMES.index(name)].long()
    return column[column >= 0], looks[name].argmax(1)[column >= 0]


def _share(right: Tensor) -> float:
    """NaN of none."""
    return float(right.float().mean())


def show(figures: dict[str, float]) -> None:
    """Tables of the segments, the looks, and the questions."""
    segments = Table("segment", "intersection over union")
    for name in _named(figures, "iou"):
        segments.add_row(name, f"{figures[f'iou/{name}']:.3f}")
    exact = Table("look", "classes", "right")
    for name in NAMES:
        exact.add_row(name, str(len(LOOKS[name])), f"{figures[f'exact/{name}']:.1%}")
    questions = Table("question", "right", "recall")
    for name in _named(figures, "accuracy"):
        recall = figures.get(f"recall/{name}")
        questions.add_row(
            name, f"{figures[f'accuracy/{name}']:.1%}", "" if recall is None else f"{recall:.1%}"
        )
    for table in (segments, exact, questions):
        Console().print(table)


def _named(figures: dict[str, float], kind: str) -> list[str]:
    return [key.partition("/")[2] for key in figures if key.startswith(f"{kind}/")]


if __name__ == "__main__":
    tyro.cli(main)
