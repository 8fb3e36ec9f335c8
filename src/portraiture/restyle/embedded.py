"""Our own editor by a sentence, which ships with the product, and its recipe `editor`.

pair, sentence ─noise─▶ InstructionUNet ─▶ v ◀─ v of the edited image      (training)
image, sentence ─n* at τ─▶ DDIM, guided ─▶ edited image                    (`EmbeddedEditor`)
The conditions are dropped as in InstructPix2Pix (Brooks et al. 2023, section 3.2.1); all else is
ours. Letters: B images, S side of the network's images, R of those to edit, D of a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from portraiture.checkpoints import load_network
from portraiture.data.edit_set import EditBatch, EditSet
from portraiture.errors import RestyleError, TrainingError
from portraiture.networks.instruction_unet import InstructionUNet, InstructionUNetConfig
from portraiture.ops.resize import resized
from portraiture.progress import SILENT, Progress, raise_if_cancelled
from portraiture.restyle.diffusion import ddim, ddim_times, guided, kept_signal, v_of
from portraiture.restyle.editors import (
    DEGREE,
    STEPS,
    EditStart,
    added,
    per_image,
    shared_noise,
    timestep_of,
)
from portraiture.train.adamw import adamw_state, finish_step, start_step
from portraiture.train.distributed import World
from portraiture.train.grids import stack_rows, tile
from portraiture.train.loop import RunConfig
from portraiture.train.rng import StepRng, generator
from portraiture.train.run_presets import TINY_RUN
from portraiture.train.state import TrainState
from portraiture.types import Preset

NAME = "editor"
EmbedSentences = Callable[[Sequence[str]], Any]
"""Sentences → unit vectors (N, D)."""


@dataclass(frozen=True)
class EmbeddedEditor:
    """The editor with its network. embed: of sentences, the one that the network learned from.
    degree: τ; denoising begins there, as in SDEdit (Meng et al. 2022), from plain noise at the end.
    image_guidance, text_guidance: of Brooks et al. 2023, Eq. 3; ours are weaker than the paper's,
    which are for another network. batch: images at once."""

    network: InstructionUNet
    embed: EmbedSentences
    steps: int = STEPS
    degree: float = DEGREE
    image_guidance: float = 1.0
    text_guidance: float = 1.5
    batch: int = 8
    name: str = "embedded"

    @torch.no_grad()
    def edit(
        self,
        images: Float[Tensor, "B 3 R R"],
        prompt: str,
        *,
        seed: int = 0,
        start: EditStart = "image",
        progress: Progress = SILENT,
    ) -> Float[Tensor, "B 3 R R"]:
        """Edit images in [-1, 1]; what is finer than the network's images is kept where nothing
        changes. Raises RestyleError, CancelledError."""
        vector = self._vector(prompt)
        found = []
        for few in per_image(images, self.batch, progress):
            small = resized(few.to(vector), self.network.config.image_size).clamp(-1.0, 1.0)
            edited = self.edited(small, vector, seed=seed, start=start)
            found.append(_with_details(few, small, edited.to(few)))
            progress.step(len(few))
            raise_if_cancelled(progress)
        return torch.cat(found)

    def _vector(self, prompt: str) -> Float[Tensor, "1 D"]:
        """Raises RestyleError where the sentence's vector is not what the network takes."""
        like = next(self.network.parameters())
        vector = torch.as_tensor(np.asarray(self.embed([prompt])), dtype=like.dtype)
        if vector.shape != (1, self.network.config.sentence):
            raise RestyleError("These sentence vectors are not those that the editor learned from.")
        return vector.to(like.device)

    def edited(
        self, images: Float[Tensor, "B 3 S S"], vector: Float[Tensor, "1 D"], *, seed: int,
        start: EditStart,
    ) -> Float[Tensor, "B 3 S S"]:  # fmt: skip
        """Images of the network's size, edited by DDIM."""
        kept = kept_signal(self.network.config.timesteps)
        noise = shared_noise(tuple(images.shape[1:]), seed, images)
        match start:
            case "image":
                first = timestep_of(self.degree, len(kept))
                noisy = added(images, noise, kept[first])
            case "noise":
                first = len(kept) - 1
                noisy = noise.expand_as(images)
        times = ddim_times(first, self.steps)
        return ddim(self._predict(images, vector), noisy, times, kept).clamp(-1.0, 1.0)

    def _predict(
        self, images: Float[Tensor, "B 3 S S"], vector: Float[Tensor, "1 D"]
    ) -> Callable[[Tensor, float], Tensor]:
        """Guided predictions; those whose weight is 0 are not made."""
        told, image, text = vector.expand(len(images), -1), self.image_guidance, self.text_guidance

        def predicted(noisy: Tensor, time: float) -> Tensor:
            def one(image: Tensor, sentence: Tensor) -> Tensor:
                steps = torch.full((len(noisy),), time, device=noisy.device, dtype=noisy.dtype)
                return self.network(noisy, steps, image, sentence)

            both = one(images, told)
            if image == text == 1.0:
                return both
            of_image = one(images, torch.zeros_like(told))
            none = of_image
            if image != 1.0:
                none = one(torch.zeros_like(images), torch.zeros_like(told))
            return guided(none, of_image, both, image, text)

        return predicted


def _with_details(
    image: Float[Tensor, "B 3 R R"], small: Float[Tensor, "B 3 S S"],
    edited: Float[Tensor, "B 3 S S"],
) -> Float[Tensor, "B 3 R R"]:  # fmt: skip
    """The change between two small images, added to the large one."""
    return (image + resized(edited - small.to(edited), image.shape[-1])).clamp(-1.0, 1.0)


