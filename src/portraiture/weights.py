"""Weights on disk: safetensors and a JSON card, written whole or not at all, read within bounds.

A folder has `model.safetensors` and `config.json`; a single .safetensors file carries the card in
its metadata.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from portraiture.errors import CheckpointError, OutputError
from portraiture.media import atomic_path, staged_folder

ModelName = Literal[
    "eg3d", "stylegan2", "liftedgan", "goae-encoder", "goae-afa", "direction", "identity", "parser",
    "pyramid-encoder", "attributes",
]  # fmt: skip
"""What a card's weights are; the last four are never converted, only ours."""
WEIGHTS, CARD = "model.safetensors", "config.json"
MAX_BYTES = 8_000_000_000
MAX_CARD_BYTES = 1_000_000
MAX_TENSORS = 20_000


@dataclass(frozen=True)
class Card:
    """What one must know about weights.

    model: which class they belong to. config: that class's configuration, JSON. data, recipe,
    seed, metrics: what it was trained on, how, and what it scored. licence: of the weights.
    source: where converted weights come from (file, sha256, dropped, unused). sha256: of the
    weights beside the card; empty in a single file.
    """

    model: ModelName
    config: dict[str, Any]
    data: str = "unknown"
    recipe: str = "unknown"
    seed: int | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    licence: str = "unknown"
    source: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, allow_nan=False)

    @staticmethod
    def from_json(text: str, where: Path) -> Card:
        """Raises CheckpointError naming `where` if it is not a card."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CheckpointError(f"{where} is not valid JSON; write it again.") from error
        known = {f.name: f for f in fields(Card)}
        if not isinstance(values, dict) or not {"model", "config"} <= set(values) <= set(known):
            raise CheckpointError(f"{where} is not the card of any weights of this version.")
        types = {"config": dict, "metrics": dict, "source": dict, "seed": int | None}
        if any(not isinstance(v, types.get(k, str)) for k, v in values.items()):
            raise CheckpointError(f"{where} has a field of the wrong type.")
        if values["model"] not in get_args(ModelName):
            raise CheckpointError(f"{where} is for an unknown model.")
        return Card(**values)


def write_weights(
    out: Path | str, tensors: Mapping[str, Tensor], card: Card, *, overwrite: bool = False
) -> tuple[Path, ...]:
    """Write tensors and their card into the folder `out`, or into one file if it is named
    .safetensors; the paths written.

    Raises OutputError if something is in the way and not `overwrite`, or cannot be written.
    """
    out = Path(out)
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    if out.suffix == ".safetensors":
        if os.path.lexists(out) and not overwrite:
            raise OutputError(f"{out} exists; add --overwrite to replace it.")
        with atomic_path(out) as path:
            _save(contiguous, path, {"card": card.to_json()})
        return (out,)
    with staged_folder(out, (WEIGHTS, CARD), overwrite=overwrite) as stage:
        _save(contiguous, stage / WEIGHTS, {})
        card = replace(card, sha256=file_sha256(stage / WEIGHTS))
        (stage / CARD).write_text(card.to_json() + "\n", encoding="utf-8")
    return (out / WEIGHTS, out / CARD)


def _save(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """One entry of metadata at most: safetensors writes several in random order."""
    try:
        save_file(tensors, path, metadata=metadata or {"format": "pt"})
    except SafetensorError as error:
        raise OSError(str(error)) from error


def read_card(path: Path | str) -> Card:
    """The card of a folder or file. Raises CheckpointError if there is none."""
    weights, card = _files(Path(path))
    if card is not None:
        if card.stat().st_size > MAX_CARD_BYTES:
            raise CheckpointError(f"{card} is too large for a card.")
        try:
            return Card.from_json(card.read_text(encoding="utf-8"), card)
        except (OSError, UnicodeDecodeError) as error:
            raise CheckpointError(f"{card} cannot be read.") from error
    with _open(weights) as file:
        text = (file.metadata() or {}).get("card", "")
    if not 0 < len(text) <= MAX_CARD_BYTES:
        raise CheckpointError(f"{weights} has no card; convert the original checkpoint instead.")
    return Card.from_json(text, weights)


def read_weights(path: Path | str) -> tuple[Card, dict[str, Tensor]]:
    """Card and tensors, floating-point ones as float32.

    Raises CheckpointError if the file is damaged, too large, or not the one the card tells of.
    """
    card = read_card(path)
    weights, _ = _files(Path(path))
    if weights.stat().st_size > MAX_BYTES:
        raise CheckpointError(f"{weights} is larger than {MAX_BYTES:,} bytes.")
    if card.sha256 and card.sha256 != file_sha256(weights):
        raise CheckpointError(f"{weights} is not the file that its card was written for.")
    with _open(weights) as file:
        names = list(file.keys())
        if len(names) > MAX_TENSORS:
            raise CheckpointError(f"{weights} has more than {MAX_TENSORS:,} tensors.")
        tensors = {name: file.get_tensor(name) for name in names}
        # copies: what safetensors gives lies in the file's pages
        return card, {
            name: tensor.float() if tensor.dtype.itemsize == 2 and tensor.is_floating_point()
            else tensor.clone()
            for name, tensor in tensors.items()
        }  # fmt: skip


def _files(path: Path) -> tuple[Path, Path | None]:
    """The weights, and the card if it lies in a file of its own."""
    weights = path / WEIGHTS if path.is_dir() else path
    card = weights.with_name(CARD)
    if not weights.is_file():
        raise CheckpointError(f"{weights} does not exist.")
    return weights, card if weights.name == WEIGHTS and card.is_file() else None


def _open(path: Path) -> safe_open:
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file.") from error


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
