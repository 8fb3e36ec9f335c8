"""StyleGAN2-ADA's .pkl and rosinality's .pt → `FacesGenerator` (Karras et al. 2020a, 2020b).

StyleGAN2-ADA has our names. rosinality's differ, and so do some shapes, but every number is used
alike: both multiply the convolution's weight by 1/√fan-in or demodulate it away, neither flips the
kernel of the transposed convolution, and both blur with [1, 3, 3, 1] ⊗ [1, 3, 3, 1] / 64, in
rosinality stored times 4 where it follows an upsampling. tests/convert/test_rosinality.py shows
this by computing rosinality's published formulas term by term.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.convert.account import (
    Converted,
    account,
    child,
    left_out,
    loose_tensors,
    settings_of,
    shapes,
    state_of,
    tensors_in,
)
from portraiture.convert.refusal import RefusalError, quoted
from portraiture.convert.tensors import Strided
from portraiture.convert.unpickle import Module, Record, view_of
from portraiture.networks.faces2d import FacesConfig, FacesGenerator
from portraiture.networks.layers import fir_kernel
from portraiture.networks.stylegan2 import Mapping as MappingNetwork

MAX_RESOLUTION = 2048
AVERAGED = 50_000
"""Codes whose mean is w_avg where a file lacks it, as many as LiftedGAN's program takes."""
W_AVG = "mapping.w_avg"


def from_ada(root: Mapping[Any, Any], generator: Module | Record) -> Converted:
    """The network `generator` out of the pickle's `root`."""
    source = state_of(generator)
    config = FacesConfig(
        **latent_sizes(source, "mapping.", "synthesis.b4.conv1."),
        **channels(source, "synthesis."),
        clamp=clamp_of(child(generator, "synthesis.b4.conv1")),
    )
    if shape_of(source, "synthesis.b4.torgb.bias", 1) != (3,):
        raise RefusalError("it makes images that are not RGB")
    with torch.device("meta"):
        expected = shapes(FacesGenerator(config))
    tensors, dropped = account(source, {name: name for name in expected}, expected)
    dropped += [*loose_tensors(generator), *left_out(root, {"G_ema"})]
    return Converted("stylegan2", asdict(config), tensors, 0, tuple(dropped))


def from_rosinality(root: Mapping[Any, Any]) -> Converted:
    """A training state of rosinality's program, of which the averaged generator is kept.

    Only files that were converted from TensorFlow have `latent_avg`. Where it is missing, as in
    those that LiftedGAN's training writes, it is the mean of `AVERAGED` mapped codes.
    """
    source = tensors_in(root["g_ema"])
    average = view_of(root.get("latent_avg"))
    if average is not None:
        source["latent_avg"] = average
    elif root.get("latent_avg") is not None:
        raise RefusalError("its average latent latent_avg is not a tensor")
    rename = rosinality_names(source)
    theirs = {ours: name for name, ours in rename.items()}
    layers = sum(bool(re.fullmatch(r"style\.\d+\.weight", name)) for name in source)
    resolution = _resolution(rename.values(), "synthesis.")
    widths = {
        r: shape_of(source, theirs[f"synthesis.b{r}.conv1.weight"], 5)[1] for r in steps(resolution)
    }
    latent = shape_of(source, "style.1.weight", 2)
    config = FacesConfig(
        z_dim=latent[1], w_dim=latent[0], mapping_layers=layers,
        size=resolution, **_channel_rule(widths),
    )  # fmt: skip
    with torch.device("meta"):
        expected = shapes(FacesGenerator(config))
    filters = {name for name in expected if name.endswith("resample_filter")}
    made = filters if average is not None else {*filters, W_AVG}
    wanted = {name: shape for name, shape in expected.items() if name not in made}
    blurs = {name: fir_kernel() * 4.0 for name in source if name.endswith(".kernel")}
    tensors, dropped = account(source, rename, wanted, constants=blurs)
    renamed = len(tensors)
    tensors |= {name: fir_kernel() for name in filters}
    if average is None:
        tensors[W_AVG] = _mean_w(config, tensors)
    return Converted(
        "stylegan2",
        asdict(config),
        {name: tensors[name] for name in expected},
        renamed,
        (*dropped, *left_out(root, {"g_ema", "latent_avg"})),
    )


