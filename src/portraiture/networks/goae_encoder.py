"""GOAE's encoder: a photo to w+ (Yuan et al., ICCV 2023, section 4.1). With the default config it
computes what the published program computes.

256² ─Swin─▶ fine, mid, coarse, query, base tokens
base ─mapper─▶ w0, the same for all rows
query ─mappers─▶ queries ─cross-attention over coarse, mid, fine─▶ Δ of the coarse, mid, fine rows
w+ = w_avg + w0 + (0, Δ coarse, Δ mid, Δ fine)                                            (Eq. 11)

The pyramid is transformers' SwinV2 (Liu et al., CVPR 2022); all other parameters carry the names of
the published checkpoint. Letters: B photos, T tokens, C channels of the first stage, D w dimension,
N rows of w+.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

Level = Literal["coarse", "mid", "fine"]
LEVELS: tuple[Level, Level, Level] = ("coarse", "mid", "fine")
STRIDE = 32
"""Side in pixels of a token at the last stage."""


@dataclass(frozen=True)
class EncoderConfig:
    """Defaults are those of the published FFHQ encoder.

    embed_dim, depths, heads, window: of the Swin pyramid. pretrained_windows: of each stage, the
    window that normalises the continuous position bias; 0 for the stage's own. drop_path:
    stochastic depth of the last block in training, rising linearly from 0 at the first. w_dim: D.
    rows: number of rows of w+ that the coarse, middle and fine levels refine; the first row of w+
    is w0 alone. hidden: of the channel mappers. leaky_slope: of all their LeakyReLUs.
    activated_tokens: whether the mappers of keys and values end in a LeakyReLU. norm_twice: whether
    a second norm follows the feed-forward layer of a cross-attention. dropout: of cross-attention,
    in training. attention: [ours] width of queries and tokens, followed by a linear layer to D;
    None for D itself, as published. gated: [ours] each level's contribution is scaled by a learned
    factor initialised to 0. single_w: [ours] all rows of w+ are w0; the levels and their parameters
    are left out. generator: fingerprint of the mapping whose w it predicts
    (`checkpoints.w_fingerprint`), if known.
    """

    image_size: int = 256
    embed_dim: int = 128
    depths: tuple[int, int, int, int] = (2, 2, 18, 2)
    heads: tuple[int, int, int, int] = (4, 8, 16, 32)
    window: int = 16
    pretrained_windows: tuple[int, int, int, int] = (12, 12, 12, 6)
    drop_path: float = 0.2
    w_dim: int = 512
    rows: tuple[int, int, int] = (3, 3, 7)
    hidden: int = 1024
    leaky_slope: float = 0.01
    activated_tokens: bool = True
    norm_twice: bool = False
    dropout: float = 0.1
    attention: int | None = None
    gated: bool = False
    single_w: bool = False
    generator: str = ""

    @property
    def num_ws(self) -> int:
        return 1 + sum(self.rows)


PAPER = EncoderConfig()
"""The published FFHQ encoder: SwinV2-B with windows of 16."""


class CrossAttention(nn.Module):
    """Queries attend to tokens: x = LN(q + attention(q, tokens)), then x + feed-forward(x) (Yuan et
    al. 2023, section 4.1).

    LN has no parameters. norm_twice: LN after the feed-forward layer, too. dropout: in training, of
    the attention's weights and output and of both layers of the feed-forward network.
    """

    def __init__(
        self, width: int, *, heads: int = 4, hidden: int = 1024, norm_twice: bool = False,
        dropout: float = 0.1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.multihead_attn = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)
        self.norm_twice = norm_twice

    def forward(
        self, queries: Float[Tensor, "B Q D"], tokens: Float[Tensor, "B T D"]
    ) -> Float[Tensor, "B Q D"]:
        found, _ = self.multihead_attn(queries, tokens, tokens, need_weights=False)
        x = normed(queries + self.dropout(found))
        hidden = self.dropout(F.relu(self.linear1(x)))
        x = x + self.dropout(self.linear2(hidden))
        return normed(x) if self.norm_twice else x


def normed(x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
    """LayerNorm without parameters (eps 1e-5)."""
    return F.layer_norm(x, x.shape[-1:])


class GoaeEncoder(nn.Module):
    """Photo → w+ - w_avg."""

    model_name: ClassVar = "goae-encoder"

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.swin_model = _swin(config)
        width, w, hidden = config.embed_dim, config.attention or config.w_dim, config.hidden
        side = config.image_size // STRIDE
        tokens = side * side
        slope = config.leaky_slope

        def mapper(*sizes: int) -> nn.Sequential:
            return _mlp(sizes, slope, ends_active=False)

        def token_mapper(*sizes: int) -> nn.Sequential:
            return _mlp(sizes, slope, ends_active=config.activated_tokens)

        self.mapper_base_spatial = mapper(tokens, tokens, 1)
        self.mapper_base_channel = mapper(8 * width, hidden, config.w_dim)
        if config.single_w:
            return
        for level, rows in zip(LEVELS, config.rows, strict=True):
            setattr(self, f"mapper_query_spatial_{level}", mapper(tokens, tokens, rows))
            setattr(self, f"mapper_query_channel_{level}", mapper(8 * width, hidden, w))
            attention = CrossAttention(
                w, hidden=1024 if config.attention is None else 2 * w,
                norm_twice=config.norm_twice, dropout=config.dropout,
            )  # fmt: skip
            setattr(self, f"cross_att_{level}", attention)
            if config.attention is not None:
                setattr(self, f"widen_{level}", nn.Linear(w, config.w_dim))
        self.mapper_coarse_channel = token_mapper(4 * width, w)
        self.mapper_mid_channel = token_mapper(2 * width, w)
        self.mapper_fine_channel = token_mapper(width, w // 2, w)
        self.mapper_coarse_to_mid_spatial = token_mapper(4 * tokens, 8 * tokens, 16 * tokens)
        self.mapper_mid_to_fine_spatial = token_mapper(16 * tokens, 32 * tokens, 64 * tokens)
        if config.gated:
            self.gates = nn.Parameter(torch.zeros(len(LEVELS)))

    def forward(
        self, photos: Float[Tensor, "B 3 R R"], *, levels: int = 3
    ) -> Float[Tensor, "B N D"]:
        """w+ - w_avg of photos in [-1, 1] (Eq. 11). levels: number of the levels coarse, middle,
        fine in use; the other rows are w0 (progressive training, section 4.1)."""
        taps = self.swin_model(photos, output_hidden_states=True)
        fine, mid, coarse, query = taps.hidden_states[:4]
        w0 = self._pooled("base", taps.last_hidden_state.mT)
        if self.config.single_w:
            return w0.repeat(1, self.config.num_ws, 1)
        tokens = self._tokens(fine, mid, coarse, levels)
        rows = [w0]
        for k, level in enumerate(LEVELS):
            if k < levels:
                asked = self._pooled(f"query_{level}", query.mT)
                added = getattr(self, f"cross_att_{level}")(asked, tokens[level])
                if self.config.attention is not None:
                    added = getattr(self, f"widen_{level}")(added)
                rows.append(w0 + (self.gates[k] * added if self.config.gated else added))
            else:
                rows.append(w0.expand(-1, self.config.rows[k], -1))
        return torch.cat(rows, 1)

    def _pooled(self, name: str, x: Float[Tensor, "B C T"]) -> Float[Tensor, "B Q D"]:
        """Maximum plus learned weighted sums over positions, through the channel mapper."""
        kind, _, level = name.partition("_")
        end = f"_{level}" if level else ""
        spatial = getattr(self, f"mapper_{kind}_spatial{end}")
        channel = getattr(self, f"mapper_{kind}_channel{end}")
        return channel((x.amax(2, keepdim=True) + spatial(x)).mT)

    def _tokens(
        self, fine: Tensor, mid: Tensor, coarse: Tensor, levels: int
    ) -> dict[Level, Float[Tensor, "B T D"]]:
        """Keys and values of each level in use; coarser tokens are added to finer ones."""
        tokens: dict[Level, Tensor] = {"coarse": self.mapper_coarse_channel(coarse)}
        if levels > 1:
            below = self.mapper_coarse_to_mid_spatial(tokens["coarse"].mT).mT
            tokens["mid"] = self.mapper_mid_channel(mid) + below
        if levels > 2:
            below = self.mapper_mid_to_fine_spatial(tokens["mid"].mT).mT
            tokens["fine"] = self.mapper_fine_channel(fine) + below
        return tokens


def _mlp(sizes: Sequence[int], slope: float, *, ends_active: bool) -> nn.Sequential:
    """Linear layers with LeakyReLUs between them, and after the last if `ends_active`."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(slope, inplace=True)]
    return nn.Sequential(*(layers if ends_active else layers[:-1]))


def _swin(config: EncoderConfig) -> nn.Module:
    """transformers' SwinV2, imported here because the import takes seconds. The last norms of its
    residual branches start with gains of 0, as in the original program, so that every block starts
    as the identity; otherwise training from random weights hardly progresses."""
    from transformers import Swinv2Config, Swinv2Model

    sizes = Swinv2Config(
        image_size=config.image_size,
        patch_size=4,
        embed_dim=config.embed_dim,
        depths=list(config.depths),
        num_heads=list(config.heads),
        window_size=config.window,
        pretrained_window_sizes=list(config.pretrained_windows),
        drop_path_rate=config.drop_path,
    )
    swin = Swinv2Model(sizes, add_pooling_layer=False)
    for name, parameter in swin.named_parameters():
        if "layernorm_before." in name or "layernorm_after." in name:
            nn.init.zeros_(parameter)
    return swin
