"""Learn what glasses add to the shipped generator's planes (`portraiture.worn`).

    python tools/learn_glasses.py --cache FOLDER [--people 80] [--steps 500] [--sheet F.png]

Each of the engine's people is rendered with glasses and without. What the glasses change in the
pictures is what they have to change in the generator's: one addition to everybody's planes, found
by Adam through the frozen decoder and superresolution, where the glasses' surface projects on the
planes. On what is the glasses' own surface density is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import tyro
from jaxtyping import Float
from rich.progress import track
from torch import Tensor

from portraiture.checkpoints import fingerprint, load_generator
from portraiture.convert.store import Card
from portraiture.data.latent import draw_latents
from portraiture.data.people import render_person, view_angles
from portraiture.data.people_file import load_person, save_person
from portraiture.media import write_image
from portraiture.models.eg3d import TriPlaneGenerator
from portraiture.models.paint import add_painted
from portraiture.render.carry import painted_places
from portraiture.render.sampling import make_rays
from portraiture.render.volume import render_volume
from portraiture.sample import contact_sheet
from portraiture.schedule import annealed
from portraiture.train.patches import along_points, patch_camera
from portraiture.types import as_uint8
from portraiture.worn import Box, save_worn

GLASSES: dict[str, Any] = {
    "glasses_style": "rectangle", "glasses_tone": 0.0, "glasses_size": 0.5, "glasses_tint": 0.0,
}  # fmt: skip
SEED, VIEWS = 0x61A55, 5
OUT = Path("src/portraiture/assets/weights/glasses")
PATCH = 56
NEARER = 0.004
"""How much nearer (EG3D units) than the face the glasses' own surface is at least."""
CHANGED = 0.25
"""Change of a colour, of 2, from which a pixel shows the glasses' frame."""
MARGIN = 3
"""Texels by which boxes are larger than what projects into them."""


@dataclass(frozen=True)
class Take:
    """One view: what glasses change. image: of R = 2n pixels a side. frame: share of n² pixels that
    show a frame. depth: along rays, of the frame."""

    z: Float[Tensor, "1 Z"]
    camera: Float[Tensor, "1 25"]
    image: Float[Tensor, "1 3 R R"]
    frame: Float[Tensor, "1 1 n n"]
    depth: Float[Tensor, "1 1 n n"]


def takes(people: int, cache: Path, size: int) -> list[Take]:
    """Views of people with and without glasses; rendered once."""
    cache.mkdir(parents=True, exist_ok=True)
    found = []
    for index in track(range(people), "People"):
        pair = []
        for kind, worn in (("without", {}), ("with", GLASSES)):
            path = cache / f"{kind}_{index:03}.npz"
            if not path.exists():
                z = draw_latents(1, SEED, first=index)[0]
                angles = view_angles(VIEWS, SEED + index)
                save_person(path, render_person(z, angles, size=size, worn=worn))
            pair.append(load_person(path))
        found += [_take(*pair, view) for view in range(VIEWS)]
    return found


def _take(without: Any, worn: Any, view: int) -> Take:
    before, after = (
        torch.from_numpy(one.rgb[view]).permute(2, 0, 1)[None].float() / 127.5 - 1.0
        for one in (without, worn)
    )
    far, near = (torch.from_numpy(one.depth[view])[None, None] for one in (without, worn))
    nearer = (near > 0) & ((far == 0) | (far - near > NEARER))
    shown = nearer & ((after - before).abs().amax(1, keepdim=True) > CHANGED)
    frame = F.avg_pool2d(shown.float(), 2)
    depth = F.avg_pool2d(near * shown, 2) / frame.clamp_min(0.25)
    return Take(
        torch.from_numpy(worn.z)[None], torch.from_numpy(worn.cameras[view])[None],
        after - before, frame, depth,
    )  # fmt: skip


