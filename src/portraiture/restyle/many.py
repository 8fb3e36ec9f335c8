"""One image-to-plane network for many styles and identities (Ma et al. 2023, section 4.2): the
recipe `styles`, which is Algorithm 2 on a set of `restyle.style_set`.

style, identity ─edited front─▶ H ─▶ planes ─G*(·, v)─▶ image ◀─ Eqs. 5 to 7 ─▶ its edited view
Letters: B images, S side of H's input, R of the images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from portraiture.errors import TrainingError
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.image_to_planes import ImageToPlanes
from portraiture.ops.resize import resized
from portraiture.perception.features import FeatureNetwork
from portraiture.progress import SILENT, Progress
from portraiture.restyle.editors import Editor
from portraiture.restyle.few_shot import cameras_at, views_of
from portraiture.restyle.fine_tune import freeze_statistics, styled_planes
from portraiture.restyle.losses import StyleLosses, style_losses
from portraiture.restyle.style_set import (
    Style,
    StyleSetConfig,
    as_floats,
    load_style,
    make_style_set,
    styles_in,
)
from portraiture.train.adamw import finish_step, start_step
from portraiture.train.distributed import World
from portraiture.train.ema import averaged_copy
from portraiture.train.grids import stack_rows, tile
from portraiture.train.loop import Outcome, RunConfig, run_recipe
from portraiture.train.rng import StepRng
from portraiture.train.run_presets import TINY_RUN
from portraiture.train.state import TrainState
from portraiture.types import Preset

NAME = "styles"


class StylesBatch(NamedTuple):
    """front: H's input. view, camera: what its planes should show, and from where."""

    front: Float[Tensor, "B 3 S S"]
    view: Float[Tensor, "B 3 R R"]
    camera: Float[Tensor, "B 25"]


@dataclass(frozen=True)
class StylesTraining:
    """Settings of the recipe. learning_rate, betas: of Adam (section 4.1), with cosine decay over
    decay_steps [ours]. start: fingerprint of the pre-trained H. losses: Eqs. 5 to 7. half_life: of
    the EMA, in images [ours]. clip: maximum gradient norm [ours]. grid_styles: rows of the grid."""

    run: RunConfig
    losses: StyleLosses = field(default_factory=StyleLosses)
    learning_rate: float = 0.002
    betas: tuple[float, float] = (0.0, 0.99)
    decay_steps: int = 20_000
    half_life: float = 1_000.0
    clip: float = 1.0
    start: str = ""
    grid_styles: int = 8


STYLES: dict[Preset, StylesTraining] = {
    "tiny": StylesTraining(
        run=replace(TINY_RUN, batch=2),
        losses=StyleLosses(points=32, rendering="deferred", rays=16, ray_samples=4),
        grid_styles=2,
    ),
    "cpu": StylesTraining(
        run=RunConfig(steps=4_000, batch=4, log_every=25, grid_every=250, checkpoint_every=250),
        losses=StyleLosses(rendering="deferred"), learning_rate=5e-4, decay_steps=4_000,
    ),
    "gpu": StylesTraining(
        run=RunConfig(steps=6_000, batch=16, log_every=20, grid_every=500, checkpoint_every=500),
        losses=StyleLosses(
            rendering="deferred", rays=1024, ray_samples=32, points=4096, side=128
        ),
        learning_rate=1e-3, decay_steps=6_000,
    ),
    "paper": StylesTraining(
        run=RunConfig(steps=20_000, batch=4, checkpoint_every=1_000), clip=1e9,
        losses=StyleLosses(points=4096), half_life=1e-6,
    ),
}  # fmt: skip
"""paper: the published losses, rate and volume rendering, without an average; steps are ours."""


class StyleImages:
    """The images of a set in memory. Raises TrainingError for a folder without any, RestyleError
    for a damaged one."""

    def __init__(self, folder: Path) -> None:
        self.styles: list[Style] = [load_style(path) for path in styles_in(folder)]
        if not self.styles:
            raise TrainingError(
                f"{folder} holds no style_*.npz; make some as docs/restyle_training.md says."
            )
        sides = {style.images.shape[1] for style in self.styles}
        if len(sides) > 1:
            raise TrainingError(f"{folder} has styles of several sizes; make them again.")
        self.side = sides.pop()

    def sample(self, size: int, generator: torch.Generator, side: int) -> StylesBatch:
        """`size` images of random styles. side: S."""
        chosen = torch.randint(len(self.styles), (size,), generator=generator).tolist()
        numbers = torch.randint(1 << 30, (size,), generator=generator).tolist()
        parts = []
        for index, number in zip(chosen, numbers, strict=True):
            style = self.styles[index]
            k = number % len(style.images)
            both = as_floats(style.images[[style.front[k], k]])
            parts.append((both[0], both[1], torch.from_numpy(style.cameras[k])))
        front, view, camera = (torch.stack(part) for part in zip(*parts, strict=True))
        return StylesBatch(resized(front, side), view, camera)

    def fronts(self, count: int) -> Float[Tensor, "B 3 R R"]:
        """The first front of each of the first styles."""
        return torch.cat([as_floats(s.images[s.front[:1]]) for s in self.styles[:count]])


