"""Inversion by optimisation: of w or w+, then of the generator (PTI, Roich et al. 2022), optionally
with the camera (pose optimisation, Ko et al. 2023).

Target ─▶ latent steps: u, w = mean + u · basis (and a small motion of the camera)
       ─▶ generator steps: all weights, w fixed ─▶ Inversion
Latents are parametrised in standard deviations along w's principal axes, so that all directions
have the same scale, and a weak penalty on u keeps them among the generator's people. [ours]
Letters: N rows of w+, D w dimension, K principal directions of w, R side of an image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.camera import eg3d_orbit, split_eg3d, to_eg3d
from portraiture.errors import InversionError
from portraiture.invert.inversion import Inversion, check_count
from portraiture.invert.reconstruct import LossNetworks, LossWeights, losses, render_image
from portraiture.models import Models
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.perception.target import Target
from portraiture.progress import SILENT, Progress
from portraiture.train.lr_schedule import annealed

Optimiser = Literal["w", "pti", "pose-opt"]

KEPT_VARIANCE = 0.9995
"""Share of w's variance covered by the principal directions."""


@dataclass(frozen=True)
class OptimiseConfig:
    """latent_steps, generator_steps: of the two stages. latent_rate: Adam's, in standard deviations
    of w. generator_rate: of the weights. camera_rate: of the camera's rotation (radians) and
    translation (EG3D units), if it is optimised. pull: weight of mean u². rows: optimise one w for
    all rows, or each row. rays: side of the render. samples: of w, for its mean and directions."""

    latent_steps: int = 450
    generator_steps: int = 350
    latent_rate: float = 0.05
    generator_rate: float = 3e-4
    camera_rate: float = 1e-3
    pull: float = 0.002
    rows: Literal["one", "each"] = "one"
    rays: int = 64
    samples: int = 4096
    weights: LossWeights = field(default_factory=LossWeights)
    seed: int = 0


OPTIMISERS: dict[Optimiser, OptimiseConfig] = {
    "w": OptimiseConfig(generator_steps=0),
    "pti": OptimiseConfig(),
    "pose-opt": OptimiseConfig(latent_steps=400, generator_steps=400),
}
"""Step counts as published."""


@dataclass(frozen=True)
class OptimisationMethod:
    """Inversion of one photo by optimisation: of w ("w"), then of the generator ("pti"), also of
    the camera ("pose-opt"). network: name or path of the generator's weights."""

    name: Optimiser
    models: Models
    network: str
    config: OptimiseConfig

    @property
    def generator(self) -> TriPlaneGenerator:
        """The generator whose w space is used, before any tuning."""
        return self.models.generator(self.network)

    def check(self, count: int) -> None:
        """Raise InversionError unless there is exactly one photo."""
        check_count(count)
        if count > 1:
            raise InversionError(f"The method {self.name} takes one photo; encoders take several.")

    def invert(self, targets: Sequence[Target], progress: Progress = SILENT) -> Inversion:
        """Invert one photo by `optimise`. Raises InversionError."""
        self.check(len(targets))
        networks = LossNetworks(self.models.parser(), self.models.identity())
        return optimise(
            self.generator, targets[0], networks, self.config,
            with_camera=self.name == "pose-opt", progress=progress,
        )  # fmt: skip


@dataclass(frozen=True)
class WSpace:
    """Mean of w and its principal directions, each scaled by its standard deviation."""

    mean: Float[Tensor, "D"]
    basis: Float[Tensor, "K D"]


@torch.no_grad()
def w_space(generator: TriPlaneGenerator, *, samples: int = 4096, seed: int = 0) -> WSpace:
    """Statistics of canonical w; a conditional mapping gets the frontal camera."""
    w_avg = generator.backbone.mapping.w_avg
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(samples, generator.config.z_dim, generator=rng).to(w_avg)
    frontal = torch.from_numpy(to_eg3d(eg3d_orbit(0.0, 0.0))).to(w_avg).expand(samples, -1)
    camera = frontal if generator.config.c_dim else None
    parts = [
        generator.mapping(part, None if camera is None else camera[: len(part)])[:, 0]
        for part in z.split(1024)
    ]
    w = torch.cat(parts).cpu().double()
    mean = w.mean(0)
    _, deviations, directions = torch.linalg.svd(w - mean, full_matrices=False)
    share = deviations.square().cumsum(0) / deviations.square().sum()
    count = int((share < KEPT_VARIANCE).sum()) + 1
    scale = deviations[:count] / max(samples - 1, 1) ** 0.5
    return WSpace(mean.to(w_avg), (scale[:, None] * directions[:count]).to(w_avg))


