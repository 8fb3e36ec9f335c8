"""Weights by name or path: shipped ones, safetensors with a card, published files converted.

name or path ─find─▶ (convert into the cache) ─▶ card, tensors ─strict─▶ generator
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import MISSING, asdict, fields, is_dataclass, replace
from importlib.resources import files
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import torch
from torch import Tensor, nn

from portraiture.cache import cache_path
from portraiture.convert.run import convert_file
from portraiture.errors import CheckpointError
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.networks.faces2d import FacesConfig, FacesGenerator
from portraiture.networks.image_to_planes import ImageToPlanes, ImageToPlanesConfig
from portraiture.paths import check_name
from portraiture.triplane.planes import PlaneAxes
from portraiture.weights import (
    CARD,
    Card,
    ModelName,
    Storage,
    read_card,
    read_weights,
    write_weights,
)

__all__ = [
    "Card", "load_card", "load_generator", "load_image_generator", "save_generator", "shipped",
]  # fmt: skip

FOREIGN = (".pkl", ".pt", ".pth")
CONVERSION = 3
"""To be raised when `convert_file` comes to write something else for the same file."""
MAX_NUMBER = 1 << 16
"""No width, resolution or count of layers in a card may be larger."""
Config = TypeVar("Config")
Network = TypeVar("Network", bound=nn.Module)


def load_generator(
    name_or_path: str | Path, *, plane_axes: PlaneAxes = "original"
) -> TriPlaneGenerator:
    """A tri-plane generator in evaluation mode, float32, on the CPU.

    name_or_path: a name out of `shipped()` (for a folder of that name write ./name), a folder or
    .safetensors file that `save_generator` or `portraiture convert` wrote, or a published EG3D
    .pkl, which is converted without running anything in it and kept in the user's cache.
    plane_axes: how points are projected on the planes; "original" leaves what the card says, which
    is the original unless stated otherwise.

    Raises CheckpointError or ConversionError, one sentence, if there is no such thing, or its
    tensors and its configuration don't fit together.
    """

    def build(config: TriPlaneConfig) -> TriPlaneGenerator:
        if plane_axes != "original":
            config = replace(config, rendering=replace(config.rendering, plane_axes=plane_axes))
        return TriPlaneGenerator(config)

    return load_network(name_or_path, ("eg3d", "a tri-plane generator"), TriPlaneConfig, build)


def load_image_generator(name_or_path: str | Path) -> FacesGenerator:
    """A StyleGAN2 in evaluation mode, float32, on the CPU; otherwise like `load_generator`. A
    published StyleGAN2-ADA .pkl or rosinality .pt is converted on the way."""
    return load_network(
        name_or_path, ("stylegan2", "an image generator"), FacesConfig, FacesGenerator
    )


def load_image_to_planes(name_or_path: str | Path) -> ImageToPlanes:
    """The network of a name or path. Raises CheckpointError."""
    kind = ("image-to-planes", "a network for --method i2t")
    return load_network(name_or_path, kind, ImageToPlanesConfig, ImageToPlanes)  # type: ignore[arg-type]


def check_planes(network: ImageToPlanes, generator: TriPlaneGenerator) -> None:
    """Raise CheckpointError when the network was trained for another generator."""
    config, theirs = network.config, generator.config
    sizes = (config.plane_size, config.plane_features, config.w_dim)
    same = sizes == (theirs.plane_size, theirs.plane_features, theirs.w_dim)
    if not same or config.generator not in ("", fingerprint(generator)):
        raise CheckpointError("The network was not trained for this generator; give one that was.")


def load_network(
    name_or_path: str | Path,
    kind: tuple[ModelName, str],
    config: type[Config],
    build: Callable[[Config], Network],
) -> Network:
    """Any network by name or path, in evaluation mode, float32, on the CPU.

    kind: the model that the card must name, and what to call it. config: of its class. build:
    makes it of its config, on the meta device; all its tensors come from the file. Raises
    CheckpointError or ConversionError.
    """
    card, tensors = read_weights(find_weights(name_or_path))
    model, called = kind
    if card.model != model:
        raise CheckpointError(f"{name_or_path} holds {card.model}, not {called}.")
    settings = read_config(config, card.config, name_or_path)
    return filled(built(lambda: build(settings), name_or_path), tensors, name_or_path)


def built(make: Callable[[], Network], source: str | Path) -> Network:
    """A network on the meta device, for a card may ask for anything. Raises CheckpointError where
    sizes do not fit together."""
    try:
        with torch.device("meta"):
            return make()
    except (ValueError, AssertionError, RuntimeError, ZeroDivisionError) as error:
        raise CheckpointError(f"{source} has a card whose sizes do not fit together.") from error


def save_generator(
    generator: TriPlaneGenerator | FacesGenerator,
    out: Path | str,
    card: Card | None = None,
    *,
    storage: Storage = "float32",
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Write a generator and its card into a folder, or a single .safetensors file.

    card: what is known about the weights; its model and config are taken from the generator.
    storage: how (`weights`). Raises OutputError as `write_weights` does. The paths written.
    """
    model: ModelName = "eg3d" if isinstance(generator, TriPlaneGenerator) else "stylegan2"
    config = asdict(generator.config)
    card = replace(card or Card(model, {}), model=model, config=config, sha256="")
    return write_weights(out, generator.state_dict(), card, storage=storage, overwrite=overwrite)


