"""Called from several threads at a time, everything gives the bits that it gives alone."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import torch
from numpy import ndarray
from PIL import Image

import portraiture
from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.checkpoints import load_generator
from portraiture.edit.run import edit
from portraiture.invert.method import encoder_method
from portraiture.invert.run import invert_photos
from portraiture.media import read_image
from portraiture.models import default_models
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.photo.align import align
from portraiture.photo.demo_photo import demo_photo
from portraiture.render.framing import portrait_camera
from portraiture.render.mesh import render_bust

Call = Callable[[], Sequence[ndarray]]


def _together(*calls: Call) -> list[Sequence[ndarray]]:
    """What calls that begin at the same time give."""
    start = Barrier(len(calls))

    def run(call: Call) -> Sequence[ndarray]:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def _same_together(*calls: Call) -> bool:
    """Whether calls at the same time give what they give one after the other."""
    return all(
        np.array_equal(a, b)
        for one, call in zip(_together(*calls), calls, strict=True)
        for a, b in zip(one, call(), strict=True)
    )


@pytest.fixture(scope="module")
def generator() -> TriPlaneGenerator:
    return load_generator("heads")


def _synthesize(generator: TriPlaneGenerator, seed: int) -> Call:
    z = torch.randn(1, generator.config.z_dim, generator=torch.Generator().manual_seed(seed))
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(0.3 * seed, 0.0))).float()[None]

    def call() -> Sequence[ndarray]:
        with torch.no_grad():
            rng = torch.Generator().manual_seed(seed)
            shown = generator.synthesize(generator.mapping(z, camera), camera, generator=rng)
        return [shown.image.numpy(), shown.depth.numpy()]

    return call


def _avatar(seed: int, yaw: float) -> Call:
    """A new person in each call: nothing is remembered from the last."""
    return lambda: [portraiture.Avatar.sample(seed).render(yaw=yaw, size=64)]


def test_heads_are_synthesized_together(generator: TriPlaneGenerator) -> None:
    assert _same_together(*(_synthesize(generator, seed) for seed in (0, 1, 0)))


@pytest.mark.slow
def test_avatars_are_built_and_rendered_together() -> None:
    assert _same_together(_avatar(3, 0.0), _avatar(4, 0.4))
    shared = portraiture.Avatar.sample(3)
    assert _same_together(
        *(lambda yaw=yaw: [shared.render(yaw=yaw, size=64)] for yaw in (0.0, 0.3, 0.0))
    )


def test_one_bust_is_rendered_together_and_scenes_push_each_other_out() -> None:
    bust = portraiture.Avatar.sample(5).bust()
    busts = [replace(bust, expression={"jawOpen": 0.1 * k}) for k in range(6)]

    def call(k: int) -> Call:
        def render() -> Sequence[ndarray]:
            frame = render_bust(busts[k], portrait_camera(bust, yaw=0.1 * k), size=48)
            return [frame.rgba, frame.depth, frame.normal, frame.segmentation]

        return render

    assert _same_together(*(call(k) for k in (0, 1, 2, 3, 4, 5, 0, 1)))


def test_heads_and_avatars_do_not_disturb_each_other(generator: TriPlaneGenerator) -> None:
    assert _same_together(_synthesize(generator, 2), _avatar(6, 0.2))


def test_rendering_together_needs_no_thread_safe_layer_of_numba() -> None:
    program = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "import numba, numpy as np, portraiture.engine.prepare as p\n"
        "from portraiture.camera import orbit\n"
        "from portraiture.render.mesh import render_bust\n"
        "camera = orbit(0.1, 0.1, target=np.zeros(3), distance=0.8, focal=2.0)\n"
        "render = lambda k: render_bust(p._triangles(), camera, size=64).rgba\n"
        "with ThreadPoolExecutor(3) as pool:\n"
        "    found = list(pool.map(render, range(30)))\n"
        "assert all(np.array_equal(found[0], one) for one in found)\n"
        "print(numba.threading_layer())\n"
    )
    environment = {**os.environ, "NUMBA_THREADING_LAYER": "workqueue"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == "workqueue", done.stderr[-2000:]


def test_every_parallel_kernel_waits_where_it_has_to() -> None:
    sources = list(Path(portraiture.__file__).parent.rglob("*.py"))
    lines = [line for path in sources for line in path.read_text().splitlines()]
    parallel = [k for k, line in enumerate(lines) if "njit(" in line and "parallel=True" in line]
    assert parallel
    assert {lines[k - 1] for k in parallel} == {"@one_at_a_time"}


def test_reading_images_together_leaves_the_filters_of_warnings(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((400, 400, 3), np.uint8)).save(tmp_path / "a.png")
    before = list(warnings.filters)
    _together(*[lambda: [read_image(tmp_path / "a.png") for _ in range(30)]] * 4)
    assert warnings.filters == before


@pytest.mark.slow
def test_photos_become_avatars_and_heads_together() -> None:
    photo = read_image(demo_photo())
    flipped = np.ascontiguousarray(photo[:, ::-1])
    how = encoder_method(default_models(), "goae+refine")
    aligned = align(photo)

    def created(image: ndarray) -> Call:
        def call() -> Sequence[ndarray]:
            avatar = portraiture.create(image)
            assert avatar.albedo is not None and avatar.camera is not None
            return [avatar.albedo, avatar.camera.T_world_cam, avatar.render(size=64)]

        return call

    def inverted() -> Sequence[ndarray]:
        head, _ = invert_photos([aligned], how)
        changed = edit(head, {"smile": 1.0})
        assert head.ws is not None
        return [
            head.ws.numpy(),
            head.planes.numpy(),
            changed.planes.numpy(),
            changed.render(yaw=0.3),
        ]

    assert _same_together(created(photo), created(flipped), inverted, inverted)
