"""The supervised recipe: a tri-plane generator supervised by the graphics engine.

z ─mapping─▶ planes ─┬─at the true surface─▶ features, colours ─superresolution─▶ image ◀─ render
                     ├─before and behind it─▶ density          ◀─ empty, solid
                     └─along some whole rays─▶ colour, opacity ◀─ render, coverage
The engine gives each pixel's surface point, so a full image's features cost one point per pixel
(deferred rendering); volume-rendered rays cost a hundred each and are few, for silhouettes and
empty space. Letters: B people per step, n neural resolution, R = 2n image side, M rays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from numpy import ndarray
from torch import Tensor, nn

from portraiture.generate.train.pretrain_flow import prepare_flow
from portraiture.generate.train.pretrain_mapping import PEOPLE_SEED, pretrain_mapping
from portraiture.generate.train.supervised import (
    WARMUP,
    anneal,
    initialise_styles,
    learning_groups,
    pretrain_on_first,
)
from portraiture.generate.train.warm_start import take_over
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.people.latent import sample_latents
from portraiture.people.people_set import Example, PeopleSet
from portraiture.perception.features import load_squeeze
from portraiture.perception.weights import load_parser
from portraiture.train.adversary import autocast, follow_w
from portraiture.train.distributed import World, average_gradients
from portraiture.train.ema import averaged_copy, decay, update
from portraiture.train.grids import stack_rows, tile
from portraiture.train.loop import RunConfig
from portraiture.train.pace import Pace
from portraiture.train.patches import cut_patch, patch_camera
from portraiture.train.rng import StepRng
from portraiture.train.state import TrainState
from portraiture.train.truth_config import TruthConfig
from portraiture.train.truth_losses import TruthLosses, sample_patch
from portraiture.triplane.sampling import make_rays
from portraiture.triplane.tables import VolumeBackend

FINISH_SHARE = 0.12
"""Share of a time-limited run in which only superresolution is trained, at the end."""

WARM_SHARE = 0.1
"""Share of a time-limited run used for warm-up, since there are few people at first."""

FLOW_RATE = 0.1
"""Learning rate of the flow coefficients relative to the other layers'."""

COMPARED = 20_000
"""Number of latents on which the mappings of a run and of its start are compared."""
COMPARED_SEED = 0x57A27


@dataclass(frozen=True)
class SupervisedConfig:
    """Settings of supervised-heads.

    keep_mapping: keep mapping and flow of the start, hence its w space. pretrain_people,
    pretrain_steps: people and steps of pre-training the mapping (`pretrain_mapping`). flow_meshes:
    number of these people whose heads are built for the flow. coarse_steps: first steps with planes
    of half the size and without superresolution, at a third of the cost. finish_from, finish_steps:
    step from which only superresolution is trained, on rendered features, and its cosine decay.
    learning_rate, warmup, decay_steps, final_rate: Adam's rate, its warm-up steps, and cosine decay
    to the factor `final_rate`. truth: losses. perceptual: network behind the perceptual loss.
    half_life: of the EMA, in images.
    """

    run: RunConfig
    generator: TriPlaneConfig
    keep_mapping: bool = False
    pretrain_people: int = 40_000
    pretrain_steps: int = 4_500
    flow_meshes: int = 2_000
    coarse_steps: int = 4_000
    finish_from: int = 20_000
    finish_steps: int = 400
    learning_rate: float = 0.002
    warmup: int = WARMUP
    decay_steps: int = 20_000
    final_rate: float = 0.1
    truth: TruthConfig = field(default_factory=TruthConfig)
    perceptual: Literal["parser", "squeezenet"] = "parser"
    half_life: float = 4_000.0
    grid_people: int = 6


