"""Draw the images of the README: the demo photo's avatar and its neural head, and sampled people.

python tools/make_docs.py [--out docs]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy import ndarray
from PIL import Image

from portraiture.avatar import Avatar
from portraiture.camera import eg3d_orbit, from_eg3d
from portraiture.checkpoints import load_generator
from portraiture.create.run import make_avatar
from portraiture.edit.directions import known_directions
from portraiture.edit.run import edit
from portraiture.engine.sample_expression import portrait_expression
from portraiture.engine.style.recipes import STYLES, style_shading
from portraiture.export.video import over, studio_wall
from portraiture.fit.run import fit_photo
from portraiture.head import head_image
from portraiture.invert.method import choose_method
from portraiture.invert.run import invert_photos
from portraiture.media import write_image
from portraiture.meshing.head_mesh import pixels_of, render_head
from portraiture.models import default_models
from portraiture.people.latent import sample_latents
from portraiture.photo.align import align
from portraiture.photo.demo_photo import demo_photo
from portraiture.pixels import squared
from portraiture.render.framing import portrait_camera
from portraiture.render.light import studio_light
from portraiture.render.mesh import render_bust
from portraiture.types import as_uint8

SIZE = 360


def shoot(avatar: Avatar, yaw: float, expression: dict[str, float]) -> ndarray:
    """One square image before a studio wall; yaw in degrees."""
    bust = avatar.bust(expression=expression)
    frame = render_bust(
        bust,
        portrait_camera(bust, yaw=float(np.radians(yaw))),
        size=SIZE,
        light=studio_light(),
        shading=style_shading(avatar.style),
    )
    return over(frame.rgba, studio_wall(SIZE, SIZE))


def demo() -> ndarray:
    """The photo, its avatar from three sides, and three styles."""
    photo = align(demo_photo())
    avatar = make_avatar(photo, fit_photo(photo))
    images = [np.asarray(Image.fromarray(photo.crop).resize((SIZE, SIZE)))]
    images += [shoot(avatar, 0.0, dict(avatar.expression)), shoot(avatar, 40.0, {})]
    styles, smile = ("pixar", "cartoon", "comic"), portrait_expression(0, mood="smile")
    images += [shoot(replace(avatar, style=style), 20.0, smile) for style in styles]
    return np.concatenate([np.concatenate(images[k : k + 3], 1) for k in (0, 3)])


def in_styles(seeds: tuple[int, ...]) -> ndarray:
    """The demo photo's avatar and sampled people, a row each, in every style."""
    photo = align(demo_photo())
    avatars = [make_avatar(photo, fit_photo(photo)), *map(Avatar.sample, seeds)]
    smile = portrait_expression(0, mood="smile")
    rows = [
        np.concatenate([shoot(replace(avatar, style=s), 22.0, smile) for s in STYLES], 1)
        for avatar in avatars
    ]
    return squeezed(np.concatenate(rows), 0.6)


def squeezed(image: ndarray, factor: float) -> ndarray:
    """The image, `factor` times as large."""
    size = (round(factor * image.shape[1]), round(factor * image.shape[0]))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def people(seeds: tuple[int, ...]) -> ndarray:
    """Sampled people, six a row."""
    images = [
        shoot(Avatar.sample(seed), 25.0 if k % 2 else -25.0, portrait_expression(seed))
        for k, seed in enumerate(seeds)
    ]
    return np.concatenate([np.concatenate(images[k : k + 6], 1) for k in range(0, len(images), 6)])


def neural_heads(count: int = 8) -> ndarray:
    """Random people of the generator's test, from five sides, two people a row."""
    generator = load_generator("heads")
    with torch.no_grad():
        ws = generator.mapping(torch.from_numpy(sample_latents(count, 77)), None)
        each = []
        for w in ws.split(1):
            planes = generator.planes(w)
            views = [
                render_head(generator, w, planes, eg3d_orbit(float(yaw), 0.0)).image
                for yaw in np.radians((-40.0, -20.0, 0.0, 20.0, 40.0))
            ]
            each.append([squared(as_uint8(view), 160) for view in views])
    rows = [np.concatenate(each[k] + each[k + 1], 1) for k in range(0, count, 2)]
    return np.concatenate(rows)


def inverted() -> ndarray:
    """The photo, cut out, its head by the default method from its camera and from the sides; then
    edits of its head by goae+refine."""
    method, photo = choose_method(None, default_models()), align(demo_photo())
    head, target = invert_photos([photo], method)
    known = known_directions(method.generator)
    camera = from_eg3d(head.camera[0].numpy())
    shown = render_head(head.network, head.modulation, head.planes, camera)
    top = [as_uint8(pixels_of(target.image)), as_uint8(shown.image)]
    top += [head_image(head, float(np.radians(yaw))) for yaw in (-35.0, 0.0, 35.0)]
    edits = ({"smile": 1.5}, {"age": 1.0}, {"sex": 1.0}, {"glasses": 1.0}, {"hair-length": 1.5})
    head, _ = invert_photos([photo], choose_method("goae+refine", default_models()))
    rows = [top, [head_image(edit(head, amounts, directions=known)) for amounts in edits]]
    return np.concatenate([np.concatenate([squared(p, 256) for p in row], 1) for row in rows])


def main() -> None:
    """Write demo.jpg, styles.jpg, people.jpg, heads.jpg and invert.jpg."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs"))
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    write_image(folder / "people.jpg", people((9, 2, 13, 6, 17, 20, 23, 16, 11, 5, 21, 22)))
    write_image(folder / "demo.jpg", demo())
    write_image(folder / "styles.jpg", in_styles((39, 11, 34)))
    write_image(folder / "heads.jpg", neural_heads())
    write_image(folder / "invert.jpg", inverted())


if __name__ == "__main__":
    main()
