"""Editing a neural head: along directions of w, by style channels, or by adding glasses.

Head, amounts ─▶ w + Σ α d, S + Σ α s ─▶ F* + F of the edit - F ─mix, residual─▶ planes ─▶ Head
Details found for a photo are kept: refined features (GOAE, Eq. 10) and the residual.
Directions: `portraiture.edit.directions`.
Letters: N rows of w+, D w dimension, S style channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import radians
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.edit.directions import (
    Directions,
    known_directions,
    principal_names,
    style_widths,
)
from portraiture.errors import EditError
from portraiture.head import Head, head_image, on_device, rounded
from portraiture.media import staged_folder, write_image
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.features import (
    add_residual,
    edited_features,
    planes_and_features,
    planes_of,
)
from portraiture.networks.goae_program import ProgramWay, edit_as_program
from portraiture.people.attributes import Attribute
from portraiture.people.glasses import GLASSES, check_wearer
from portraiture.progress import SILENT, Progress, counted
from portraiture.triplane.visibility import fuse_planes

MAX_AMOUNT = 4.0

STYLE = "style-"
"""Prefix of names of style channels, followed by an attribute or a channel number."""

LATENT_GLASSES = "latent-glasses"
"""Name in a head's facts of glasses added by a direction of w."""

MEASURED = ("psnr_person_db", "loss")
"""Facts measured on the head before the edit, which an edit invalidates."""

EDIT_FILES = ("head.safetensors", "front.png", "sheet.png")
VIEWS = (radians(-40.0), radians(-20.0), 0.0, radians(20.0), radians(40.0))


def read_amounts(settings: Sequence[str]) -> dict[str, float]:
    """ "smile=1.0" → {"smile": 1.0}. Raises EditError."""
    amounts: dict[str, float] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        attribute = name.removeprefix(STYLE)
        known = attribute in get_args(Attribute) or name in (GLASSES, *principal_names())
        if not known and not (name.startswith(STYLE) and attribute.isdecimal()):
            raise EditError(
                f"There is no attribute {name[:40]!r}; there are {', '.join(get_args(Attribute))},"
                f" {GLASSES}, pc1 to {principal_names()[-1]}, {STYLE}ATTRIBUTE and {STYLE}NUMBER."
            )
        try:
            amount = float(text)
        except ValueError:
            amount = float("nan")
        if not equals or not abs(amount) <= MAX_AMOUNT:
            raise EditError(f"Write {name}=NUMBER, from -{MAX_AMOUNT:g} to {MAX_AMOUNT:g}.")
        amounts[name] = amount
    return amounts


def edit_files(
    head: Head, amounts: Mapping[str, float], out: Path, *, towards: Head | None = None,
    shape: float = 0.5, look: float = 0.5, overwrite: bool = False, progress: Progress = SILENT,
) -> Head:  # fmt: skip
    """Edit a head and write `EDIT_FILES` into `out`, all of them or none: the head, its front view,
    and a contact sheet of several views before and after. towards, shape, look: mix it with another
    first, see `mix`. Raises EditError, HeadError, OutputError."""
    with staged_folder(out, EDIT_FILES, overwrite=overwrite) as folder:
        edited = head
        if towards is not None:
            edited = mix(edited, towards, shape=shape, look=look, progress=progress)
        if amounts:
            edited = edit(edited, amounts, progress=progress)
        edited.save(folder / "head.safetensors")
        progress.stage("Render before and after", 2 * len(VIEWS))
        asked = counted(product((head, edited), VIEWS), progress)
        shown = [head_image(one, yaw) for one, yaw in asked]
        rows = [np.concatenate(shown[: len(VIEWS)], 1), np.concatenate(shown[len(VIEWS) :], 1)]
        write_image(folder / "sheet.png", np.concatenate(rows))
        write_image(folder / "front.png", head_image(edited))
    return edited


@torch.no_grad()
def edit(
    head: Head,
    amounts: Mapping[str, float],
    *,
    directions: Directions | None = None,
    program: ProgramWay | None = None,
    progress: Progress = SILENT,
) -> Head:
    """Edit a head by amounts of attributes, principal axes, style channels or glasses.

    directions: from `find_directions`; by default those of the head's generator. program: edit as
    the published program does (`_edit_as_program`). Features and residual of the photo are kept
    (Eq. 10); a tuned head stays tuned. Raises EditError, HeadError.
    """
    generator = head.network
    head = on_device(head, head.models.device)
    if head.ws is None:
        raise EditError("This head has no latent w, so no direction of w can edit it.")
    if GLASSES in amounts and program is None:
        check_wearer(generator)
    found = known_directions(generator, progress) if directions is None else directions
    found = found.to(head.models.device)
    progress.stage("Edit the head")
    if program is not None:
        return _edit_as_program(generator, head, amounts, found, program)
    moved = [head.ws.new_zeros(head.ws.shape[-1])]
    for name, amount in amounts.items():
        if name.startswith(STYLE) or name == GLASSES:
            continue
        if name not in found.of_w:
            raise EditError(f"There is no direction for {name[:40]}.")
        moved.append(amount * found.of_w[name].step)
    ws = head.ws + torch.stack(moved).sum(0)
    edits = _added(head.edits, amounts)
    before, after = (_style_change(each, found) for each in (head.edits, edits))
    return replace(_moved(head, ws, before, after), edits=edits)


