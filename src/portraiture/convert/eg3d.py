"""EG3D's .pkl → `TriPlaneGenerator` (Chan et al. 2022). The names are ours already.

What the tensors don't say comes from the pickled modules' settings; where those ask for something
that `TriPlaneConfig` cannot express, the file is refused rather than rendered wrongly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite
from typing import Any

import torch

from portraiture.convert.account import (
    Converted,
    account,
    child,
    children,
    left_out,
    loose_tensors,
    settings_of,
    shapes,
    state_of,
)
from portraiture.convert.refusal import RefusalError, quoted
from portraiture.convert.stylegan2 import channels, clamp_of, latent_sizes, shape_of
from portraiture.convert.tensors import Strided
from portraiture.convert.unpickle import Module, Record
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.networks.layers import fir_kernel
from portraiture.networks.superres import HEADS, SuperresName
from portraiture.triplane.planes import AXES, PlaneAxes
from portraiture.triplane.rendering import RenderingConfig

SUPERRESOLUTION: dict[str, SuperresName] = {
    "SuperresolutionHybrid8XDC": "8XDC",
    "SuperresolutionHybrid8X": "8X",
    "SuperresolutionHybrid4X": "4X",
    "SuperresolutionHybrid2X": "2X",
}
"""Names of EG3D's classes → ours."""

_READ = frozenset(
    {
        *("superresolution_module", "superresolution_noise_mode", "sr_antialias", "clamp_mode"),
        *("depth_resolution", "depth_resolution_importance", "ray_start", "ray_end", "box_warp"),
        *("white_back", "disparity_space_sampling", "density_noise"),
        *("c_gen_conditioning_zero", "c_scale", "decoder_lr_mul"),
    }
)


def from_eg3d(root: Mapping[Any, Any], generator: Module | Record) -> Converted:
    """The network `generator` out of the pickle's `root`."""
    settings = settings_of(generator)
    options = settings.get("rendering_kwargs")
    if not isinstance(options, dict):
        raise RefusalError("it lacks its rendering options")
    source = state_of(generator)
    config = _config(generator, source, options)
    with torch.device("meta"):
        expected = shapes(TriPlaneGenerator(config))
    filters = {"superresolution.resample_filter": fir_kernel()}
    tensors, dropped = account(
        source, {name: name for name in expected}, expected, constants=filters
    )
    gain = _number(options, "decoder_lr_mul", 1.0, 1e-4, 100.0)
    if gain != 1:  # ours has no such factor: it goes into the weights
        tensors |= {n: t * gain for n, t in tensors.items() if n.startswith("decoder.")}
    unused = {k: v for k, v in options.items() if isinstance(k, str) and k not in _READ}
    return Converted(
        "eg3d",
        asdict(config),
        tensors,
        0,
        (*dropped, *loose_tensors(generator), *left_out(root, {"G_ema"})),
        {key: unused[key] for key in sorted(unused) if _is_plain(unused[key])},
    )


def _config(
    generator: Module | Record, source: Mapping[str, Strided], options: dict[str, Any]
) -> TriPlaneConfig:
    sizes = latent_sizes(source, "backbone.mapping.", "backbone.synthesis.b4.conv1.")
    planes = channels(source, "backbone.synthesis.")
    features, rest = divmod(shape_of(source, "backbone.synthesis.b4.torgb.bias", 1)[0], 3)
    if rest or shape_of(source, "decoder.net.0.weight", 2)[1] != features:
        raise RefusalError("its planes and its decoder don't fit together")
    module = options.get("superresolution_module")
    head = SUPERRESOLUTION.get(module.rpartition(".")[2]) if isinstance(module, str) else None
    if head is None:
        raise RefusalError(f"it uses the superresolution {quoted(module)}")
    widths = (
        shape_of(source, "superresolution.block0.conv1.bias", 1)[0],
        shape_of(source, "superresolution.block1.conv1.bias", 1)[0],
    )
    return TriPlaneConfig(
        z_dim=sizes["z_dim"],
        c_dim=sizes["c_dim"],
        w_dim=sizes["w_dim"],
        mapping_layers=sizes["mapping_layers"],
        plane_size=planes["size"],
        plane_features=features,
        channel_base=planes["channel_base"],
        channel_max=planes["channel_max"],
        decoder_hidden=shape_of(source, "decoder.net.0.bias", 1)[0],
        neural_resolution=int(
            _number(settings_of(generator), "neural_rendering_resolution", 64, 8, 1024)
        ),
        superresolution=head,
        superres_widths=None if widths == HEADS[head].widths else widths,
        superres_antialias=_flag(options, "sr_antialias", True),
        superres_noise=_noise(options),
        backbone_clamp=clamp_of(child(generator, "backbone.synthesis.b4.conv1")),
        superres_clamp=clamp_of(child(generator, "superresolution.block0.conv0")),
        conditioning=_conditioning(options),
        raw_after_block0=not HEADS[head].ups[0],
        rendering=_rendering(options, plane_axes=_axes(generator)),
    )


