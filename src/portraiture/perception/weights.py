"""The supporting networks by name or path, and their shipped form: float16 with a card."""

from __future__ import annotations

from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from portraiture.errors import CheckpointError
from portraiture.perception.attributes import AttributeNetwork, AttributesConfig
from portraiture.perception.identity import IdentityConfig, IdentityNetwork
from portraiture.perception.parser import ParserConfig, ParserNetwork
from portraiture.weights import Card, ModelName, read_weights, write_weights


def load_identity(name_or_path: str | Path = "identity-synthetic") -> IdentityNetwork:
    """An identity network in evaluation mode, float32, on the CPU: a shipped one, a folder or a
    .safetensors file. Raises CheckpointError."""
    card, tensors = read_weights(_find(name_or_path))
    if card.model != "identity":
        raise CheckpointError(f"{name_or_path} holds {card.model}, not an identity network.")
    network = IdentityNetwork(_settings(IdentityConfig, card.config, name_or_path))
    _fill(network, tensors, name_or_path)
    return network


def load_parser(name_or_path: str | Path = "parser") -> ParserNetwork:
    """A face parser; otherwise like `load_identity`."""
    card, tensors = read_weights(_find(name_or_path))
    if card.model != "parser":
        raise CheckpointError(f"{name_or_path} holds {card.model}, not a face parser.")
    network = ParserNetwork(_settings(ParserConfig, card.config, name_or_path))
    _fill(network, tensors, name_or_path)
    return network


def load_attributes(name_or_path: str | Path = "attributes") -> AttributeNetwork:
    """An attribute network; otherwise like `load_identity`."""
    card, tensors = read_weights(_find(name_or_path))
    if card.model != "attributes":
        raise CheckpointError(f"{name_or_path} holds {card.model}, not an attribute network.")
    network = AttributeNetwork(_settings(AttributesConfig, card.config, name_or_path))
    _fill(network, tensors, name_or_path)
    return network


def save_network(
    network: IdentityNetwork | ParserNetwork | AttributeNetwork,
    out: Path,
    *,
    data: str,
    recipe: str,
    metrics: dict[str, Any],
    seed: int = 0,
    licence: str = "Apache-2.0",
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Write a network as float16 with its card into the folder `out`; the paths written. data,
    recipe, metrics, seed, licence: for the card."""
    card = Card(
        model=_model(network),
        config=asdict(network.config),
        data=data,
        recipe=recipe,
        seed=seed,
        metrics=metrics,
        licence=licence,
    )
    tensors = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }
    return write_weights(out, tensors, card, overwrite=overwrite)


def _model(network: IdentityNetwork | ParserNetwork | AttributeNetwork) -> ModelName:
    if isinstance(network, AttributeNetwork):
        return "attributes"
    return "identity" if isinstance(network, IdentityNetwork) else "parser"


def _find(name_or_path: str | Path) -> Path:
    shipped = Path(str(files("portraiture"))) / "assets" / "weights" / str(name_or_path)
    return (
        shipped
        if Path(name_or_path).name == str(name_or_path) and shipped.is_dir()
        else Path(name_or_path)
    )


def _settings(kind: type[Any], values: dict[str, Any], source: str | Path) -> Any:
    try:
        return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
    except TypeError as error:
        raise CheckpointError(f"{source} has a card that does not fit: {error}.") from error


def _fill(network: nn.Module, tensors: dict[str, Tensor], source: str | Path) -> None:
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(
            f"{source} does not hold the tensors that its card tells of."
        ) from error
    network.eval().requires_grad_(False)