class SupervisedHeads:
    """The recipe; see `train.loop.Recipe`. perceptual: SqueezeNet's weights for the perceptual
    loss, instead of the shipped face parser. start: generator to start from; its mapping is
    pre-trained again unless `keep_mapping`."""

    def __init__(
        self, config: SupervisedConfig, data: PeopleSet, perceptual: Path | None = None,
        start: TriPlaneGenerator | None = None,
    ) -> None:  # fmt: skip
        kind = "parser" if perceptual is None else "squeezenet"
        self.config, self.data, self.start = replace(config, perceptual=kind), data, start
        self.features = load_parser() if perceptual is None else load_squeeze(perceptual)

    @property
    def run(self) -> RunConfig:
        return self.config.run

    @property
    def truth(self) -> TruthLosses:
        return TruthLosses(self.config.truth, self.features)

    def build(self, world: World) -> TrainState:
        """A new generator, its EMA and Adam."""
        config = self.config
        network = TriPlaneGenerator(self.config.generator).to(world.device)
        self.features.to(world.device)
        synthesis, head = network.backbone.synthesis, network.superresolution
        finest = synthesis.block(synthesis.resolutions[-1]), head.block0, head.block1
        initialise_styles(network, (block.torgb for block in finest))
        if config.keep_mapping:
            for part in kept_parts(network):
                part.requires_grad_(False)
        groups = learning_groups(
            network, network.backbone.mapping, self.config.learning_rate,
            slow=network.flow.coefficients.parameters() if network.config.flow_rank else (),
            slow_rate=FLOW_RATE,
        )  # fmt: skip
        return TrainState(
            models={"heads": network},
            averages={"heads": averaged_copy(network)},
            optimizers={"heads": torch.optim.Adam(groups, betas=(0.9, 0.99))},
        )

    def batch(self, number: int, size: int, generator: torch.Generator) -> Example:
        """A batch of different people, one view each."""
        return self.data.sample(size, generator)

    def step(
        self, state: TrainState, batch: Example, rng: StepRng, world: World
    ) -> Mapping[str, Tensor | float]:
        """One update of the generator and its EMA."""
        network, optimizer = state.models["heads"], state.optimizers["heads"]
        assert isinstance(network, TriPlaneGenerator)
        pretrained: dict[str, Tensor] = {}
        if state.step == 0:
            average = state.averages["heads"]
            pretrain, names = partial(self._pretrain, network), ["parameters_unknown"]
            if self.start is not None:
                names.append("start_unknown")
            elif network.config.flow_rank:
                names.append("flow_unknown")
            pretrained = pretrain_on_first(network, average, pretrain, names, world)
        config = self.config
        if state.step >= config.finish_from:
            return pretrained | self._finish(state, batch, rng, world)
        anneal(
            optimizer, state.step, decay_steps=config.decay_steps, last=config.final_rate,
            warmup=config.warmup,
        )  # fmt: skip
        optimizer.zero_grad(set_to_none=True)
        ws = network.mapping(batch.z, batch.camera)
        coarse = state.step < config.coarse_steps
        size = config.generator.plane_size // 2 if coarse else None
        with autocast(world.device, self.run.precision):
            planes = network.planes(ws, size=size)
        losses = self.truth(network, ws, planes.float(), batch, rng, coarse=coarse)
        total = torch.stack(list(losses.values())).sum()
        total.backward()
        average_gradients(network.parameters(), world)
        optimizer.step()
        if not config.keep_mapping:
            follow_w(network.backbone.mapping.w_avg, ws.detach(), world)
        self._average(state)
        return pretrained | {name: loss.detach() for name, loss in losses.items()}

    def fit_time(self, step: int, pace: Pace) -> None:
        """Fit decay and finishing to the time: finishing takes the last `FINISH_SHARE` of it."""
        config, finish = self.config, FINISH_SHARE * pace.total
        if step < config.finish_from:
            last = step + pace.steps_in(pace.left - finish)
            steps = last + pace.steps_in(finish)
            rise = max(WARMUP, pace.steps_in(WARM_SHARE * pace.total))
            config = replace(config, warmup=rise, decay_steps=last, finish_from=last)
        else:
            steps = step + pace.steps_in(pace.left, since=config.finish_from)
        self.config = replace(
            config, finish_steps=steps - config.finish_from, run=replace(config.run, steps=steps)
        )

    def _average(self, state: TrainState) -> None:
        images = float((state.step + 1) * self.run.batch)
        beta = decay(self.run.batch, images, half_life=self.config.half_life)
        update(state.averages["heads"], state.models["heads"], beta)

    def _finish(
        self, state: TrainState, batch: Example, rng: StepRng, world: World
    ) -> dict[str, Tensor]:
        """One update of superresolution alone, on rendered features, which are softer than those at
        the true surface. All other weights are set to the EMA first."""
        network, optimizer = state.models["heads"], state.optimizers["heads"]
        assert isinstance(network, TriPlaneGenerator)
        config, step = self.config, state.step - self.config.finish_from
        if step == 0:
            network.load_state_dict(state.averages["heads"].state_dict())
        anneal(optimizer, step, decay_steps=config.finish_steps, last=config.final_rate)
        optimizer.zero_grad(set_to_none=True)
        side = config.truth.patch
        place = sample_patch(batch, side, rng)
        with torch.no_grad():
            ws = network.mapping(batch.z, batch.camera)
            with autocast(world.device, self.run.precision):
                planes = network.planes(ws)
            cameras = patch_camera(batch.camera, *place, batch.depth.shape[-1])
            rendered = network.render(
                planes.float(), cameras, resolution=side, deterministic=True,
                backend=_backend(world.device),
            )  # fmt: skip
        rays = make_rays(batch.camera, batch.depth.shape[-1])
        losses = self.truth.image_losses(
            network, ws, rendered.features, cut_patch(batch, rays, *place)[0]
        )
        torch.stack(list(losses.values())).sum().backward()
        average_gradients(network.superresolution.parameters(), world)
        optimizer.step()
        self._average(state)
        return {name: loss.detach() for name, loss in losses.items()}

    def _pretrain(self, network: TriPlaneGenerator) -> dict[str, float]:
        """Pre-train the mapping and, with a start, take over its other weights. Returns the
        unexplained variances."""
        config = self.config
        if config.keep_mapping and self.start is not None:
            network.load_state_dict(self.start.state_dict())
            return {"parameters_unknown": 0.0, "start_unknown": 0.0}
        rendering, targets = config.generator.rendering, None
        if config.generator.flow_rank:
            targets = prepare_flow(
                network.flow, people=config.pretrain_people, meshes=config.flow_meshes,
                seed=PEOPLE_SEED + self.run.seed,
                box_warp=rendering.box_warp, axes=rendering.plane_axes,
            )  # fmt: skip
        unknown = {"parameters_unknown": 1.0, "flow_unknown": 1.0}
        if config.pretrain_steps:
            unknown["parameters_unknown"], unknown["flow_unknown"] = pretrain_mapping(
                network.backbone.mapping, people=config.pretrain_people,
                steps=config.pretrain_steps, seed=self.run.seed, flow=targets,
                coefficients=None if targets is None else network.flow.coefficients,
            )  # fmt: skip
        if self.start is not None:
            z = torch.from_numpy(sample_latents(COMPARED, COMPARED_SEED + self.run.seed))
            unknown["start_unknown"] = take_over(network, self.start, z)
        return unknown

    @torch.no_grad()
    def grid(self, state: TrainState) -> ndarray:
        """Rows: renders of the engine, images, raw images, depth."""
        network = state.averages["heads"]
        assert isinstance(network, TriPlaneGenerator)
        people = range(min(self.config.grid_people, len(self.data)))
        parts = [self.data.example(k, k % self.data.views(k)) for k in people]
        batch = Example(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))
        device = network.backbone.mapping.w_avg.device
        ws = network.mapping(batch.z.to(device), batch.camera.to(device))
        render = network.synthesize(
            ws, batch.camera.to(device), deterministic=True, backend=_backend(device)
        )
        side, columns = batch.image.shape[-1], len(parts)
        rendering = self.config.generator.rendering
        span = (rendering.ray_start, rendering.ray_end)
        return stack_rows(
            tile(batch.image, columns=columns),
            tile(render.image, side=side, columns=columns),
            tile(render.image_raw, side=side, columns=columns),
            tile(render.depth, side=side, columns=columns, span=span),
        )


def kept_parts(network: TriPlaneGenerator) -> list[nn.Module]:
    """Modules that define the w space: mapping and flow."""
    return [network.backbone.mapping, *([network.flow] if network.config.flow_rank else [])]


def _backend(device: torch.device) -> VolumeBackend:
    """Backend for renders without gradients: fused on the CPU, the reference on GPUs, as for the
    rays of a step."""
    return "torch" if device.type == "cuda" else "auto"