def _rendering(options: dict[str, Any], *, plane_axes: PlaneAxes) -> RenderingConfig:
    if _flag(options, "disparity_space_sampling", False):
        raise RefusalError("it samples rays in disparity, which is not supported")
    if options.get("clamp_mode", "softplus") != "softplus":
        raise RefusalError(f"it uses the density activation {quoted(options['clamp_mode'])}")
    box = _number(options, "box_warp", None, 1e-3, 1e3)
    by_box = options.get("ray_start") == "auto" == options.get("ray_end")
    if by_box:  # what a ray through the middle can meet from the usual distance
        radius, half = _number(options, "avg_camera_radius", 2.7, 0.0, 1e3), 0.75**0.5 * box
        start, end = max(0.0, radius - half), radius + half
    else:
        start = _number(options, "ray_start", None, 0.0, 1e3)
        end = _number(options, "ray_end", None, start, 1e3)
    return RenderingConfig(
        ray_start=start,
        ray_end=end,
        ray_limits="box" if by_box else "fixed",
        box_warp=box,
        depth_resolution=int(_number(options, "depth_resolution", None, 2, 1024)),
        importance_resolution=int(_number(options, "depth_resolution_importance", None, 0, 1024)),
        white_background=_flag(options, "white_back", False),
        plane_axes=plane_axes,
    )


def _axes(generator: Module | Record) -> PlaneAxes:
    """The planes' axes, which EG3D keeps as a plain attribute of its renderer."""
    if "renderer" not in children(generator):
        return "original"
    view = settings_of(child(generator, "renderer")).get("plane_axes")
    if view is None:
        return "original"
    if not isinstance(view, Strided) or view.shape != (3, 3, 3):
        raise RefusalError("its planes have unknown axes")
    planes = view.tensor().double()
    for name, pairs in AXES.items():
        # a plane's rows are its axes u, v, n; coordinates on it are x @ inverse(rows), u and v
        wanted = torch.zeros(3, 3, 2, dtype=torch.float64)
        for plane, pair in enumerate(pairs):
            for column, axis in enumerate(pair):
                wanted[plane, axis, column] = 1.0
        inverse, info = torch.linalg.inv_ex(planes)
        if not info.any() and torch.equal(inverse[..., :2], wanted):
            return name
    raise RefusalError("its planes have unknown axes")


def _conditioning(options: dict[str, Any]) -> Any:
    scale = _number(options, "c_scale", 0.0, 0.0, 1.0)
    if scale not in (0.0, 1.0):
        raise RefusalError(f"it scales its conditioning by {scale}")
    zero = _flag(options, "c_gen_conditioning_zero", False) or scale == 0.0
    return "zero" if zero else "camera"


def _noise(options: dict[str, Any]) -> Any:
    noise = options.get("superresolution_noise_mode", "none")
    if noise not in ("none", "const", "random"):
        raise RefusalError(f"it uses the noise {quoted(noise)}")
    return noise


def _number(
    options: Mapping[str, Any], key: str, default: float | None, low: float, high: float
) -> float:
    value = options.get(key, default)
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    if not plain or not low <= value <= high:
        raise RefusalError(f"its setting {key} is {quoted(value)}, which is not supported")
    return float(value)


def _flag(options: Mapping[str, Any], key: str, default: bool) -> bool:
    value = options.get(key, default)
    if not isinstance(value, bool):
        raise RefusalError(f"its setting {key} is {quoted(value)}, which is not supported")
    return value


def _is_plain(value: object) -> bool:
    """Fit for JSON: a plain value, or a short list of them."""
    if isinstance(value, list | tuple):
        return len(value) <= 32 and all(not isinstance(v, list) and _is_plain(v) for v in value)
    if isinstance(value, float):
        return isfinite(value)
    return (
        value is None
        or isinstance(value, bool | int)
        or (isinstance(value, str) and len(value) <= 200)
    )