class TrainStyles:
    """The recipe; see `train.loop.Recipe`. generator: G, frozen. pretrained: H to start from."""

    def __init__(
        self, config: StylesTraining, data: StyleImages, generator: TriPlaneGenerator,
        pretrained: ImageToPlanes, features: FeatureNetwork,
    ) -> None:  # fmt: skip
        self.config, self.data = config, data
        self.generator = generator.requires_grad_(False)
        self.pretrained, self.features = pretrained, features

    @property
    def run(self) -> RunConfig:
        return self.config.run

    def build(self, world: World) -> TrainState:
        """H, its average and Adam."""
        self.generator.to(world.device)
        if isinstance(self.features, torch.nn.Module):
            self.features.to(world.device)
        network = deepcopy(self.pretrained).to(world.device).requires_grad_(True)
        optimizer = torch.optim.Adam(
            network.parameters(), lr=self.config.learning_rate, betas=self.config.betas,
            foreach=False,
        )  # fmt: skip
        return TrainState(
            models={NAME: network}, averages={NAME: averaged_copy(network)},
            optimizers={NAME: optimizer},
        )  # fmt: skip

    def batch(self, number: int, size: int, generator: torch.Generator) -> StylesBatch:
        return self.data.sample(size, generator, self.pretrained.config.image_size)

    def step(
        self, state: TrainState, batch: StylesBatch, rng: StepRng, world: World
    ) -> Mapping[str, Tensor | float]:
        """One update of H and its average (Algorithm 2)."""
        network = state.models[NAME].train()
        assert isinstance(network, ImageToPlanes)
        freeze_statistics(network)
        start_step(state, NAME, self.config)
        planes, ws = styled_planes(network, batch.front, self.generator)
        losses = style_losses(
            self.generator, self.features, planes, ws, batch.camera, batch.view,
            self.config.losses, rng.device,
        )  # fmt: skip
        loss = torch.stack(list(losses.values())).sum()
        finish_step(state, NAME, self.config, loss, world, clip=self.config.clip)
        return {name: loss.detach() for name, loss in losses.items()}

    @torch.no_grad()
    def grid(self, state: TrainState) -> ndarray:
        """A row a style: its edited front, and the head from three sides."""
        network, rows = state.averages[NAME], []
        assert isinstance(network, ImageToPlanes)
        device = self.generator.backbone.mapping.w_avg.device
        cameras = cameras_at([(-0.5, 0.0), (0.0, 0.0), (0.5, 0.0)])
        for front in self.data.fronts(self.config.grid_styles).to(device).split(1):
            planes, ws = styled_planes(network, front, self.generator)
            shown = views_of(self.generator, planes, ws, cameras)
            row = torch.cat([resized(front, shown.shape[-1]), shown])
            rows.append(tile(row, columns=len(row)))
        return stack_rows(*rows)


def train_many(
    prompts: Sequence[str],
    out: Path,
    *,
    generator: TriPlaneGenerator,
    network: ImageToPlanes,
    features: FeatureNetwork,
    editor: Editor,
    of_set: StyleSetConfig,
    config: StylesTraining,
    world: World | None = None,
    minutes: float | None = None,
    progress: Progress = SILENT,
) -> Outcome:
    """Make the set of the prompts in `out`/set and train H on it in `out`/run, resuming both.

    network: pre-trained H, for this generator. The weights are
    `out`/run/networks/styles.safetensors; a style is applied by its front in the set
    (`StyleImages`). Raises RestyleError, TrainingError, OutputError, CancelledError.
    """
    world = world or World()
    make_style_set(
        out / "set", prompts, generator.to(world.device), editor, of_set, progress=progress
    )
    recipe = TrainStyles(config, StyleImages(out / "set"), generator, network, features)
    return run_recipe(recipe, out / "run", world=world, minutes=minutes, progress=progress)