def boxes(generator: TriPlaneGenerator, known: list[Take]) -> list[Box]:
    """Where frames project on the planes as painted."""
    rendering, size = generator.config.rendering, generator.config.plane_size
    texels: list[list[Tensor]] = [[], [], []]
    for take in known:
        rays = make_rays(take.camera, take.frame.shape[-1])
        pixels = (take.frame.flatten(1) == 1.0).nonzero()[:, 1][None]
        points = along_points(rays, pixels, take.depth.flatten(1).gather(1, pixels))
        where = painted_places(
            points, size=size, box_warp=rendering.box_warp, axes=rendering.plane_axes,
            flow=generator.flow(generator.mapping(take.z, None)[:, 0]),
        )  # fmt: skip
        for plane in range(3):
            texels[plane].append((where[0, plane] + 1.0) * 0.5 * size)
    found = []
    for parts in texels:
        both = torch.cat(parts)
        low = (both.quantile(0.002, 0) - MARGIN).clamp(0, size).long().tolist()
        high = (both.quantile(0.998, 0) + MARGIN + 1).clamp(0, size).long().tolist()
        found.append((low[1], low[0], high[1] - low[1], high[0] - low[0]))
    return found


def learn(
    generator: TriPlaneGenerator, known: list[Take], where: list[Box], *, steps: int, batch: int,
    rate: float,
) -> Float[Tensor, "1 3 C P P"]:  # fmt: skip
    """The addition that makes frames of all takes."""
    config = generator.config
    mask = torch.zeros(1, 3, 1, config.plane_size, config.plane_size)
    for plane, (top, left, height, width) in enumerate(where):
        mask[:, plane, :, top : top + height, left : left + width] = 1.0
    shape = (1, 3, config.plane_features, config.plane_size, config.plane_size)
    planes = torch.zeros(shape, requires_grad=True)
    optimizer = torch.optim.Adam([planes], rate, betas=(0.9, 0.99))
    draws = np.random.default_rng(0)
    progress = track(range(steps), "Steps")
    for step in progress:
        optimizer.param_groups[0]["lr"] = rate * annealed(step, steps)
        optimizer.zero_grad()
        total: dict[str, float] = {}
        for chosen in draws.choice(len(known), batch, replace=False):
            losses = losses_of(generator, known[chosen], planes * mask, draws)
            torch.stack(list(losses.values())).sum().div(batch).backward()
            for name, loss in losses.items():
                total[name] = total.get(name, 0.0) + float(loss) / batch
        optimizer.step()
        if step % 25 == 0:
            print(step, {name: round(value, 4) for name, value in total.items()}, flush=True)
    return (planes * mask).detach()


def losses_of(
    generator: TriPlaneGenerator, take: Take, added: Tensor, draws: np.random.Generator
) -> dict[str, Tensor]:
    """A patch around the glasses, rendered and enlarged, and density at the frame's surface."""
    n = take.frame.shape[-1]
    with torch.no_grad():
        ws = generator.mapping(take.z, None)
        plain = generator.planes(ws)
    rows, columns = take.frame[0, 0].nonzero().float().mean(0).tolist()
    corner = (int(v - PATCH / 2 + draws.integers(-6, 7)) for v in (rows, columns))
    top, left = (min(max(v, 0), n - PATCH) for v in corner)
    camera = patch_camera(take.camera, top, left, PATCH, n)
    worn = add_painted(generator, plain, added, ws)
    sampling = replace(generator.config.rendering, depth_resolution=20, importance_resolution=28)

    def shown(planes: Tensor) -> tuple[Tensor, Tensor]:
        volume = render_volume(
            planes, generator.decoder, camera, sampling, resolution=PATCH, backend="torch",
            deterministic=True,
        )  # fmt: skip
        image = generator.superresolution(volume.features, ws, resize=False)
        return volume.features[:, :3], image

    with torch.no_grad():
        raw_before, image_before = shown(plain)
    raw, image = shown(worn)
    small = (..., slice(top, top + PATCH), slice(left, left + PATCH))
    large = (..., slice(2 * top, 2 * (top + PATCH)), slice(2 * left, 2 * (left + PATCH)))
    change, frame = take.image[large], take.frame[small]
    weight = 0.3 + 4.0 * F.max_pool2d(frame, 3, 1, 1)
    wanted = (raw_before + F.avg_pool2d(take.image, 2)[small]).clamp(-1.0, 1.0)
    aim = (image_before + change).clamp(-1.0, 1.0)
    fine = F.interpolate(weight, scale_factor=2, mode="nearest")
    return {
        "raw": 2.0 * (weight * (raw - wanted).abs()).mean(),
        "image": (fine * (image - aim).abs()).mean(),
        "solid": 0.1 * solid_loss(generator, worn, take, draws),
        "small": 1e-3 * added.square().sum() / (added != 0).sum().clamp_min(1),
    }


