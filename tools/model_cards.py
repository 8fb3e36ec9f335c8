"""Write docs/models.md from the cards beside the shipped weights.

python tools/model_cards.py [--out docs/models.md]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WEIGHTS = Path(__file__).parent.parent / "src" / "portraiture" / "assets" / "weights"
HEAD = """\
# Model cards

The networks that ship, from the card (`config.json`) beside each one's weights; `python
tools/model_cards.py` writes this page. All are small, read without pickle, and checked by hash.
None may be used to decide about people: to identify, verify or judge them. Whoever retrains one
writes a new card ([training](train.md)).
"""


@dataclass(frozen=True)
class Words:
    """What a card does not say. metrics: names of the card's figures worth a reader's time,
    with what to call them."""

    use: str
    limits: str
    metrics: Mapping[str, str]


WORDS = {
    "heads": Words(
        "An EG3D generator: a latent of 512 numbers to the tri-planes of a head.",
        "Synthetic people alone: features are soft, hair has see-through edges, clothes are vague, "
        "and a few heads have faint floaters beside them.",
        {
            "people": "held-out people", "depth_mm": "depth error, mm",
            "psnr_face_db": "PSNR inside the face, dB",
            "landmarks_percent": "landmarks off, % of IOD",
            "identity_synthetic": "identity similarity", "sample_same_person": "same person at 30°",
        },
    ),
    "faces2d": Words(
        "A StyleGAN2 at 128²: person, camera and light to an image.",
        "Skin is smoother than the engine's, curls become straight, colours of clothes are lost.",
        {
            "psnr_face_db": "PSNR inside the face, dB", "detected": "faces found",
            "landmarks_percent": "landmarks off, % of IOD",
            "identity_synthetic": "identity similarity",
        },
    ),
    "swin-w": Words(
        "GOAE's encoder at a small size: an image to one w of `heads`.",
        "One w for all rows of w+, so that it draws nearly the same person for everybody; the "
        "methods around it bring the likeness ([inversion](invert.md)).",
        {"input_60_psnr": "PSNR, input from 60°, dB"},
    ),
    "goae-alignment": Words(
        "GOAE's feature alignment, with convolutions instead of attention: adds what w lacks.",
        "What the photo does not show stays the generator's.",
        {"goae+refine_input_0_psnr": "PSNR after refinement, dB"},
    ),
    "identity-synthetic": Words(
        "An embedding of faces, for losses and for scores of the same person's renders.",
        "Learned from synthetic people: among real ones it errs in a fifth of all pairs. Not fit "
        "to recognise anybody.",
        {"synthetic.accuracy": "verification, synthetic", "real.accuracy": "verification, real"},
    ),
    "parser": Words(
        "A parser of faces, 19 classes, and the features of the perceptual loss.",
        "Learned from synthetic people; for photos use `portrait-parser`.",
        {"intersection over union.synthetic.mean": "mean IoU",
         "intersection over union.synthetic.pixels": "pixels right"},
    ),
    "portrait-parser": Words(
        "A parser of photos that also names hair, beard, glasses, clothes and skin tone.",
        "Portraits of politicians mostly: few children, few head-dresses, little variety of pose. "
        "Hair colour and receding hair are its weakest answers.",
        {"iou/mean": "mean IoU", "exact/hair": "hair length", "exact/colour": "hair colour",
         "exact/beard": "beard", "exact/glasses": "glasses", "exact/skin": "skin tone"},
    ),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/models.md"))
    parser.parse_args().out.write_text(page())


def page() -> str:
    """The page, of all shipped weights."""
    folders = sorted(path.parent for path in WEIGHTS.glob("*/config.json"))
    return "\n".join([HEAD, *map(section, folders)])


def section(folder: Path) -> str:
    """One network."""
    card = json.loads((folder / "config.json").read_text())
    words = WORDS[folder.name]
    megabytes = (folder / "model.safetensors").stat().st_size / 1e6
    rows = {
        "Kind": f"`{card['model']}`, {megabytes:.1f} MB",
        "Limits": words.limits,
        "Data": card["data"],
        "Recipe": card["recipe"],
        "Measured": measured(card["metrics"], words.metrics),
        "Licence": card["licence"],
        "SHA-256": f"`{card['sha256'][:16]}…`",
    }
    table = "\n".join(f"| {name} | {cell(text)} |" for name, text in rows.items())
    return f"## `{folder.name}`\n{words.use}\n\n| | |\n| --- | --- |\n{table}\n"


def measured(metrics: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """The figures worth reading, and what printed them."""
    found = [f"{label}: {value(metrics, key):.3g}" for key, label in names.items()]
    command = metrics.get("command")
    return "; ".join(found) + (f" (`{command}`)" if command else "")


def value(metrics: Mapping[str, Any], key: str) -> float:
    """A figure by its name, with dots between tables. Raises KeyError."""
    found: Any = metrics
    for part in [key] if key in metrics else key.split("."):
        found = found[part]
    return found


def cell(text: str) -> str:
    """Text that a table of Markdown takes."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
