"""A method of inversion out of what a user chooses: weights by name or path, step counts.

Every choice that cannot be used is refused in one sentence, before any work.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from portraiture.errors import InversionError
from portraiture.goae_weights import check_fit, load_alignment, load_encoder
from portraiture.invert.optimise import OPTIMISERS, OptimiseConfig, Optimiser
from portraiture.invert.reconstruct import Judges
from portraiture.invert.run import Method
from portraiture.metrics.networks import load_identity, load_parser
from portraiture.models.eg3d import TriPlaneGenerator
from portraiture.render.visible import MixedPlanes

RAYS = (16, 512)


def encoder_method(
    generator: TriPlaneGenerator,
    network: str,
    *,
    weights: str | Path | None,
    alignment: str | Path | None = None,
    mixed: MixedPlanes = "all",
) -> Method:
    """GOAE. network: name of the generator's weights. weights, alignment: the encoder's and the
    feature alignment's; without the latter there is w+ alone. Raises InversionError or
    CheckpointError."""
    if weights is None:
        raise InversionError("No encoder is shipped yet; give its weights with --weights.")
    encoder = load_encoder(weights)
    check_fit(generator, encoder)
    aligned = None if alignment is None else load_alignment(alignment)
    if aligned is not None:
        check_fit(generator, aligned)
    return Method("encoder", generator, network, encoder, aligned, mixed)


def optimiser_method(
    name: Optimiser,
    generator: TriPlaneGenerator,
    network: str,
    *,
    steps: int | None = None,
    rays: int | None = None,
    stoppable: bool = True,
) -> Method:
    """An optimisation. steps: of its first stage; the second's change in proportion. rays: a side.
    Raises InversionError."""
    judges = Judges(load_parser(), load_identity())
    config = chosen_config(name, steps=steps, rays=rays)
    return Method(name, generator, network, judges=judges, config=config, stoppable=stoppable)


def chosen_config(
    name: Optimiser, *, steps: int | None = None, rays: int | None = None
) -> OptimiseConfig:
    """The method's settings with what was chosen. Raises InversionError."""
    config = OPTIMISERS[name]
    if rays is not None:
        if not RAYS[0] <= rays <= RAYS[1]:
            raise InversionError(f"--rays must be from {RAYS[0]} to {RAYS[1]}, not {rays}.")
        config = replace(config, rays=rays)
    if steps is None:
        return config
    if steps < 1:
        raise InversionError(f"--steps must be at least 1, not {steps}.")
    more = round(config.generator_steps * steps / config.latent_steps)
    return replace(config, latent_steps=steps, generator_steps=more)
