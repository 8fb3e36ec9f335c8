"""A personal avatar: the code of a photo, optimised further in the style (3DAvatarGAN, section 4).

w of the photo in G_s (200 steps, `invert`) ─G_t─▶ 400 steps: attributes, R(D), nearness ─▶ Head
Letters: N rows of w+, D w dimension, n side of raw images, R side of images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import radians

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from portraiture.adapt.losses import background_opacity, outside
from portraiture.adapt.style import LARGEST_WARP, Style
from portraiture.adapt.stylise import STYLED, amount_of
from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.errors import AdaptError
from portraiture.head import Head, rounded
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.ops.resize import resized
from portraiture.perception.looks import Look, split
from portraiture.perception.portrait_parser import PortraitParser
from portraiture.progress import SILENT, Progress
from portraiture.train.lr_schedule import annealed
from portraiture.triplane.volume import render_volume


@dataclass(frozen=True)
class PersonalConfig:
    """steps: 400 as published. rate: Adam's, in standard deviations of w's coordinates over people.
    attributes: weight of the cross entropy of looks; background: of R(D), 0.005 as published; near:
    of the mean squared change of w in standard deviations. rays: side of the render. looks: those
    that a style leaves as they are. The classifiers are ours (`perception.looks`): the paper's know
    the attributes of WebCaricature, and its weights but R(D)'s are not published. [ours]"""

    steps: int = 400
    rate: float = 0.02
    attributes: float = 1.0
    background: float = 0.005
    near: float = 0.05
    rays: int = 64
    yaws: tuple[float, ...] = (0.0, radians(-20.0), radians(20.0))
    looks: Sequence[Look] = ("hair", "form", "fringe", "colour", "beard", "glasses", "skin", "sex")


def personalise(
    head: Head, plain: Head, style: Style, *, config: PersonalConfig | None = None,
    progress: Progress = SILENT,
) -> Head:  # fmt: skip
    """Optimise the w+ of a styled head so that it keeps its person's attributes.

    head: in the style (`stylise`). plain: the same before the style, whose attributes G_t's images
    have to show: that is the photo as inverted, from every side. If cancelled, it returns the
    current result. Raises AdaptError, HeadError.
    """
    config = config or PersonalConfig()
    if head.ws is None or plain.ws is None or STYLED[0] not in head.facts:
        raise AdaptError("Only a head with a latent w in a style can be personalised.")
    device = head.models.device
    parser = head.models.portrait_parser()
    network = head.network
    start = head.ws.to(device)
    spread = _deviation(network)
    views = _Views.make(plain, parser, config)
    change = torch.zeros(1, 1, start.shape[-1], device=device, requires_grad=True)
    optimizer = torch.optim.Adam([change], lr=config.rate, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda k: annealed(k, config.steps, warmup=max(1, config.steps // 20), last=0.1)
    )
    progress.stage("Personalise", config.steps)
    amount = amount_of(head, 2, LARGEST_WARP)
    for step in range(config.steps):
        optimizer.zero_grad(set_to_none=True)
        ws = start + change * spread
        loss = views.loss(network, style, ws, amount, parser, step) + config.near * (
            change.square().mean()
        )
        loss.backward()
        optimizer.step()
        schedule.step()
        progress.step(loss=float(loss.detach()))
        if progress.cancelled:
            break
    with torch.no_grad():
        ws = start + change * spread
        planes = style.warp(network.planes(ws), ws, amount=amount)
    return rounded(replace(head, ws=ws.detach(), planes=planes))


@dataclass(frozen=True)
class _Views:
    """What the plain head shows from each yaw. cameras: (V, 25). looks: probabilities of each.
    empty: (V, 1, n, n) background of the plain head."""

    config: PersonalConfig
    cameras: Float[Tensor, "V 25"]
    looks: dict[Look, Float[Tensor, "V n"]]
    empty: Float[Tensor, "V 1 n n"]

    @staticmethod
    @torch.no_grad()
    def make(plain: Head, parser: PortraitParser, config: PersonalConfig) -> _Views:
        network, device = plain.network, plain.models.device
        cameras = torch.stack(
            [torch.from_numpy(to_eg3d(eg3d_orbit(yaw, 0.0))).float() for yaw in config.yaws]
        ).to(device)
        planes = plain.planes.to(device).expand(len(cameras), -1, -1, -1, -1)
        volume = network.render(planes, cameras, deterministic=True)
        images = network.upsample(volume.features, plain.modulation.to(device).expand(
            len(cameras), -1, -1))  # fmt: skip
        empty = outside(resized(volume.opacity, config.rays))
        return _Views(config, cameras, parser.read(images)[1], empty)

    def loss(
        self, network: TriPlaneGenerator, style: Style, ws: Float[Tensor, "1 N D"], amount: float,
        parser: PortraitParser, step: int,
    ) -> Tensor:  # fmt: skip
        """Attributes and R(D) from one of the views, in turns."""
        config, view = self.config, step % len(self.cameras)
        planes = style.warp(network.planes(ws), ws, amount=amount)
        volume = render_volume(
            planes, network.decoder, self.cameras[view][None], network.config.rendering,
            resolution=config.rays, backend="torch", deterministic=True,
        )  # fmt: skip
        image = network.superresolution(volume.features, ws, noise=network.config.superres_noise)
        found = split(parser(resized(image, parser.config.size))[1])
        total = config.background * background_opacity(volume.opacity, self.empty[view][None])
        for look in config.looks:
            wanted = self.looks[look][view][None]
            total = total - config.attributes * (
                wanted * F.log_softmax(found[look], 1)
            ).sum() / len(config.looks)
        return total


@torch.no_grad()
def _deviation(network: TriPlaneGenerator, samples: int = 1024) -> Float[Tensor, "D"]:
    """Standard deviation of w's coordinates over people."""
    w_avg, config = network.backbone.mapping.w_avg, network.config
    z = torch.randn(samples, config.z_dim, generator=torch.Generator().manual_seed(0)).to(w_avg)
    front = torch.from_numpy(to_eg3d(eg3d_orbit(0.0, 0.0))).to(w_avg).expand(samples, -1)
    return network.mapping(z, front if config.c_dim else None)[:, 0].std(0)
