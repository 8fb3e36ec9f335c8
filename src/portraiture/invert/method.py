"""Choose a method of inversion by the user's options: weights by name or path, step counts.

Invalid options raise an error before any work is done.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from portraiture.checkpoints import check_planes, load_image_to_planes
from portraiture.errors import InversionError
from portraiture.invert.confidence import knows_people
from portraiture.invert.distil.method import DistilConfig, DistilMethod
from portraiture.invert.encode import Baseline, DetailConfig, EncoderMethod, EncoderName
from portraiture.invert.i2t.method import ImageToPlanesMethod
from portraiture.invert.inversion import InversionMethod
from portraiture.invert.pti import OPTIMISERS, OptimisationMethod, OptimiseConfig, Optimiser
from portraiture.invert.refine_texture import RefinementConfig
from portraiture.invert.weights import Encoder, check_fit, load_alignment, load_encoder
from portraiture.models import Models
from portraiture.networks.goae_program import ProgramWay
from portraiture.networks.pyramid_encoder import PyramidEncoder
from portraiture.triplane.visibility import MixedPlanes

MethodName = EncoderName | Optimiser | Literal["distil", "i2t"]
ENCODERS: tuple[EncoderName, ...] = ("goae+refine", "aligned", "psp", "e4e")
RAYS = (16, 512)
MAX_REFINE_STEPS = 1000
SHIPPED_ENCODER, SHIPPED_ALIGNMENT = "swin-w", "goae-alignment"


def choose_method(
    name: MethodName | None,
    models: Models,
    *,
    photos: int = 1,
    network: str | Path = "heads",
    weights: str | Path | None = None,
    alignment: str | Path | None = None,
    refine_steps: int | None = None,
    steps: int | None = None,
    rays: int | None = None,
) -> InversionMethod:
    """Return a method by name, or by default the best for as many photos: distil for one and a
    generator of the engine's people, else goae+refine. For options see `encoder_method` and
    `optimiser_method`; distil takes refine_steps, i2t weights. Raises InversionError for an unknown
    name or options of another method, and CheckpointError."""
    if name is None:
        if steps is not None or rays is not None:
            raise InversionError("--steps and --rays need --method w, pti or pose-opt.")
        own = weights is not None or alignment is not None
        alone = photos == 1 and not own and knows_people(models.generator(network))
        name = "distil" if alone else "goae+refine"
    if name == "distil":
        if weights or alignment or steps is not None or rays is not None:
            raise InversionError("--method distil takes --network and --refine-steps only.")
        return distil_method(models, network=network, refine_steps=refine_steps)
    if name == "i2t":
        if alignment or refine_steps is not None or steps is not None or rays is not None:
            raise InversionError("--method i2t takes --network and --weights only.")
        return planes_method(models, network=network, weights=weights)
    for encoder in ENCODERS:
        if name == encoder:
            if steps is not None or rays is not None:
                raise InversionError("--steps and --rays need --method w, pti or pose-opt.")
            return encoder_method(
                models, encoder, network=network, weights=weights, alignment=alignment,
                refine_steps=refine_steps,
            )  # fmt: skip
    for optimiser in OPTIMISERS:
        if name == optimiser:
            if weights or alignment or refine_steps is not None:
                raise InversionError("--weights, --alignment and --refine-steps are for encoders.")
            return optimiser_method(models, optimiser, network=network, steps=steps, rays=rays)
    raise InversionError(
        f"There is no method {str(name)[:40]!r}; choose one of"
        f" {', '.join(('distil', 'i2t', *ENCODERS, *OPTIMISERS))}."
    )


def distil_method(
    models: Models, *, network: str | Path = "heads", refine_steps: int | None = None
) -> DistilMethod:
    """Return the method that distils the photo's avatar. network: the generator's weights.
    refine_steps: of `invert.distil.color`, by default its own number. Raises InversionError or
    CheckpointError."""
    config = DistilConfig()
    if refine_steps is not None:
        _check_refine_steps(refine_steps)
        refinement = replace(config.color.refinement, steps=refine_steps)
        config = replace(config, color=replace(config.color, refinement=refinement))
    method = DistilMethod(models, str(network), config)
    method.check(1)
    return method


def planes_method(
    models: Models, *, network: str | Path = "heads", weights: str | Path | None = None
) -> ImageToPlanesMethod:
    """Return the method that makes planes in one pass. network: the generator's weights. weights:
    of `networks.image_to_planes`, trained for it. Raises InversionError or CheckpointError."""
    if weights is None:
        raise InversionError(
            "No weights for i2t are shipped; train some (portraiture train i2t --data PEOPLE --out"
            " RUN) and give RUN/networks/i2t.safetensors with --weights."
        )
    planes = models.load(load_image_to_planes, weights)
    check_planes(planes, models.generator(network))
    return ImageToPlanesMethod(models, str(network), planes)


def encoder_method(
    models: Models,
    name: EncoderName,
    *,
    network: str | Path = "heads",
    weights: str | Path | None = None,
    alignment: str | Path | None = None,
    aligned: bool = True,
    mixed: MixedPlanes = "all",
    program: ProgramWay | None = None,
    refine_steps: int | None = None,
) -> EncoderMethod:
    """Return an encoder method.

    network: the generator's weights. weights, alignment: the encoder's and its feature alignment's,
    by default the shipped ones. A custom encoder has only an alignment that is given; the shipped
    one has its own if `aligned`; pSp and e4e never have one. program: align as the published
    program does, masking only the front plane; for alignments that compare images. refine_steps: of
    `invert.refine_texture`, by default its own number; 0 skips it and the silhouette. Raises
    InversionError or CheckpointError.
    """
    baseline = name in get_args(Baseline)
    if alignment is not None and baseline:
        raise InversionError("Feature alignment is for --method goae+refine and aligned.")
    if weights is None:
        if baseline:
            raise InversionError(_none_ships(name))
        weights = SHIPPED_ENCODER
        if aligned and alignment is None:
            alignment = SHIPPED_ALIGNMENT
    encoder = models.load(load_encoder, weights)
    kind = _kind(encoder)
    if kind != name and (baseline or kind != "aligned"):
        raise InversionError(f"{weights} is not an encoder for the method {name}.")
    detail = _detail(name, refine_steps)
    generator = models.generator(network)
    check_fit(generator, encoder)
    features = None if alignment is None else models.load(load_alignment, alignment)
    if features is not None:
        check_fit(generator, features)
    if program is not None:
        if features is None or features.config.carried:
            raise InversionError(
                "The program's way needs an alignment that compares images, like the published one."
            )
        mixed = "front" if mixed == "all" else mixed
    return EncoderMethod(name, models, str(network), encoder, features, mixed, program, detail)


def _detail(name: EncoderName, refine_steps: int | None) -> DetailConfig | None:
    """How the differences that an encoder leaves are reduced. Raises InversionError."""
    if name != "goae+refine":
        if refine_steps is not None:
            raise InversionError("--refine-steps is for --method distil and goae+refine.")
        return None
    if refine_steps is None:
        return DetailConfig()
    _check_refine_steps(refine_steps)
    if not refine_steps:
        return DetailConfig(silhouette=None, refinement=None)
    return DetailConfig(refinement=RefinementConfig(steps=refine_steps))


def _check_refine_steps(steps: int) -> None:
    """Raises InversionError."""
    if not 0 <= steps <= MAX_REFINE_STEPS:
        raise InversionError(f"--refine-steps must be from 0 to {MAX_REFINE_STEPS}, not {steps}.")


def _none_ships(name: EncoderName) -> str:
    return (
        f"No weights for {name} are shipped; train some (portraiture train encoder --architecture"
        f" {name} --data PEOPLE --out RUN) and give RUN/networks/encoder.safetensors with"
        f" --weights, or to bench with --{name}."
    )


def encoder_kind(models: Models, weights: str | Path) -> EncoderName:
    """The method, without detail, for an encoder's weights. Raises CheckpointError."""
    return _kind(models.load(load_encoder, weights))


def _kind(encoder: Encoder) -> EncoderName:
    return encoder.config.kind if isinstance(encoder, PyramidEncoder) else "aligned"


def optimiser_method(
    models: Models,
    name: Optimiser,
    *,
    network: str | Path = "heads",
    steps: int | None = None,
    rays: int | None = None,
) -> OptimisationMethod:
    """Return an optimisation method. network: the generator's weights. steps: of the first stage;
    the second's change in proportion. rays: side of the render. Raises InversionError or
    CheckpointError."""
    config = chosen_config(name, steps=steps, rays=rays)
    models.generator(network)
    return OptimisationMethod(name, models, str(network), config)


def chosen_config(
    name: Optimiser, *, steps: int | None = None, rays: int | None = None
) -> OptimiseConfig:
    """The method's settings with the user's options. Raises InversionError."""
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
