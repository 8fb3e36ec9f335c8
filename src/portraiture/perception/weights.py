"""Load and save the supporting networks, by name or path."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from portraiture.checkpoints import load_network
from portraiture.perception.attributes import AttributeNetwork, AttributesConfig
from portraiture.perception.identity import IdentityConfig, IdentityNetwork
from portraiture.perception.parser import ParserConfig, ParserNetwork
from portraiture.perception.portrait_parser import PortraitParser, PortraitParserConfig
from portraiture.weights import Card, ModelName, Storage, write_weights

NO_ATTRIBUTES = (
    "No attribute network is shipped; train one (portraiture train attributes --data PEOPLE --out"
    " RUN) and give RUN/networks/attributes.safetensors with {option}."
)


def load_identity(name_or_path: str | Path = "identity-synthetic") -> IdentityNetwork:
    """An identity network in evaluation mode, float32, on the CPU: a shipped one, a folder or a
    .safetensors file. Raises CheckpointError."""
    kind: tuple[ModelName, str] = ("identity", "an identity network")
    return load_network(name_or_path, kind, IdentityConfig, IdentityNetwork)


def load_parser(name_or_path: str | Path = "parser") -> ParserNetwork:
    """A face parser; otherwise like `load_identity`."""
    kind: tuple[ModelName, str] = ("parser", "a face parser")
    return load_network(name_or_path, kind, ParserConfig, ParserNetwork)


def load_portrait_parser(name_or_path: str | Path = "portrait-parser") -> PortraitParser:
    """A portrait parser; otherwise like `load_identity`."""
    kind: tuple[ModelName, str] = ("portrait-parser", "a portrait parser")
    return load_network(name_or_path, kind, PortraitParserConfig, PortraitParser)


def load_attributes(path: str | Path) -> AttributeNetwork:
    """An attribute network, of which none ships; otherwise like `load_identity`."""
    kind: tuple[ModelName, str] = ("attributes", "an attribute network")
    return load_network(path, kind, AttributesConfig, AttributeNetwork)


def save_network(
    network: IdentityNetwork | ParserNetwork | PortraitParser | AttributeNetwork,
    out: Path,
    *,
    data: str,
    recipe: str,
    metrics: dict[str, Any],
    seed: int = 0,
    licence: str = "Apache-2.0",
    storage: Storage = "float16",
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Write a network with its card into the folder `out`; the paths written. data, recipe,
    metrics, seed, licence: for the card. storage: how (`weights`)."""
    card = Card(
        model=_model(network),
        config=asdict(network.config),
        data=data,
        recipe=recipe,
        seed=seed,
        metrics=metrics,
        licence=licence,
    )
    return write_weights(out, network.state_dict(), card, storage=storage, overwrite=overwrite)


def _model(
    network: IdentityNetwork | ParserNetwork | PortraitParser | AttributeNetwork,
) -> ModelName:
    if isinstance(network, AttributeNetwork):
        return "attributes"
    if isinstance(network, PortraitParser):
        return "portrait-parser"
    return "identity" if isinstance(network, IdentityNetwork) else "parser"
