"""BERT with mean pooling: a sentence to one unit vector (Devlin et al. 2019; Reimers and Gurevych
2019), of the size of all-MiniLM-L6-v2.

token ids ─embeddings─▶ (layers: attention, feed-forward; each added and normalised) ─mean─▶ unit
Letters: B sentences, T tokens, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


@dataclass(frozen=True)
class SentenceEncoderConfig:
    """Sizes, named as in BERT's config.json."""

    vocab_size: int = 30522
    hidden_size: int = 384
    num_hidden_layers: int = 6
    num_attention_heads: int = 12
    intermediate_size: int = 1536
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12


class _Layer(nn.Module):
    def __init__(self, config: SentenceEncoderConfig) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.layer_norm_eps
        self.heads = config.num_attention_heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.wide = nn.Linear(width, config.intermediate_size)
        self.narrow = nn.Linear(config.intermediate_size, width)
        self.norm, self.last_norm = nn.LayerNorm(width, eps), nn.LayerNorm(width, eps)

    def forward(self, x: Float[Tensor, "B T D"], kept: Bool[Tensor, "B T"]) -> Tensor:
        split = [
            layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        ]
        mixed = F.scaled_dot_product_attention(*split, attn_mask=kept[:, None, None, :])
        x = self.norm(x + self.out(mixed.transpose(1, 2).flatten(2)))
        return self.last_norm(x + self.narrow(F.gelu(self.wide(x))))


class SentenceEncoder(nn.Module):
    """Token ids of sentences to unit vectors."""

    def __init__(self, config: SentenceEncoderConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.words = nn.Embedding(config.vocab_size, width)
        self.places = nn.Embedding(config.max_position_embeddings, width)
        self.types = nn.Embedding(config.type_vocab_size, width)
        self.norm = nn.LayerNorm(width, config.layer_norm_eps)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))

    def forward(
        self, tokens: Int[Tensor, "B T"], kept: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B D"]:
        """kept: which tokens are no padding."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.words(tokens) + self.places(places) + self.types.weight[0]
        x = self.norm(x)
        for layer in self.layers:
            x = layer(x, kept)
        weight = kept[..., None].to(x)
        return F.normalize((x * weight).sum(1) / weight.sum(1).clamp_min(1e-9), dim=1)


_NAMES = {
    "embeddings.word_embeddings": "words",
    "embeddings.position_embeddings": "places",
    "embeddings.token_type_embeddings": "types",
    "embeddings.LayerNorm": "norm",
}
_LAYER_NAMES = {
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "out",
    "attention.output.LayerNorm": "norm",
    "intermediate.dense": "wide",
    "output.dense": "narrow",
    "output.LayerNorm": "last_norm",
}


def from_bert(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A `SentenceEncoder`'s state of a published BERT's; the pooler is left out."""
    out: dict[str, Tensor] = {}
    for name, value in state.items():
        stem, _, kind = name.removeprefix("bert.").rpartition(".")
        if stem in _NAMES:
            out[f"{_NAMES[stem]}.{kind}"] = value
        elif stem.startswith("encoder.layer."):
            number, _, part = stem.removeprefix("encoder.layer.").partition(".")
            out[f"layers.{number}.{_LAYER_NAMES[part]}.{kind}"] = value
    return out