def fingerprint(network: nn.Module) -> str:
    """SHA-256 of the names and float32 values of a network's tensors: which weights they are,
    wherever they lie."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def w_fingerprint(generator: TriPlaneGenerator) -> str:
    """Of the mapping alone: generators of one mapping mean the same by w, however they draw it."""
    return fingerprint(generator.backbone.mapping)


def load_card(name_or_path: str | Path) -> Card:
    """The card of what `load_generator` would load."""
    return read_card(find_weights(name_or_path))


def shipped() -> dict[str, Card]:
    """The weights that come with the package, by name: the cards beside them say what they are
    (sha256, licence, training, metrics)."""
    folder = _weights_folder()
    found = sorted(path.parent for path in folder.glob(f"*/{CARD}")) if folder.is_dir() else []
    return {path.name: read_card(path) for path in found}


def _weights_folder() -> Path:
    return Path(str(files("portraiture"))) / "assets" / "weights"


def find_weights(name_or_path: str | Path) -> Path:
    """The folder or file to read; foreign files are converted first."""
    path = Path(name_or_path)
    check_name(path, CheckpointError)
    named = _weights_folder() / path.name
    if path.name == str(name_or_path) and (named / CARD).is_file():
        return named
    if path.suffix in FOREIGN and path.is_file():
        return _converted(path)
    if path.is_dir() or path.suffix == ".safetensors":
        return path
    names = ", ".join(shipped()) or "none yet"
    raise CheckpointError(
        f"There are no weights {name_or_path}; shipped are {names}, or give a folder, a"
        " .safetensors file or a published .pkl."
    )


def _converted(path: Path) -> Path:
    """The conversion of a foreign file, from the cache if this very file was converted before."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    out = cache_path(f"converted-{CONVERSION}", digest[:32])
    if not (out / CARD).is_file():
        convert_file(path, out, overwrite=True)
    return out


def filled(network: Network, tensors: dict[str, Tensor], source: str | Path) -> Network:
    """The network with these tensors for its own, for evaluation. Raises as `check_tensors`."""
    check_tensors(network, tensors, source)
    network.load_state_dict(tensors, assign=True)
    return network.eval().requires_grad_(False)


def check_tensors(network: nn.Module, tensors: dict[str, Tensor], source: str | Path) -> None:
    """Raises CheckpointError, naming `source`, unless these are all of a network's tensors and no
    others, of its shapes and types; it may be on the meta device."""
    expected = network.state_dict()
    for name, tensor in expected.items():
        if name not in tensors:
            raise CheckpointError(f"{source} lacks the tensor {name}.")
        if tensors[name].shape != tensor.shape:
            have, want = tuple(tensors[name].shape), tuple(tensor.shape)
            raise CheckpointError(f"{source} has the tensor {name} in shape {have}, not {want}.")
        if tensors[name].dtype != tensor.dtype:
            raise CheckpointError(f"{source} has the tensor {name} as {tensors[name].dtype}.")
    unknown = next((name for name in tensors if name not in expected), None)
    if unknown is not None:
        raise CheckpointError(f"{source} has an unknown tensor {unknown[:80]!r}.")


def read_config(kind: type[Config], values: dict[str, Any], source: str | Path) -> Config:
    """A configuration out of a card; fields left out have their defaults."""
    try:
        return _record(kind, values)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{source} has a card that does not fit: {error}.") from error


def _record(kind: Any, values: Any) -> Any:
    if not isinstance(values, dict):
        raise TypeError("a group of settings is missing")
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}
    for name in values:
        if name not in known:
            raise TypeError(f"the setting {name[:80]!r} is unknown")
    for name, field in known.items():
        required = field.default is MISSING and field.default_factory is MISSING
        if required and name not in values:
            raise TypeError(f"the setting {name} is missing")
    return kind(**{name: _value(hints[name], value, name) for name, value in values.items()})


def _value(hint: Any, value: Any, name: str) -> Any:
    """`value` from JSON as the annotation `hint` wants it; raises TypeError."""
    origin, arguments = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        return _record(hint, value)
    if origin in (Union, UnionType):
        if value is None and NoneType in arguments:
            return None
        return _value(next(a for a in arguments if a is not NoneType), value, name)
    if origin is Literal and value in arguments:
        return value
    if origin is tuple and isinstance(value, list | tuple):
        endless = len(arguments) == 2 and arguments[1] is Ellipsis
        kinds = arguments[:1] * len(value) if endless else arguments
        return tuple(_value(k, v, name) for k, v in zip(kinds, value, strict=True))
    if hint in (int, float) and isinstance(value, int | float) and not isinstance(value, bool):
        bounded = abs(value) <= MAX_NUMBER and (value >= 0 or hint is float)
        if bounded and value == hint(value):
            return hint(value)
    elif hint in (bool, str) and isinstance(value, hint):
        return value
    raise TypeError(f"the setting {name} cannot be {str(value)[:80]!r}")