def optimise(
    generator: TriPlaneGenerator,
    target: Target,
    networks: LossNetworks,
    config: OptimiseConfig,
    *,
    with_camera: bool = False,
    start: Float[Tensor, "1 N D"] | None = None,
    progress: Progress = SILENT,
) -> Inversion:
    """Invert one photo.

    with_camera: optimise the camera together with w. start: initial ws; by default the mean. If
    cancelled, it returns the current result. Facts: steps done in both stages, the last loss, and
    whether it was stopped.
    """
    space = w_space(generator, samples=config.samples, seed=config.seed)
    begun = _Begun.make(generator, space, target, config, with_camera, start)
    photo = target.image.to(space.mean)
    stages = [
        _minimise(
            begun.groups(config), config.latent_steps, "Optimise the latent",
            lambda: begun.loss(generator, photo, networks, config), progress,
        )
    ]  # fmt: skip
    ws, camera, network = begun.ws().detach(), begun.camera().detach(), generator
    if config.generator_steps and not stages[0].stopped:
        network = deepcopy(generator).requires_grad_(True)
        weights = [p for n, p in network.named_parameters() if "mapping" not in n]

        def tuning() -> Tensor:
            image = render_image(network, ws, network.planes(ws), camera, rays=config.rays)
            return _total(losses(image, photo, networks, config.weights))

        groups: list[dict[str, object]] = [{"params": weights, "lr": config.generator_rate}]
        stages.append(
            _minimise(groups, config.generator_steps, "Tune the generator", tuning, progress)
        )  # fmt: skip
        network = network.requires_grad_(False)
    facts = {
        "steps": sum(stage.steps for stage in stages),
        "loss": next((s.loss for s in reversed(stages) if s.loss is not None), None),
        "stopped": any(stage.stopped for stage in stages),
    }
    with torch.no_grad():
        return Inversion(ws, network.planes(ws), camera, network, facts=facts)


@dataclass
class _Begun:
    """The unknowns. u: (1, 1 or N, K) offset in standard deviations from base: (1, N, D). motion:
    (6,) rotation and translation of the camera, in its own axes."""

    u: Tensor
    base: Tensor
    space: WSpace
    given: Tensor
    motion: Tensor

    @staticmethod
    def make(
        generator: TriPlaneGenerator, space: WSpace, target: Target, config: OptimiseConfig,
        with_camera: bool, start: Tensor | None,
    ) -> _Begun:  # fmt: skip
        rows = generator.num_ws if config.rows == "each" else 1
        mean = space.mean.expand(1, generator.num_ws, -1)
        u = torch.zeros(1, rows, len(space.basis), device=mean.device, requires_grad=True)
        given = target.camera.to(mean)
        motion = torch.zeros(6, device=mean.device, requires_grad=with_camera)
        return _Begun(u, mean if start is None else start.to(mean), space, given, motion)

    def groups(self, config: OptimiseConfig) -> list[dict[str, object]]:
        groups: list[dict[str, object]] = [{"params": [self.u], "lr": config.latent_rate}]
        if self.motion.requires_grad:
            groups.append({"params": [self.motion], "lr": config.camera_rate})
        return groups

    def ws(self) -> Float[Tensor, "1 N D"]:
        return self.base + self.u @ self.space.basis

    def camera(self) -> Float[Tensor, "1 25"]:
        return moved_camera(self.given, self.motion) if self.motion.requires_grad else self.given

    def loss(
        self, generator: TriPlaneGenerator, photo: Float[Tensor, "1 3 R R"],
        networks: LossNetworks, config: OptimiseConfig,
    ) -> Tensor:  # fmt: skip
        ws = self.ws()
        image = render_image(generator, ws, generator.planes(ws), self.camera(), rays=config.rays)
        return _total(losses(image, photo, networks, config.weights)) + config.pull * (
            self.u.square().mean()
        )


def moved_camera(
    camera: Float[Tensor, "1 25"], motion: Float[Tensor, "6"]
) -> Float[Tensor, "1 25"]:
    """Rotate a camera by a rotation vector (radians), then translate it (EG3D units), in its own
    axes. Differentiable in the motion."""
    pose, intrinsics = split_eg3d(camera)
    x, y, z = motion[:3].unbind()
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3)
    turned = pose[:, :3, :3] @ torch.linalg.matrix_exp(skew)
    at = pose[:, :3, 3] + (pose[:, :3, :3] @ motion[3:])
    top = torch.cat([turned, at[..., None]], 2)
    moved = torch.cat([top, pose[:, 3:]], 1)
    return torch.cat([moved.flatten(1), intrinsics.flatten(1)], 1)


def _total(parts: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(parts.values())).sum()


def _minimise(
    groups: list[dict[str, object]],
    steps: int,
    stage: str,
    loss_of: Callable[[], Tensor],
    progress: Progress,
) -> _Stage:
    """Adam with linear warm-up over a twentieth of the steps and cosine decay to a tenth."""
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda k: annealed(k, steps, warmup=max(1, steps // 20), last=0.1)
    )
    reached = _Stage()
    progress.stage(stage, steps)
    for step in range(1, steps + 1):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of()
        loss.backward()
        optimizer.step()
        schedule.step()
        reached.steps, reached.loss = step, float(loss.detach())
        progress.step(loss=reached.loss)
        if progress.cancelled:
            reached.stopped = True
            break
    return reached


@dataclass
class _Stage:
    """Number of steps done, the last loss (None before any), and whether it was cancelled."""

    steps: int = 0
    loss: float | None = None
    stopped: bool = False
