"""Draw the pictures of the README: the demo photo's avatar, and sampled people.

python tools/make_docs.py [--out docs]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy import ndarray
from PIL import Image

from portraiture.align import align
from portraiture.avatar import Avatar
from portraiture.demo_photo import demo_photo
from portraiture.engine.styles import style_shading
from portraiture.export.video import over, studio_wall
from portraiture.fit.run import fit_photo
from portraiture.media import write_image
from portraiture.photo_to_avatar import FRIENDLY, make_avatar
from portraiture.render.framing import portrait_camera
from portraiture.render.light import studio_light
from portraiture.render.mesh import render_bust

SIZE = 360


def shoot(avatar: Avatar, yaw: float, expression: dict[str, float]) -> ndarray:
    """One square picture before a studio wall; yaw in degrees."""
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
    pictures = [np.asarray(Image.fromarray(photo.crop).resize((SIZE, SIZE)))]
    pictures += [shoot(avatar, 0.0, dict(avatar.expression)), shoot(avatar, 40.0, {})]
    styles = ("pixar", "cartoon", "comic")
    pictures += [shoot(replace(avatar, style=style), 20.0, FRIENDLY) for style in styles]
    return np.concatenate([np.concatenate(pictures[k : k + 3], 1) for k in (0, 3)])


def people(seeds: tuple[int, ...]) -> ndarray:
    """Sampled people, six a row."""
    pictures = [
        shoot(Avatar.sample(seed), 25.0 if k % 2 else -25.0, FRIENDLY)
        for k, seed in enumerate(seeds)
    ]
    return np.concatenate(
        [np.concatenate(pictures[k : k + 6], 1) for k in range(0, len(pictures), 6)]
    )


def main() -> None:
    """Write demo.jpg and people.jpg."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs"))
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    write_image(folder / "people.jpg", people((9, 2, 13, 6, 17, 20, 23, 16, 11, 5, 21, 22)))
    write_image(folder / "demo.jpg", demo())


if __name__ == "__main__":
    main()
