"""Weights on disk: safetensors and a JSON card, written whole or not at all, read within bounds.

A folder has `model.safetensors` and `config.json`; a single .safetensors file carries the card in
its metadata. Storage "int8" keeps large weights in 8 bits, symmetric per output channel:

    s = max |x| / 127 over a channel, rounded up to 16 significant bits;  q = round(x / s);  x' = qs

under the weight's own name (int8) and NAME + ".scale" (float32, one a channel). 16 bits of s and 7
of q fit the 24 of float32, so that x' is exact, and storing x' again gives the same q and s. Stored
so are tensors whose name ends with "weight", of two dimensions or more and `MIN_QUANTISED` values,
but for a generator's mapping and convolutions (`GENERATING`), whose errors its images show. All
others (biases, norms, means of W, bases, constants, small weights) are float16.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Int8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from portraiture.errors import CheckpointError, OutputError
from portraiture.media import atomic_path, staged_folder

ModelName = Literal[
    "eg3d", "stylegan2", "liftedgan", "goae-encoder", "goae-afa", "direction", "identity", "parser",
    "portrait-parser", "pyramid-encoder", "attributes", "imitator", "mapper", "regressor",
    "image-to-planes", "head-style", "instruction-unet",
]  # fmt: skip
"""What a card's weights are; the last eleven are never converted, only ours."""
Storage = Literal["float32", "float16", "int8"]
WEIGHTS, CARD = "model.safetensors", "config.json"
SCALE = ".scale"
LEVELS = 127
SCALE_BITS = 16
MIN_QUANTISED = 4096
GENERATING = {"mapping", "synthesis", "superresolution"}
"""Parts of a generator's names; of their weights only those that make styles, "affine", are kept in
8 bits: the mapping's cost faces2d 0.2 dB, the convolutions' 0.1, these nothing."""
SMALLEST = 2.0**-100
"""Channels whose values all lie below are stored as zeros."""
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
    out: Path | str,
    tensors: Mapping[str, Tensor],
    card: Card,
    *,
    storage: Storage = "float32",
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Write tensors and their card into the folder `out`, or into one file if it is named
    .safetensors; the paths written. storage: of floating-point tensors; "float32" leaves them as
    they are.

    Raises OutputError if something is in the way and not `overwrite`, or cannot be written, and
    CheckpointError for a value that the storage does not hold.
    """
    out = Path(out)
    still = {name: tensor.detach().cpu() for name, tensor in tensors.items()}
    contiguous = {name: tensor.contiguous() for name, tensor in _stored(still, storage).items()}
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


def _stored(tensors: Mapping[str, Tensor], storage: Storage) -> dict[str, Tensor]:
    """The tensors of a file, by the rule above. Raises CheckpointError."""
    if storage == "float32":
        return dict(tensors)
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            found[name] = tensor
        elif storage == "int8" and is_quantised(name, tensor):
            found[name], found[name + SCALE] = quantise(tensor.float())
        else:
            found[name] = as_half(name, tensor)
    return found


def is_quantised(name: str, tensor: Tensor) -> bool:
    """Whether the storage "int8" keeps a tensor in 8 bits."""
    large = tensor.ndim >= 2 and tensor.numel() >= MIN_QUANTISED
    parts = set(name.split("."))
    shown = bool(parts & GENERATING) and "affine" not in parts
    return large and not shown and tensor.is_floating_point() and name.endswith("weight")


def quantise(x: Float[Tensor, "O *rest"]) -> tuple[Int8[Tensor, "O *rest"], Float[Tensor, " O"]]:
    """8-bit values within ±127, and the scale of each place of the first dimension, the output
    channel. Raises ValueError for values that are not finite."""
    if not bool(torch.isfinite(x).all()):
        raise ValueError("only finite values can be quantised")
    largest = x.flatten(1).abs().amax(1)
    mantissa, exponent = torch.frexp(largest / LEVELS)
    scale = torch.ldexp(torch.ceil(torch.ldexp(mantissa, torch.tensor(SCALE_BITS))), exponent)
    scale = torch.ldexp(scale, torch.tensor(-SCALE_BITS))
    scale = torch.where(largest >= SMALLEST, scale, 1.0)
    return torch.round(x / _along(scale, x)).to(torch.int8), scale


def dequantise(q: Int8[Tensor, "O *rest"], scale: Float[Tensor, " O"]) -> Float[Tensor, "O *rest"]:
    """What 8-bit values stand for, exact in float32."""
    return q.float() * _along(scale, q)


def _along(scale: Tensor, x: Tensor) -> Tensor:
    return scale.reshape(-1, *[1] * (x.ndim - 1))


def as_half(name: str, tensor: Tensor) -> Tensor:
    """A floating-point tensor as float16. Raises CheckpointError, with its name, where a value is
    not finite then."""
    half = tensor.half()
    if not bool(torch.isfinite(half).all()):
        raise CheckpointError(f"The tensor {name[:80]} has a value that float16 does not hold.")
    return half


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
    """Card and tensors, those of 16 bits as float32, those of 8 bits dequantised.

    Raises CheckpointError if the file is damaged, too large, or not the one the card tells of, or
    has a value that is not finite or 8-bit weights without scales.
    """
    card = read_card(path)
    weights, _ = _files(Path(path))
    if card.sha256 and card.sha256 != file_sha256(weights):
        raise CheckpointError(f"{weights} is not the file that its card was written for.")
    return card, _dequantised(read_tensors(weights), weights)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, those of 16 bits as float32.

    Raises CheckpointError if it is damaged or too large, or has a value that is not finite.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist.")
    if path.stat().st_size > MAX_BYTES:
        raise CheckpointError(f"{path} is larger than {MAX_BYTES:,} bytes.")
    with _open(path) as file:
        names = list(file.keys())
        if len(names) > MAX_TENSORS:
            raise CheckpointError(f"{path} has more than {MAX_TENSORS:,} tensors.")
        return {name: _whole(file.get_tensor(name), name, path) for name in names}


def _whole(tensor: Tensor, name: str, path: Path) -> Tensor:
    """A copy, for what safetensors gives lies in the file's pages."""
    if not tensor.is_floating_point():
        return tensor.clone()
    if not bool(torch.isfinite(tensor).all()):
        raise CheckpointError(f"{path} has a value in {name[:80]!r} that is not finite.")
    return tensor.float() if tensor.dtype.itemsize == 2 else tensor.clone()


def _dequantised(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors with those of 8 bits multiplied by their scales."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.endswith(SCALE) and _is_int8(tensors, name.removesuffix(SCALE)):
            continue
        if not _is_int8(tensors, name):
            found[name] = tensor
            continue
        scale = tensors.get(name + SCALE)
        if scale is None or scale.dtype != torch.float32 or scale.shape != tensor.shape[:1]:
            raise CheckpointError(f"{path} lacks the scales of the 8-bit tensor {name[:80]!r}.")
        found[name] = dequantise(tensor, scale)
    return found


def _is_int8(tensors: Mapping[str, Tensor], name: str) -> bool:
    return name in tensors and tensors[name].dtype == torch.int8


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
