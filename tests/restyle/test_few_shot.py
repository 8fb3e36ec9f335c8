"""The few-shot set: where it looks from, that its views are the generator's, one n for all."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
import torch
from recorded_progress import RecordedProgress
from restyle_cases import Tinted, random_head, solid_generator, tinted

from portraiture.camera import EG3D_ANCHOR, from_eg3d
from portraiture.errors import CancelledError, RestyleError
from portraiture.restyle.few_shot import front_of, make_few_shot, view_grid


@pytest.mark.parametrize(("sides", "front"), [(1, 0.0), (5, 0.0), (10, pi / 54)])
def test_views_are_a_grid_of_thirty_degrees(sides: int, front: float) -> None:
    angles = view_grid(sides)
    assert len(set(angles)) == sides**2
    if sides > 1:
        assert np.isclose(np.min(angles, 0), -pi / 6).all()
        assert np.isclose(np.max(angles, 0), pi / 6).all()
        yaws = np.unique(np.round(np.array(angles)[:, 0], 9))
        assert np.allclose(np.diff(yaws), pi / 3 / (sides - 1))
    assert np.allclose(np.abs(angles[front_of(angles)]), front)


def test_no_views_are_refused() -> None:
    for sides in (0, 33):
        with pytest.raises(RestyleError, match="1 to 32"):
            view_grid(sides)


def test_the_set_is_the_edited_views_of_one_head() -> None:
    generator, editor = solid_generator(), Tinted()
    planes, ws = random_head(generator)
    progress = RecordedProgress()
    few = make_few_shot(
        generator, planes, ws, "red", editor, sides=3, seed=9, start="noise", progress=progress
    )
    assert editor.asked == [("red", 9, "noise")] and progress.steps == {"Edit the views": 9}
    assert (len(few), few.front, few.prompt, few.editor, few.seed) == (9, 4, "red", "tinted", 9)
    for k, (yaw, pitch) in enumerate(view_grid(3)):
        pose = from_eg3d(few.cameras[k].numpy()).T_world_cam
        away = pose[:3, 3] - EG3D_ANCHOR
        away /= np.linalg.norm(away)
        wanted = [np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)]
        assert np.allclose(away, wanted, atol=1e-6)
        with torch.no_grad():
            volume = generator.render(planes, few.cameras[k : k + 1], deterministic=True)
            image = generator.upsample(volume.features, ws)[0].clamp(-1.0, 1.0)
        assert torch.allclose(few.images[k], tinted(image, "red"), atol=1e-5)
    assert float(few.images.std(0).mean()) > 1e-3, "views differ"


def test_it_can_be_cancelled() -> None:
    generator = solid_generator()
    with pytest.raises(CancelledError):
        make_few_shot(
            generator, *random_head(generator), "red", Tinted(), sides=2,
            progress=RecordedProgress(cancel_after=2),
        )  # fmt: skip
