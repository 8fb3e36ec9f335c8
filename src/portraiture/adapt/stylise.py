"""Heads of G_s in a style and back (3DAvatarGAN, section 4): the same w in the linked G_t.

Head ─w+─▶ G_t with shape · Δs ─▶ planes ─amount · warp─▶ Head, whose own weights are G_t's
Photographic detail beyond w+ (refined features, residuals of planes) does not follow: G_t has no
texture like it. Letters: N rows of w+, D w dimension.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from portraiture.adapt.style import LARGEST_SHAPE, LARGEST_WARP, Style, styled
from portraiture.checkpoints import fingerprint
from portraiture.errors import AdaptError
from portraiture.head import Head, rounded
from portraiture.networks.eg3d import TriPlaneGenerator

STYLED = ("style", "style_shape", "style_exaggeration", "style_weights")
"""Facts of a head in a style."""
OF_CHANNELS = "style-"
"""Prefix of edits of style channels (`edit.run`), which no other weights reproduce."""
SAME = 1e-3
"""Difference below which a weight counts as G_s's after the style is taken off again, relative to
the largest of the stored ones: float16 keeps 11 bits."""


@torch.no_grad()
def stylise(
    head: Head, style: Style, *, name: str, shape: float = 1.0, exaggerate: float = 1.0
) -> Head:
    """The head in a style: its planes are G_t's of the same w+. shape: amount of Δs, from 0 to 1.
    exaggerate: amount of the warp, from 0 to 2. A head tuned to its photo (PTI) keeps its tuning
    beneath the style's residuals. [ours] Raises AdaptError, HeadError."""
    check_amounts(shape, exaggerate)
    if style.config.fingerprint != head.fingerprint:
        raise AdaptError("This style was trained for another generator than the head's.")
    ws, source = _latent(head), _unstyled(head)
    style = style.to(head.models.device)
    ws = ws.to(head.models.device)
    network = _with_residuals(source, style, shape)
    planes = style.warp(network.planes(ws), ws, amount=exaggerate)
    facts = {
        **head.facts,
        **dict(zip(STYLED, (name, shape, exaggerate, _print(style)), strict=True)),
    }
    return rounded(_made(head, source, network, planes, facts))


@torch.no_grad()
def natural(head: Head, style: Style) -> Head:
    """A head in a style as G_s shows it again. The w+ is that of the styled head, edits made since
    included; detail beyond it is only in the file of before. Raises AdaptError, HeadError."""
    check_worn(head, style)
    style, ws = style.to(head.models.device), _latent(head).to(head.models.device)
    shape = amount_of(head, 1, LARGEST_SHAPE)
    source = _with_residuals(head.network, style, shape, sign=-1.0)
    base = head.models.generator(head.generator)
    own = dict(base.named_parameters())
    for key, value in source.named_parameters():
        if key in head.tuned and _close(value, own[key], head.tuned[key]):
            value.copy_(own[key])
    facts = {key: value for key, value in head.facts.items() if key not in STYLED}
    return rounded(_made(head, base, source, source.planes(ws), facts))


def check_worn(head: Head, style: Style) -> None:
    """Raises AdaptError unless the head is in this style."""
    if STYLED[0] not in head.facts:
        raise AdaptError("This head is in no style; use adapt apply first.")
    if style.config.fingerprint != head.fingerprint or head.facts.get(STYLED[3]) != _print(style):
        raise AdaptError("This head is in another style than the one given.")


def amount_of(head: Head, number: int, most: float) -> float:
    """The shape (1) or exaggeration (2) of a head in a style. Raises AdaptError."""
    value = head.facts.get(STYLED[number])
    if not isinstance(value, int | float) or not 0.0 <= value <= most:
        raise AdaptError("This head does not say how far it is in its style; make it again.")
    return float(value)


def _print(style: Style) -> str:
    return fingerprint(style)[:16]


def check_amounts(shape: float, exaggerate: float) -> None:
    """Raises AdaptError for sliders out of range."""
    if not 0.0 <= shape <= LARGEST_SHAPE:
        raise AdaptError(f"--shape goes from 0 to {LARGEST_SHAPE:g}, not {shape:g}.")
    if not 0.0 <= exaggerate <= LARGEST_WARP:
        raise AdaptError(f"--exaggerate goes from 0 to {LARGEST_WARP:g}, not {exaggerate:g}.")


def _unstyled(head: Head) -> TriPlaneGenerator:
    """The head's own generator. Raises AdaptError where it is in a style already."""
    if STYLED[0] in head.facts:
        raise AdaptError("This head is in a style already; take the one that it was made from.")
    if any(key.startswith(OF_CHANNELS) for key in head.edits):
        raise AdaptError("This head has edited style channels; apply the style first, then these.")
    return head.network


def _latent(head: Head) -> Tensor:
    if head.ws is None:
        raise AdaptError("This head has no latent w, so no style can show it; use another method.")
    return head.ws


def _with_residuals(
    generator: TriPlaneGenerator, style: Style, shape: float, *, sign: float = 1.0
) -> TriPlaneGenerator:
    """A copy with the residuals added, or with -1 taken off."""
    return styled(generator, style, shape=shape, sign=sign, checked=False)


def _made(
    head: Head, before: TriPlaneGenerator, network: TriPlaneGenerator, planes: Tensor,
    facts: Mapping[str, Any],
) -> Head:  # fmt: skip
    """The head with these planes, and with what the network has other than the base weights."""
    base = head.models.generator(head.generator).state_dict()
    tuned = {k: v for k, v in network.state_dict().items() if not torch.equal(v, base[k])}
    known = {k: v for k, v in facts.items() if k not in ("psnr_person_db", "loss")}
    return replace(
        head, planes=planes, features=None, visible=None, residual=None, tuned=tuned, facts=known
    )


def _close(a: Tensor, b: Tensor, stored: Tensor) -> bool:
    """Whether two weights are the same but for how one of them was stored."""
    return float((a - b).abs().max()) <= SAME * float(stored.abs().max())
