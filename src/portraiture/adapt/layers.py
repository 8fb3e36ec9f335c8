"""Which weights of a generator a style changes (3DAvatarGAN, sections 3.2 and 3.3).

Texture: to-RGB layers of all blocks, decoder, superresolution. Geometry: residuals Δs of the style
activations of earlier layers. s = A w + b, so s + Δs has the bias b + Δs: a linked generator is one
with other biases, and everything that reads a generator reads it.
"""

from __future__ import annotations

from typing import Literal

from portraiture.networks.eg3d import TriPlaneGenerator

Layers = Literal["linked", "all"]
"""linked: texture and geometry as above. all: of everything but mapping and flow, which is naive
fine-tuning, G_base."""

FLOW = "flow.coefficients.bias"
"""Δ of the coefficients of the planes' displacement, in which `heads` keeps its geometry. [ours]"""


def texture_names(generator: TriPlaneGenerator) -> tuple[str, ...]:
    """Parameters of the to-RGB layers of all blocks, the decoder and the superresolution (section
    3.2); strengths of noise are left out."""
    return tuple(
        name
        for name, _ in generator.named_parameters()
        if not name.endswith("noise_strength")
        and (name.startswith(("decoder.", "superresolution.")) or ".torgb." in name)
    )


def geometry_names(generator: TriPlaneGenerator) -> tuple[str, ...]:
    """Biases of the style affines of the convolutions, which hold Δs (section 3.3), of all blocks
    but the finest [ours: the paper says "selected earlier layers"], and of the flow, if any."""
    synthesis = generator.backbone.synthesis
    finest = f"b{synthesis.resolutions[-1]}."
    found = [
        f"backbone.synthesis.{name}"
        for name, _ in synthesis.named_parameters()
        if ".conv" in name and name.endswith(".affine.bias") and not name.startswith(finest)
    ]
    return (*found, *((FLOW,) if generator.config.flow_rank else ()))


def trained_names(generator: TriPlaneGenerator, layers: Layers) -> tuple[str, ...]:
    """All parameters that a style changes, in the generator's order."""
    if layers == "linked":
        chosen = {*texture_names(generator), *geometry_names(generator)}
    else:
        chosen = {
            name
            for name, _ in generator.named_parameters()
            if "mapping" not in name
            and not name.startswith("flow.")
            and not name.endswith("noise_strength")
        }
    return tuple(name for name, _ in generator.named_parameters() if name in chosen)
