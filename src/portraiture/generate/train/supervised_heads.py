"""The supervised recipe: a tri-plane generator that learns the engine's people by heart.

z ─mapping─▶ planes ─┬─at the true surface─▶ features, colours ─superresolution─▶ image ◀─ picture
                     ├─before and behind it─▶ density          ◀─ empty, solid
                     └─along some whole rays─▶ colour, opacity ◀─ picture, coverage
The engine knows where each pixel's surface lies, so that a whole picture's features cost one point
a pixel (deferred rendering); rendered rays, which cost a hundred, are few and see to silhouettes
and empty space. Letters: B people of a step, n neural resolution, R = 2n picture side, M rays.
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

from portraiture.generate.train.supervised import (
    WARMUP,
    anneal,
    learning_groups,
    start_calmly,
    teach_first,
)
from portraiture.generate.train.teach_flow import prepare_flow
from portraiture.generate.train.teach_mapping import PEOPLE_SEED, teach_mapping
from portraiture.generate.train.warm_start import take_over
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.people.latent import draw_latents
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
from portraiture.train.rng import Draws
from portraiture.train.state import TrainState
from portraiture.train.truth_config import TruthConfig
from portraiture.train.truth_losses import TruthLosses, draw_patch
from portraiture.triplane.sampling import make_rays
from portraiture.triplane.tables import VolumeBackend

FINISH_SHARE = 0.12
"""Of a run that has so much time, for superresolution alone at its end."""

WARM_SHARE = 0.1
"""Of a run that has so much time, for the rise of the learning rates: people are few at first."""

FLOW_RATE = 0.1
"""The learning rate of the flow's coefficients over that of all else."""

COMPARED = 20_000
"""Latents by which the mappings of a run and of its start are compared."""
COMPARED_SEED = 0x57A27


@dataclass(frozen=True)
class SupervisedConfig:
    """keep_mapping: of a start, and its flow, so that w means what it meant: what was trained for
    the start's w is for the new network's, too. taught_people, taught_steps: of the mapping's own
    lesson (`teach_mapping`) before step 0; flow_meshes: of those people whose heads are built where
    the generator moves its planes.
    coarse_steps: steps at the beginning with planes of half the size and without superresolution,
    three times as cheap. finish_from, finish_steps: the step from which superresolution alone
    learns, on features as they are rendered, and how long its rate falls. learning_rate,
    decay_steps: Adam's, rising over `warmup` steps, falling along a half cosine to `final_rate` of
    it over decay_steps. truth: of the losses. perceptual: whose features the perceptual loss
    compares. half_life: of the average, in images.
    """

    run: RunConfig
    generator: TriPlaneConfig
    keep_mapping: bool = False
    taught_people: int = 40_000
    taught_steps: int = 4_500
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
    loss, whose features are those of the shipped face parser otherwise. start: what the run goes on
    from; its mapping is taught anew."""

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
        """A fresh generator, its average and Adam."""
        config = self.config
        network = TriPlaneGenerator(self.config.generator).to(world.device)
        self.features.to(world.device)
        synthesis, head = network.backbone.synthesis, network.superresolution
        finest = synthesis.block(synthesis.resolutions[-1]), head.block0, head.block1
        start_calmly(network, (block.torgb for block in finest))
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
        """Different people, one view of each."""
        return self.data.draw(size, generator)

    def step(
        self, state: TrainState, batch: Example, draws: Draws, world: World
    ) -> Mapping[str, Tensor | float]:
        """One update of the generator and its average."""
        network, optimizer = state.models["heads"], state.optimizers["heads"]
        assert isinstance(network, TriPlaneGenerator)
        taught: dict[str, Tensor] = {}
        if state.step == 0:
            average = state.averages["heads"]
            lesson, names = partial(self._lesson, network), ["parameters_unknown"]
            if self.start is not None:
                names.append("start_unknown")
            elif network.config.flow_rank:
                names.append("flow_unknown")
            taught = teach_first(network, average, lesson, names, world)
        config = self.config
        if state.step >= config.finish_from:
            return taught | self._finish(state, batch, draws, world)
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
        losses = self.truth(network, ws, planes.float(), batch, draws, coarse=coarse)
        total = torch.stack(list(losses.values())).sum()
        total.backward()
        average_gradients(network.parameters(), world)
        optimizer.step()
        if not config.keep_mapping:
            follow_w(network.backbone.mapping.w_avg, ws.detach(), world)
        self._average(state)
        return taught | {name: loss.detach() for name, loss in losses.items()}

    def fit_time(self, step: int, pace: Pace) -> None:
        """The decay ends, and superresolution begins to learn alone, when `FINISH_SHARE` of the
        time is left."""
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
        self, state: TrainState, batch: Example, draws: Draws, world: World
    ) -> dict[str, Tensor]:
        """One update of superresolution alone. What is rendered is softer than what lies at the
        true surface; everything else is the average from here on."""
        network, optimizer = state.models["heads"], state.optimizers["heads"]
        assert isinstance(network, TriPlaneGenerator)
        config, step = self.config, state.step - self.config.finish_from
        if step == 0:
            network.load_state_dict(state.averages["heads"].state_dict())
        anneal(optimizer, step, decay_steps=config.finish_steps, last=config.final_rate)
        optimizer.zero_grad(set_to_none=True)
        side = config.truth.patch
        place = draw_patch(batch, side, draws)
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

    def _lesson(self, network: TriPlaneGenerator) -> dict[str, float]:
        """Teach the mapping, and with a start take over all else. What is unknown, of the start as
        a share of its w's variance."""
        config = self.config
        if config.keep_mapping and self.start is not None:
            network.load_state_dict(self.start.state_dict())
            return {"parameters_unknown": 0.0, "start_unknown": 0.0}
        rendering, lesson = config.generator.rendering, None
        if config.generator.flow_rank:
            lesson = prepare_flow(
                network.flow, people=config.taught_people, meshes=config.flow_meshes,
                seed=PEOPLE_SEED + self.run.seed,
                box_warp=rendering.box_warp, axes=rendering.plane_axes,
            )  # fmt: skip
        unknown = {"parameters_unknown": 1.0, "flow_unknown": 1.0}
        if config.taught_steps:
            unknown["parameters_unknown"], unknown["flow_unknown"] = teach_mapping(
                network.backbone.mapping, people=config.taught_people, steps=config.taught_steps,
                seed=self.run.seed, flow=lesson,
                coefficients=None if lesson is None else network.flow.coefficients,
            )  # fmt: skip
        if self.start is not None:
            z = torch.from_numpy(draw_latents(COMPARED, COMPARED_SEED + self.run.seed))
            unknown["start_unknown"] = take_over(network, self.start, z)
        return unknown

    @torch.no_grad()
    def grid(self, state: TrainState) -> ndarray:
        """Rows: the engine's pictures, ours, ours at the neural resolution, depth."""
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
    """What says what w means, and where it moves planes."""
    return [network.backbone.mapping, *([network.flow] if network.config.flow_rank else [])]


def _backend(device: torch.device) -> VolumeBackend:
    """Of renders without gradients: fused on the CPU; on a GPU the reference, which the rays of a
    step go through as well."""
    return "torch" if device.type == "cuda" else "auto"