@torch.no_grad()
def _mean_w(config: FacesConfig, tensors: Mapping[str, Tensor]) -> Float[Tensor, "D"]:
    """Mean of what the mapping makes of `AVERAGED` codes from N(0, 1); always the same codes."""
    mapping = MappingNetwork(config.z_dim, 0, config.w_dim, 1, layers=config.mapping_layers)
    own = {
        name.removeprefix("mapping."): tensor
        for name, tensor in tensors.items()
        if name.startswith("mapping.")
    }
    mapping.load_state_dict(own | {"w_avg": torch.zeros(config.w_dim)})
    rng = torch.Generator().manual_seed(0)
    total = torch.zeros(config.w_dim, dtype=torch.float64)
    for count in [1_000] * (AVERAGED // 1_000):
        z = torch.randn(count, config.z_dim, generator=rng)
        total += mapping(z, None)[:, 0].double().sum(0)
    return (total / AVERAGED).float()


def rosinality_names(source: Mapping[str, object]) -> dict[str, str]:
    """rosinality's names → ours, for as many layers and resolutions as `source` has."""
    names = {"latent_avg": "mapping.w_avg", "input.input": "synthesis.b4.const"}
    for index in range(1, 65):
        if f"style.{index}.weight" in source:
            for part in ("weight", "bias"):
                names[f"style.{index}.{part}"] = f"mapping.fc{index - 1}.{part}"
    names |= _convolution("conv1", "synthesis.b4.conv1", noise=0) | _to_rgb("to_rgb1", 4)
    for step, resolution in enumerate(steps(MAX_RESOLUTION)[1:]):
        if f"to_rgbs.{step}.bias" not in source:
            break
        for half in (0, 1):
            names |= _convolution(
                f"convs.{2 * step + half}",
                f"synthesis.b{resolution}.conv{half}",
                noise=2 * step + half + 1,
            )
        names |= _to_rgb(f"to_rgbs.{step}", resolution)
    return names


def _convolution(theirs: str, ours: str, *, noise: int) -> dict[str, str]:
    return {
        f"{theirs}.conv.weight": f"{ours}.weight",
        f"{theirs}.conv.modulation.weight": f"{ours}.affine.weight",
        f"{theirs}.conv.modulation.bias": f"{ours}.affine.bias",
        f"{theirs}.noise.weight": f"{ours}.noise_strength",
        f"{theirs}.activate.bias": f"{ours}.bias",
        f"noises.noise_{noise}": f"{ours}.noise_const",
    }


def _to_rgb(theirs: str, resolution: int) -> dict[str, str]:
    ours = f"synthesis.b{resolution}.torgb"
    return {
        f"{theirs}.bias": f"{ours}.bias",
        f"{theirs}.conv.weight": f"{ours}.weight",
        f"{theirs}.conv.modulation.weight": f"{ours}.affine.weight",
        f"{theirs}.conv.modulation.bias": f"{ours}.affine.bias",
    }


def steps(resolution: int) -> list[int]:
    """4, 8, … `resolution`."""
    return [2**k for k in range(2, resolution.bit_length())]


def latent_sizes(source: Mapping[str, Strided], mapping: str, first: str) -> dict[str, Any]:
    """z_dim, c_dim, w_dim and mapping_layers from the shapes of the tensors below two prefixes."""
    w_dim = shape_of(source, f"{first}affine.weight", 2)[1]
    conditioned = f"{mapping}embed.weight" in source
    inputs = shape_of(source, f"{mapping}fc0.weight", 2)[1]
    layers = sum(bool(re.fullmatch(re.escape(mapping) + r"fc\d+\.weight", name)) for name in source)
    z_dim = inputs - (w_dim if conditioned else 0)
    if z_dim < 1:
        raise RefusalError("its mapping network has no room for a latent")
    return {
        "z_dim": z_dim,
        "c_dim": shape_of(source, f"{mapping}embed.weight", 2)[1] if conditioned else 0,
        "w_dim": w_dim,
        "mapping_layers": layers,
    }


def channels(source: Mapping[str, Strided], synthesis: str) -> dict[str, Any]:
    """size, channel_base and channel_max from the shapes of the synthesis network."""
    resolution = _resolution(source, synthesis)
    widths = {r: shape_of(source, f"{synthesis}b{r}.conv1.weight", 4)[0] for r in steps(resolution)}
    return {"size": resolution, **_channel_rule(widths)}


def clamp_of(layer: Module | Record) -> float | None:
    """The bound of a layer's activations, which no tensor tells."""
    settings = settings_of(layer)
    if settings.get("activation", "lrelu") != "lrelu":
        raise RefusalError(f"it uses the activation {quoted(settings['activation'])}")
    match settings.get("conv_clamp"):
        case None:
            return None
        case int() | float() as clamp if 0 < clamp < 1e6:
            return float(clamp)
        case other:
            raise RefusalError(f"it clamps activations to {quoted(other)}")


def shape_of(source: Mapping[str, Strided], name: str, rank: int) -> tuple[int, ...]:
    """A tensor's shape; raises RefusalError if it is missing, empty or of another rank."""
    if name not in source or len(source[name].shape) != rank or 0 in source[name].shape:
        raise RefusalError(f"it lacks the tensor {quoted(name)}")
    return source[name].shape


def _resolution(names: Any, prefix: str) -> int:
    found = {int(m[1]) for n in names if (m := re.match(re.escape(prefix) + r"b(\d{1,5})\.", n))}
    largest = max(found, default=0)
    if largest > MAX_RESOLUTION or found != set(steps(largest)) or not found:
        raise RefusalError("its synthesis network has unknown resolutions")
    return largest


def _channel_rule(widths: Mapping[int, int]) -> dict[str, Any]:
    """StyleGAN2's rule min(base / resolution, max), which all published networks follow."""
    last = max(widths)
    base, most = widths[last] * last, max(widths.values())
    if any(width != min(base // r, most) for r, width in widths.items()):
        raise RefusalError(f"its layers have unknown widths {list(widths.values())}")
    return {"channel_base": base, "channel_max": most}