def _moved(
    head: Head, ws: Float[Tensor, "1 N D"], change_before: Float[Tensor, "S"] | None,
    change: Float[Tensor, "S"] | None,
) -> Head:  # fmt: skip
    """The head at another w+ and with another change of its styles (Eq. 10)."""
    assert head.ws is not None
    generator, facts = head.network, _still_true(head.facts)
    styles = _styles(generator, ws, change)
    if head.features is None or head.visible is None:
        planes = _with_residual(generator, head, ws, generator.planes(ws, styles=styles))
        return rounded(replace(head, ws=ws, planes=planes, facts=facts))
    size = head.features.shape[-1]
    before = _styles(generator, head.ws, change_before)
    _, plain = planes_and_features(generator, head.ws, size, styles=before)
    planes, edited = planes_and_features(generator, ws, size, styles=styles)
    features = edited_features(head.features, plain, edited)
    refined = torch.cat([planes_of(generator, ws, one, styles=styles) for one in features.split(1)])
    mixed = _with_residual(generator, head, ws, fuse_planes(refined, planes, head.visible))
    return rounded(replace(head, ws=ws, features=features, planes=mixed, facts=facts))


@torch.no_grad()
def mix(
    head: Head, other: Head, *, shape: float = 0.5, look: float = 0.5, progress: Progress = SILENT
) -> Head:
    """Move a head towards another of the same generator (ours).

    w+ is interpolated: `shape`, in [0, 1], of the first half of its rows, which mostly determine
    the form of face and hair, and `look` of the others, mostly colours. What was found for the
    head's photo is kept (Eq. 10). Raises EditError.
    """
    if not (0.0 <= shape <= 1.0 and 0.0 <= look <= 1.0):
        raise EditError("Shape and look of a mix are numbers from 0 to 1.")
    head = on_device(head, head.models.device)
    if head.ws is None or other.ws is None:
        raise EditError("Heads without a latent w cannot be mixed.")
    if head.fingerprint != other.fingerprint:
        raise EditError("Only heads of one generator can be mixed.")
    styled = any(name.startswith(STYLE) for name in head.edits)
    change = None
    if styled:
        found = known_directions(head.network, progress).to(head.models.device)
        change = _style_change(head.edits, found)
    progress.stage("Mix the heads")
    rows = torch.arange(head.ws.shape[1], device=head.ws.device) < head.ws.shape[1] // 2
    amount = torch.where(rows, shape, look)[None, :, None]
    ws = head.ws + amount * (other.ws.to(head.ws) - head.ws)
    return _moved(head, ws, change, change)


def _edit_as_program(
    generator: TriPlaneGenerator, head: Head, amounts: Mapping[str, float], found: Directions,
    program: ProgramWay,
) -> Head:  # fmt: skip
    """GOAE's published edit: w+ moves by α·d. If other attributes than glasses are edited and
    `found` has a direction of glasses, a share of it is subtracted. Finer blocks and masks follow
    `ProgramWay`. Glasses are a direction of w like any other. Raises EditError for style channels
    and for heads without refined features or with those of several photos."""
    if head.features is None or len(head.features) != 1:
        raise EditError("The program's way edits heads with the refined features of one photo.")
    assert head.ws is not None
    if styled := [name for name in (*amounts, *head.edits) if name.startswith(STYLE)]:
        raise EditError(f"The program's way has no style channels; leave out {styled[0][:40]}.")
    moved = [head.ws.new_zeros(head.ws.shape[-1])]
    for name, amount in amounts.items():
        if name not in found.of_w:
            raise EditError(f"There is no direction for {name[:40]}.")
        moved.append(amount * found.of_w[name].step)
    if GLASSES in found.of_w and amounts.keys() - {GLASSES}:
        moved.append(-program.glasses_share * found.of_w[GLASSES].step)
    ws = head.ws + torch.stack(moved).sum(0)
    made = edit_as_program(generator, head.ws, ws, head.features, head.camera, program)
    named = {LATENT_GLASSES if name == GLASSES else name: n for name, n in amounts.items()}
    return rounded(
        replace(
            head, ws=ws, features=made.features, visible=made.visible,
            planes=_with_residual(generator, head, ws, made.planes),
            edits=_added(head.edits, named), facts=_still_true(head.facts),
        )
    )  # fmt: skip


def _with_residual(
    generator: TriPlaneGenerator, head: Head, ws: Float[Tensor, "1 N D"], planes: Tensor
) -> Tensor:
    if head.residual is None:
        return planes
    return add_residual(generator, planes, head.residual, ws)


def _style_change(edits: Mapping[str, float], found: Directions) -> Float[Tensor, "S"] | None:
    """Total change of the styles by all edits of a head; None if no edit changes styles."""
    known = {k.removeprefix(STYLE): v for k, v in edits.items() if k.startswith(STYLE)}
    total = torch.zeros_like(found.spread)
    for name, amount in known.items():
        change = found.style(name)
        if change is None:
            raise EditError(f"There are no style channels {name[:40]!r}.")
        total = total + amount * change
    return total if known else None


def _styles(
    generator: TriPlaneGenerator, ws: Float[Tensor, "1 N D"], change: Float[Tensor, "S"] | None
) -> dict[int, list[Tensor]] | None:
    """The styles of ws with those of the convolutions changed; None if there is no change."""
    if change is None:
        return None
    parts = iter(change.split(style_widths(generator)))
    return {
        resolution: [*(style + next(parts) for style in block[:-1]), block[-1]]
        for resolution, block in generator.backbone.synthesis.styles(ws).items()
    }


def _added(edits: Mapping[str, float], amounts: Mapping[str, float]) -> dict[str, float]:
    """Add new amounts to those of earlier edits."""
    total = dict(edits)
    for name, amount in amounts.items():
        total[name] = total.get(name, 0.0) + amount
    return total


def _still_true(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts without those measured on the head before its edit."""
    return {name: value for name, value in facts.items() if name not in MEASURED}