def load_embedded_network(name_or_path: str | Path) -> InstructionUNet:
    """The editor's network of a name or path. Raises CheckpointError."""
    kind = ("instruction-unet", "an editor's network")
    return load_network(name_or_path, kind, InstructionUNetConfig, InstructionUNet)  # type: ignore[arg-type]


@dataclass(frozen=True)
class EditorTraining:
    """Settings of the recipe. drop: chance of each of: no sentence, no image, neither (Brooks et
    al. 2023, section 3.2.1). change: extra weight of pixels that the edit changes, by how far
    [ours]. learning_rate, weight_decay: of AdamW with cosine decay over decay_steps. half_life: of
    the EMA, in images. clip: maximum gradient norm. grid_pairs: columns of the grid."""

    run: RunConfig
    network: InstructionUNetConfig = field(default_factory=InstructionUNetConfig)
    drop: float = 0.05
    change: float = 2.0
    learning_rate: float = 5e-4
    weight_decay: float = 0.01
    decay_steps: int = 20_000
    half_life: float = 4_000.0
    clip: float = 1.0
    grid_pairs: int = 8


EDITOR: dict[Preset, EditorTraining] = {
    "tiny": EditorTraining(
        run=TINY_RUN,
        network=InstructionUNetConfig(
            image_size=32, widths=(8, 16), blocks=1, sentence=16, embedding=16, heads=2
        ),
        grid_pairs=2,
    ),
    "cpu": EditorTraining(
        run=RunConfig(steps=20_000, batch=16, log_every=25, grid_every=500, checkpoint_every=500),
        network=InstructionUNetConfig(widths=(64, 96, 144)),
    ),
    "gpu": EditorTraining(
        run=RunConfig(
            steps=20_000, batch=64, precision="bf16", log_every=50, grid_every=1_000,
            checkpoint_every=1_000,
        ),
    ),
}  # fmt: skip
"""There is no preset paper: the published editor is InstructPix2Pix itself (`--editor diffusers`).
The network of "gpu" takes 7.7 MB in 8 bits."""


class TrainEditor:
    """The recipe; see `train.loop.Recipe`."""

    def __init__(self, config: EditorTraining, data: EditSet) -> None:
        self.config, self.data = config, data

    @property
    def run(self) -> RunConfig:
        return self.config.run

    def build(self, world: World) -> TrainState:
        """The network, its EMA and AdamW."""
        network = InstructionUNet(self.config.network).to(world.device)
        return adamw_state(NAME, network, self.config)

    def batch(self, number: int, size: int, generator: torch.Generator) -> EditBatch:
        return self.data.sample(size, generator)

    def step(
        self, state: TrainState, batch: EditBatch, rng: StepRng, world: World
    ) -> Mapping[str, Tensor | float]:
        """One update of the network and its EMA."""
        network = state.models[NAME]
        assert isinstance(network, InstructionUNet)
        start_step(state, NAME, self.config)
        bf16 = self.run.precision == "bf16" and world.device.type == "cuda"
        with torch.autocast(world.device.type, torch.bfloat16, enabled=bf16):
            loss = editor_loss(network, batch, rng.device, self.config)
        finish_step(state, NAME, self.config, loss, world, clip=self.config.clip)
        return {"v": loss.detach()}

    @torch.no_grad()
    def grid(self, state: TrainState) -> ndarray:
        """Rows: images, their edit, and what it should be."""
        network = state.averages[NAME]
        assert isinstance(network, InstructionUNet)
        count = min(self.config.grid_pairs, len(self.data))
        batch = self.data.sample(count, generator(0), mirror=False)
        device = next(network.parameters()).device
        before, vectors = batch.before.to(device), batch.sentence.to(device)
        editor = EmbeddedEditor(network, lambda sentences: sentences, steps=8)
        pairs = zip(before.split(1), vectors.split(1), strict=True)
        edited = torch.cat(
            [editor.edited(image, vector, seed=0, start="image") for image, vector in pairs]
        )
        rows = (before, edited, batch.after)
        return stack_rows(*(tile(row, columns=count) for row in rows))


def editor_loss(
    network: InstructionUNet, batch: EditBatch, rng: torch.Generator, config: EditorTraining
) -> Float[Tensor, ""]:
    """Squared error of v at random timesteps, under random conditions."""
    before, after, told = batch.before, batch.after, batch.sentence
    kept = kept_signal(network.config.timesteps).to(after)
    like = {"generator": rng, "device": after.device}
    times = torch.randint(len(kept), (len(after),), **like)
    noise = torch.randn(after.shape, dtype=after.dtype, **like)
    share = kept[times][:, None, None, None]
    noisy = share.sqrt() * after + (1.0 - share).sqrt() * noise
    chance = torch.rand(len(after), dtype=after.dtype, **like)
    silent = chance < 2 * config.drop
    blind = (chance >= config.drop) & (chance < 3 * config.drop)
    image = torch.where(blind[:, None, None, None], 0.0, before)
    found = network(noisy, times.to(after), image, torch.where(silent[:, None], 0.0, told))
    weight = 1.0 + config.change * (after - before).abs().mean(1, keepdim=True)
    return (weight * (found.float() - v_of(after, noise, share)).square()).mean()


def fitted_editor(config: EditorTraining, data: EditSet) -> EditorTraining:
    """For the sentences of the data. Raises TrainingError where its images are of another size."""
    if data.side != config.network.image_size:
        raise TrainingError(
            f"The pairs have images of {data.side} pixels, this preset needs"
            f" {config.network.image_size}; make some of that size."
        )
    return replace(config, network=replace(config.network, sentence=data.length))