def solid_loss(
    generator: TriPlaneGenerator, planes: Tensor, take: Take, draws: np.random.Generator
) -> Tensor:
    """Just behind the frame's surface light is absorbed, before it is none."""
    pixels = (take.frame.flatten(1) == 1.0).nonzero()[:, 1]
    if not len(pixels):
        return planes.new_zeros(())
    chosen = pixels[torch.from_numpy(draws.integers(0, len(pixels), 128))][None]
    depth = take.depth.flatten(1).gather(1, chosen)
    u = torch.from_numpy(draws.random((2, *depth.shape))).to(depth)
    rays = make_rays(take.camera, take.frame.shape[-1])
    places = along_points(
        rays, torch.cat([chosen, chosen], 1),
        torch.cat([depth + 0.002 + 0.006 * u[0], depth - 0.012 - 0.03 * u[1]], 1),
    )  # fmt: skip
    density = F.softplus(generator.query(planes, places)[1] - 1.0)
    behind, before = density.split(depth.shape[1], 1)
    opaque = -torch.log(-torch.expm1(-(behind * 0.012).clamp_min(1e-12)))
    return opaque.mean() + (before * 0.012).mean()


@torch.no_grad()
def sheet(generator: TriPlaneGenerator, known: list[Take], added: Tensor) -> np.ndarray:
    """People without, and with what was learned."""
    rows = []
    for first in range(0, 6 * VIEWS, VIEWS):
        row = []
        for take in known[first : first + VIEWS]:
            ws = generator.mapping(take.z, None)
            plain = generator.planes(ws)
            for planes in (plain, add_painted(generator, plain, added, ws)):
                volume = generator.render(planes, take.camera, deterministic=True)
                image = generator.upsample(volume.features, ws)[0].permute(1, 2, 0)
                row.append(as_uint8(((image.clamp(-1.0, 1.0) + 1.0) * 0.5).numpy()))
        rows.append(row)
    return contact_sheet(rows)


def main(
    cache: Path, people: int = 80, steps: int = 500, batch: int = 2, rate: float = 0.03,
    out: Path = OUT, sheet_file: Path | None = None,
) -> None:  # fmt: skip
    """Write the shipped weights."""
    generator = load_generator("heads").requires_grad_(False)
    known = takes(people, cache, generator.config.image_size)
    known = [take for take in known if (take.frame == 1.0).any()]
    where = boxes(generator, known)
    print("boxes (top, left, height, width):", where)
    added = learn(generator, known, where, steps=steps, batch=batch, rate=rate)
    card = Card(
        "worn", {"generator": fingerprint(generator)}, licence="Apache-2.0",
        data=f"{people} people of the engine, {VIEWS} views each, with glasses and without",
        recipe=f"tools/learn_glasses.py --people {people} --steps {steps}", seed=SEED,
    )  # fmt: skip
    for path in save_worn(added, where, out, card):
        print(f"{path} {path.stat().st_size:,} bytes")
    if sheet_file is not None:
        write_image(sheet_file, sheet(generator, known, added))


if __name__ == "__main__":
    tyro.cli(main)
