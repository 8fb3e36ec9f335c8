"""A method of inversion out of what a user chooses: weights by name or path, step counts.

Every choice that cannot be used is refused in one sentence, before any work.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

from portraiture.errors import InversionError
from portraiture.invert.pti import OPTIMISERS, OptimiseConfig, Optimiser
from portraiture.invert.reconstruct import Judges
from portraiture.invert.refine_texture import PolishConfig
from portraiture.invert.run import Baseline, EncoderName, Method
from portraiture.invert.weights import Encoder, check_fit, load_alignment, load_encoder
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.goae_program import ProgramWay
from portraiture.networks.pyramid_encoder import PyramidEncoder
from portraiture.perception.weights import load_identity, load_parser
from portraiture.triplane.visibility import MixedPlanes

RAYS = (16, 512)
MAX_POLISH = 1000
SHIPPED_ENCODER, SHIPPED_ALIGNMENT = "swin-w", "goae-alignment"


def encoder_method(
    name: EncoderName,
    generator: TriPlaneGenerator,
    network: str,
    *,
    weights: str | Path | None = None,
    alignment: str | Path | None = None,
    refined: bool = True,
    mixed: MixedPlanes = "all",
    program: ProgramWay | None = None,
    polish: int | None = None,
) -> Method:
    """An encoder. network: name of the generator's weights. weights, alignment: the encoder's and
    of its feature alignment, by default the shipped ones; an encoder of one's own has no alignment
    but one that is given, nor without refined, and none ships for pSp and e4e. program: the
    published program's way of alignment, which masks the front plane alone, for alignments that
    compare images. polish: steps of it (`invert.refine_texture`), its own number by
    default; 0 for none. Raises InversionError or CheckpointError."""
    painted, baseline = name == "goae+refine", name in get_args(Baseline)
    if alignment is not None and baseline:
        raise InversionError("Feature alignment is for --method goae+refine and aligned.")
    if weights is None:
        if baseline:
            raise InversionError(_none_ships(name))
        weights = SHIPPED_ENCODER
        if refined and alignment is None:
            alignment = SHIPPED_ALIGNMENT
    encoder = load_encoder(weights)
    kind = _kind(encoder)
    if kind != name and (baseline or kind != "aligned"):
        raise InversionError(f"{weights} is not an encoder for the method {name}.")
    if polish is not None and not painted:
        raise InversionError("--polish is for --method goae+refine.")
    if polish is not None and not 0 <= polish <= MAX_POLISH:
        raise InversionError(f"--polish must be from 0 to {MAX_POLISH}, not {polish}.")
    check_fit(generator, encoder)
    aligned = None if alignment is None else load_alignment(alignment)
    if aligned is not None:
        check_fit(generator, aligned)
    if program is not None:
        if aligned is None or aligned.config.carried:
            raise InversionError(
                "The program's way needs an alignment that compares images, as the published does."
            )
        mixed = "front" if mixed == "all" else mixed
    polished = PolishConfig() if polish is None else PolishConfig(steps=polish)
    if not painted or not polished.steps:
        return Method(name, generator, network, encoder, aligned, mixed, painted, program=program)
    return Method(
        name, generator, network, encoder, aligned, mixed, painted, polished,
        Judges(load_parser()), program=program,
    )  # fmt: skip


def _none_ships(name: EncoderName) -> str:
    return (
        f"No weights for {name} are shipped; train some (portraiture train encoder --architecture"
        f" {name} --data PEOPLE --out RUN) and give RUN/networks/encoder.safetensors with"
        f" --weights, or to bench with --{name}."
    )


def encoder_kind(weights: str | Path) -> EncoderName:
    """The method that an encoder's weights are for, without refinement. Raises CheckpointError."""
    return _kind(load_encoder(weights))


def _kind(encoder: Encoder) -> EncoderName:
    return encoder.config.kind if isinstance(encoder, PyramidEncoder) else "aligned"


def optimiser_method(
    name: Optimiser,
    generator: TriPlaneGenerator,
    network: str,
    *,
    steps: int | None = None,
    rays: int | None = None,
) -> Method:
    """An optimisation. steps: of its first stage; the second's change in proportion. rays: a side.
    Raises InversionError."""
    judges = Judges(load_parser(), load_identity())
    config = chosen_config(name, steps=steps, rays=rays)
    return Method(name, generator, network, judges=judges, config=config)


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
