"""Shared parts of the adversarial recipes: optimisers, discriminator updates, augmentation, EMA.

Letters: B images per process and step, R side of an image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.networks.augment import adapted, augment
from portraiture.train.distributed import World, average_gradients, mean_over_processes
from portraiture.train.ema import averaged_copy, decay, update
from portraiture.train.gan_losses import discriminator_loss, r1_penalty
from portraiture.train.loop import Precision, RunConfig
from portraiture.train.rng import StepRng
from portraiture.train.state import TrainState

W_AVERAGE_DECAY = 0.998
AUGMENT_EVERY = 4
"""Steps over which the sign of D(real) is averaged before p changes."""


@dataclass(frozen=True)
class AdversaryConfig:
    """Optimisation common to StyleGAN2-ADA and EG3D; the defaults are EG3D's for FFHQ.

    generator_lr, discriminator_lr: of Adam with betas (0, 0.99), before the correction for lazy
    regularisation. r1_gamma, r1_every: weight of R1 and steps between its updates. generator_every:
    steps between the generator's regularisation updates. ema_kimg, ema_ramp: half-life of the EMA
    in thousand images, and its maximum as a fraction of the images seen (None: no ramp).
    augment_target: target of the mean sign of D(real) for augmentation; None for no augmentation.
    augment_kimg: thousand images in which p may go from 0 to 1. head_start: number of first steps
    that train only the discriminator if the generator is pre-trained, since an untrained
    discriminator's gradients would undo its training.
    """

    generator_lr: float = 0.0025
    discriminator_lr: float = 0.002
    r1_gamma: float = 1.0
    r1_every: int = 16
    generator_every: int = 4
    ema_kimg: float = 10.0
    ema_ramp: float | None = 0.05
    augment_target: float | None = None
    augment_kimg: float = 500.0
    head_start: int = 200


def lazy_adam(network: nn.Module, lr: float, every: int) -> torch.optim.Adam:
    """Adam with rates corrected for an additional update every `every` steps (Karras et al. 2020a,
    appendix B: lazy regularisation)."""
    ratio = every / (every + 1)
    return torch.optim.Adam(
        network.parameters(), lr=lr * ratio, betas=(0.0, 0.99**ratio), eps=1e-8, foreach=False
    )


def opponents(
    generator: nn.Module, discriminator: nn.Module, config: AdversaryConfig, world: World
) -> TrainState:
    """The state at step 0: both networks on the world's device, the generator's EMA, and their
    optimisers."""
    made, against = generator.to(world.device), discriminator.to(world.device)
    return TrainState(
        models={"generator": made, "discriminator": against},
        averages={"generator": averaged_copy(made)},
        optimizers={
            "generator": lazy_adam(made, config.generator_lr, config.generator_every),
            "discriminator": lazy_adam(against, config.discriminator_lr, config.r1_every),
        },
        numbers={"augment_p": 0.0, "signs": 0.0},
    )


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Autocast to bf16 if the run's precision is bf16."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Disable gradients of `network`'s parameters inside the block."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


def pieces(run: RunConfig, *tensors: Tensor) -> list[tuple[Tensor, ...]]:
    """Split tensors along the batch into micro-batches of at most ``run.micro_batch``."""
    size = run.micro_batch or len(tensors[0])
    return list(zip(*(t.split(size) for t in tensors), strict=True))


def update_weights(
    optimizer: torch.optim.Optimizer,
    network: nn.Module,
    losses: Iterator[Tensor],
    count: int,
    world: World,
) -> Tensor:
    """One optimiser step on the mean of `count` losses; each graph is freed before the next is
    built. Returns the mean."""
    optimizer.zero_grad(set_to_none=True)
    total = torch.zeros((), device=world.device)
    for loss in losses:
        (loss / count).backward()
        total += loss.detach() / count
    average_gradients(network.parameters(), world)
    optimizer.step()
    return total


@dataclass
class Opponent:
    """The discriminator's side of one step."""

    state: TrainState
    config: AdversaryConfig
    run: RunConfig
    rng: StepRng
    world: World

    @property
    def network(self) -> nn.Module:
        return self.state.models["discriminator"]

    def score(
        self, images: Float[Tensor, "B C R R"], cameras: Tensor | None, *, exact: bool = False
    ) -> Float[Tensor, "B 1"]:
        """Logits of images, augmented at the current p. exact: in fp32 regardless of the run's
        precision."""
        p = self.state.numbers["augment_p"]
        with autocast(self.world.device, "fp32" if exact else self.run.precision):
            return self.network(augment(images.float(), p, self.rng.device), cameras)

    def learn(
        self,
        reals: Float[Tensor, "B C R R"],
        fakes: Float[Tensor, "B C R R"],
        real_cameras: Tensor,
        fake_cameras: Tensor,
    ) -> dict[str, Tensor | float]:
        """One discriminator update on reals and fakes; then adapt p."""
        parts = pieces(self.run, reals, fakes, real_cameras, fake_cameras)
        seen: list[Tensor] = []

        def losses() -> Iterator[Tensor]:
            for real, fake, c_real, c_fake in parts:
                y, n = self.score(real, c_real), self.score(fake, c_fake)
                seen.append(torch.stack([y.mean(), n.mean(), y.sign().mean()]).detach())
                yield discriminator_loss(y, n)

        optimizer = self.state.optimizers["discriminator"]
        loss = update_weights(optimizer, self.network, losses(), len(parts), self.world)
        real, fake, signs = torch.stack(seen).mean(0)
        self._adapt(signs)
        return {
            "loss_d": loss,
            "score_real": real,
            "score_fake": fake,
            "augment_p": self.state.numbers["augment_p"],
        }

    def penalize(
        self, reals: Sequence[Tensor], cameras: Tensor, joined: Callable[..., Tensor]
    ) -> dict[str, Tensor | float]:
        """One R1 update, in fp32. reals: inputs whose gradients are penalised; `joined` combines
        them to the images that the discriminator sees."""
        parts = pieces(self.run, *reals, cameras)
        gain = self.config.r1_gamma / 2 * self.config.r1_every

        def losses() -> Iterator[Tensor]:
            for *tensors, c in parts:
                inputs = [x.detach().requires_grad_(True) for x in tensors]
                yield gain * r1_penalty(self.score(joined(*inputs), c, exact=True), inputs)

        optimizer = self.state.optimizers["discriminator"]
        loss = update_weights(optimizer, self.network, losses(), len(parts), self.world)
        return {"r1": loss / max(gain, 1e-12)}

    def _adapt(self, signs: Tensor) -> None:
        """Adapt p every `AUGMENT_EVERY` steps by the mean sign of D(real) since the last time."""
        numbers, target = self.state.numbers, self.config.augment_target
        if target is None:
            return
        numbers["signs"] += float(mean_over_processes(signs, self.world)) / AUGMENT_EVERY
        if (self.state.step + 1) % AUGMENT_EVERY == 0:
            images, kimg = self.run.batch * AUGMENT_EVERY, self.config.augment_kimg
            numbers["augment_p"] = adapted(
                numbers["augment_p"], numbers["signs"], images=images, target=target, kimg=kimg
            )
            numbers["signs"] = 0.0


def update_average(state: TrainState, config: AdversaryConfig, run: RunConfig) -> None:
    """Update the generator's EMA after a step."""
    images = float(state.step * run.batch)
    beta = decay(run.batch, images, half_life=config.ema_kimg * 1000, ramp=config.ema_ramp)
    update(state.averages["generator"], state.models["generator"], beta)


@torch.no_grad()
def follow_w(w_avg: Tensor, ws: Float[Tensor, "B N D"], world: World) -> None:
    """Update `w_avg`, the running mean of w used by truncation."""
    mean = mean_over_processes(ws.detach()[:, 0].float().mean(0), world)
    w_avg.copy_(mean.lerp(w_avg, W_AVERAGE_DECAY))
