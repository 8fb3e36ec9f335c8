"""A method of inversion out of what a user chooses: weights by name or path, step counts.

Every choice that cannot be used is refused in one sentence, before any work.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from portraiture.checkpoints import shipped
from portraiture.errors import InversionError
from portraiture.invert.goae.pyramid_encoder import PyramidEncoder
from portraiture.invert.pti import OPTIMISERS, OptimiseConfig, Optimiser
from portraiture.invert.reconstruct import Judges
from portraiture.invert.refine_texture import PolishConfig
from portraiture.invert.run import EncoderName, Method
from portraiture.invert.weights import Encoder, check_fit, load_alignment, load_encoder
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.goae_program import ProgramWay
from portraiture.perception.weights import load_identity, load_parser
from portraiture.triplane.visibility import MixedPlanes

RAYS = (16, 512)
MAX_POLISH = 1000
SHIPPED: dict[EncoderName, str] = {"encoder": "goae", "psp": "psp", "e4e": "e4e"}
"""Names of the encoders' weights that come with the package, where they do."""
SHIPPED_ALIGNMENT = "goae-alignment"


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
    painted: bool | None = None,
    polish: int | None = None,
) -> Method:
    """An encoder. network: name of the generator's weights. weights, alignment: the encoder's and
    of GOAE's feature alignment, by default the shipped ones; an encoder of one's own has no
    alignment but one that is given, nor without refined. program: the published program's way of
    alignment, which masks the front plane alone, for alignments that compare images. painted:
    whether the photo is painted on the head; by default GOAE's are if refined, and pSp's and e4e's,
    with which it is compared, are not. polish: steps of it (`invert.refine_texture`), its own
    number by default where the photo is painted; 0 for none.
    Raises InversionError or CheckpointError."""
    if weights is None:
        weights = SHIPPED[name]
        if weights not in shipped():
            raise InversionError(
                f"No weights for {name} are shipped yet; train some and give them with --weights."
            )
        if name == "encoder" and refined and SHIPPED_ALIGNMENT in shipped():
            alignment = alignment or SHIPPED_ALIGNMENT
    encoder = load_encoder(weights)
    if name != _kind(encoder):
        raise InversionError(f"{weights} is not an encoder for the method {name}.")
    if alignment is not None and name != "encoder":
        raise InversionError("Feature alignment is for --method encoder.")
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
    painted = name == "encoder" and refined if painted is None else painted
    if polish is not None and not 0 <= polish <= MAX_POLISH:
        raise InversionError(f"--polish must be from 0 to {MAX_POLISH}, not {polish}.")
    polished = PolishConfig() if polish is None else PolishConfig(steps=polish)
    if not painted or not polished.steps:
        return Method(name, generator, network, encoder, aligned, mixed, painted, program=program)
    return Method(
        name, generator, network, encoder, aligned, mixed, painted, polished,
        Judges(load_parser()), program=program,
    )  # fmt: skip


def encoder_kind(weights: str | Path) -> EncoderName:
    """The method that an encoder's weights are for. Raises CheckpointError."""
    return _kind(load_encoder(weights))


def _kind(encoder: Encoder) -> EncoderName:
    return encoder.config.kind if isinstance(encoder, PyramidEncoder) else "encoder"


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
