"""Distilling an avatar: the fitted camera's pixels are kept exactly, outlines meet, the photo is
projected where it is seen and nowhere else, points are inside where the surface says so and the
photo agrees, and the planes come closer to their sides, the same bits every time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from invert_cases import generator_of
from synthetic_bust import synthetic_bust
from torch import Tensor

from portraiture.camera import eg3d_orbit, orbit, project, to_eg3d
from portraiture.engine.parameters import AvatarParameters
from portraiture.errors import InversionError
from portraiture.fit.run import Fitted
from portraiture.invert.distil.color import ColorConfig, color_planes, own_surface
from portraiture.invert.distil.method import DistilMethod
from portraiture.invert.distil.place import (
    GRID,
    aligned_camera,
    in_crop,
    moved_bust,
    outline_field,
    sampled,
)
from portraiture.invert.distil.shape import (
    ShapeConfig,
    agreed,
    density_loss,
    floaters,
    hollows,
)
from portraiture.invert.distil.views import Sides, filled_depth, rendered, with_photo
from portraiture.invert.method import choose_method
from portraiture.invert.refine_texture import RefinementConfig
from portraiture.models import Models
from portraiture.networks.features import add_residual
from portraiture.ops.resize import resized
from portraiture.people.views import HeadFrame, over, render_view
from portraiture.photo.align import crop_camera, crop_transform, fit_pose, mean_face
from portraiture.render.light import studio_light
from portraiture.render.pose import posed
from portraiture.triplane.sampling import make_rays
from portraiture.types import Photo, Quality

RADIUS = 0.3
FRAME = HeadFrame(0.4, np.eye(3), np.array([0.0, 0.8, 0.05]))


def fitted_and_photo() -> tuple[Fitted, Photo]:
    """A camera 1.3 m away whose photo shows a face off its centre, and that photo."""
    camera = orbit(0.3, 0.1, target=np.array([0.06, 0.85, 0.0]), distance=1.3, focal=2.5)
    points = mean_face()[0] + [0.0, 0.85, 0.1]
    pixels = project(points, camera, (400, 400))[:, :2].astype(np.float32)
    pose = fit_pose(pixels)
    photo = Photo(
        image=np.zeros((400, 400, 3), np.uint8), crop=np.zeros((512, 512, 3), np.uint8),
        landmarks=pixels, landmarks_depth=np.zeros(478, np.float32),
        crop_from_image=crop_transform(pose), camera=crop_camera(pose),
        quality=Quality(0, 0, 0, 0, 0, 0, 0, 0),
    )  # fmt: skip
    fitted = Fitted(
        AvatarParameters(), {}, camera, np.zeros((4, 4, 3), np.uint8), studio_light(),
        np.zeros((4, 4), np.float32), pixels, 0.0, {},
    )  # fmt: skip
    return fitted, photo


def test_moved_vertices_are_where_the_fitted_camera_sees_them() -> None:
    fitted, photo = fitted_and_photo()
    bust = synthetic_bust()
    camera = aligned_camera(FRAME, fitted, photo)
    moved = moved_bust(bust, FRAME, camera, fitted, photo)
    for before, after in zip(bust.parts, moved.parts, strict=True):
        wanted = in_crop(
            project(posed(before, bust.expression), fitted.camera, (400, 400))[:, :2], photo
        )
        points = FRAME.to_eg3d(posed(after, bust.expression).astype(np.float64))
        assert project(points, camera, (1, 1))[:, :2] == pytest.approx(wanted, abs=1e-5)


def test_the_aligned_camera_is_turned_as_the_fitted_one() -> None:
    fitted, photo = fitted_and_photo()
    camera = aligned_camera(FRAME, fitted, photo)
    same = photo.camera.T_world_cam[:3, :3]  # the face has the frame's axes
    angle = np.arccos((np.trace(camera.T_world_cam[:3, :3].T @ same) - 1.0) / 2.0)
    assert np.degrees(angle) < 1.0
    assert np.linalg.norm(camera.T_world_cam[:3, 3]) == pytest.approx(2.7)


def disc(radius: float, size: int = 128) -> np.ndarray:
    at = (np.arange(size) + 0.5) / size - 0.5
    return at[:, None] ** 2 + at[None] ** 2 < radius**2


def test_outlines_meet_and_anchors_stay() -> None:
    middle = np.array([[0.5, 0.5]])
    field = outline_field(
        [(disc(0.25), disc(0.29))], np.repeat(middle, 50, 0), np.zeros((GRID, GRID, 2))
    )
    turn = np.linspace(0.0, 2.0 * np.pi, 40)
    rim = 0.5 + 0.25 * np.stack([np.cos(turn), np.sin(turn)], 1)
    reached = np.linalg.norm(rim + sampled(field, rim) - 0.5, axis=1)
    assert reached == pytest.approx(np.full(40, 0.29), abs=0.008)
    assert np.abs(sampled(field, middle)).max() < 1e-3


def test_outlines_far_apart_are_left_alone() -> None:
    pairs = [(disc(0.2), disc(0.45)), (disc(0.2), np.zeros((128, 128), bool))]
    field = outline_field(pairs, np.zeros((0, 2)), np.zeros((GRID, GRID, 2)))
    assert not field.any()


def ball_sides(yaws: tuple[float, ...], size: int = 32) -> Sides:
    """A white ball, with exact depths."""
    cameras = [torch.from_numpy(to_eg3d(eg3d_orbit(yaw, 0.0))).float() for yaw in yaws]
    camera = torch.stack(cameras)
    origins, directions = make_rays(camera, size)
    along = (origins * directions).sum(-1)
    under = along**2 - origins.square().sum(-1) + RADIUS**2
    depth = torch.where(under > 0, -along - under.clamp_min(0).sqrt(), 0.0).view(-1, 1, size, size)
    image = torch.ones(len(yaws), 3, size, size)
    return Sides(camera, image, (depth > 0).float(), depth, depth.clone())


def test_sides_are_the_views_of_render_view() -> None:
    frame = HeadFrame(0.8, np.eye(3), np.array([0.0, 0.8, 0.0]))
    cameras = [eg3d_orbit(yaw, 0.1) for yaw in (0.3, -0.7)]
    light = studio_light()
    sides = rendered(synthetic_bust(), frame, cameras, light, size=48, neural=24)
    for camera, image, depth in zip(cameras, sides.image, sides.fine, strict=True):
        view = render_view(synthetic_bust(), frame, camera, size=48, light=light)
        assert np.array_equal(depth[0].numpy(), view.depth) and view.depth.max() > 0
        pixels = torch.from_numpy(over(view.rgba, 1.0)).permute(2, 0, 1).float() / 127.5 - 1.0
        assert torch.equal(image, pixels)


def test_the_photo_is_seen_where_both_sides_see_the_ball() -> None:
    sides = ball_sides((0.0, 1.0), size=64)
    own, side = sides.part(slice(0, 1)), sides.part(slice(1, 2))
    photo = -torch.ones(1, 3, 64, 64)
    shown = with_photo(side, own, photo, torch.ones(1, 1, 64, 64))[0, 0]
    origins, directions = make_rays(side.camera, 64)
    points = origins + directions * side.depth.flatten(2).mT
    facing = (
        points / RADIUS * torch.nn.functional.normalize(own.camera[0, [3, 7, 11]], dim=0)
    ).sum(-1)
    facing, met = facing.view(64, 64), side.depth[0, 0] > 0
    assert shown[met & (facing > 0.45)].mean() < -0.95
    assert shown[met & (facing < -0.05)].mean() > 0.95
    assert shown[~met].mean() > 0.95


def test_depth_is_filled_where_only_the_photo_shows_something() -> None:
    depth, alpha = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    depth[..., 1], alpha[..., :3] = 2.5, 1.0
    filled = filled_depth(depth, alpha)
    assert (filled[..., :3] == 2.5).all() and not filled[..., 3].any()


def test_points_agree_with_the_photo() -> None:
    photo = ball_sides((0.0,))
    photo.alpha[..., :16] = 0.0  # the photo shows background left of its middle
    points = torch.tensor([[-0.1, 0.0, 0.0], [0.1, 0.0, 0.0], [0.1, 0.0, 0.4], [-0.1, 0.0, 0.4]])
    kept, full = agreed(points, torch.tensor([True, True, False, False]), photo)
    assert torch.equal(kept, points)
    assert full.tolist() == [False, True, False, False]
    photo.fine[:] = 0.0  # and the avatar has nothing there
    kept, full = agreed(points, torch.tensor([False, False, False, False]), photo)
    assert torch.equal(kept, points[[0, 2, 3]])


def test_what_the_head_lacks_is_behind_its_surface() -> None:
    sides, config = ball_sides((0.0, 1.0)), ShapeConfig()
    opacity = sides.alpha.clone()
    assert not len(hollows(sides, opacity, config))
    opacity[1] = 0.0
    points = hollows(sides, opacity, config)
    share = len(points) / (float(sides.alpha[1].sum()) * len(config.behind))
    assert 0.95 < share <= 1.0  # the photo's background takes some at the rim
    away = (points - sides.camera[1, [3, 7, 11]]).norm(dim=-1)
    assert (points.norm(dim=-1) < RADIUS).float().mean() > 0.9 and away.max() < 2.7 + RADIUS


def test_strands_that_only_the_photo_sees_stay() -> None:
    photo = ball_sides((0.0,))
    before, inside = RADIUS + 0.02, RADIUS - 0.02  # of the front, and behind the photo's surface
    points = torch.tensor([[0.0, 0.0, before], [0.0, 0.0, inside], [0.0, 0.0, 0.0]])
    kept, _ = agreed(points, torch.tensor([False, False, False]), photo)
    assert torch.equal(kept, points[[0, 2]])


def test_planes_come_closer_to_their_sides(folder: Path) -> None:
    generator, models = generator_of(folder), Models()
    small = HeadFrame(0.8, np.eye(3), np.array([0.0, 0.8, 0.0]))
    cameras = [eg3d_orbit(yaw, 0.0) for yaw in (0.0, -0.7, 0.7)]
    sides = rendered(synthetic_bust(), small, cameras, studio_light(), size=128, neural=16)
    ws = torch.zeros(1, generator.num_ws, generator.config.w_dim)
    plain = generator.planes(ws).detach()
    # A generator of random weights needs other rates and weights than the shipped one.
    steps = RefinementConfig(steps=24, rate=3.0, warmup=3)
    color = ColorConfig(density=1.0, every=3, floor=0.1)
    shape, perceptual = ShapeConfig(rays=300, own=6.0), models.parser()

    def distilled() -> tuple[Tensor, Tensor]:
        wrong = density_loss(generator, sides, shape)
        first = color_planes(
            generator, ws, plain, torch.zeros_like(plain), sides, perceptual, wrong, steps,
            color, thickness=0.01, stage="Distil the avatar",
        )  # fmt: skip
        now = add_residual(generator, plain, first, ws)
        surface, floating = own_surface(generator, now, sides), floaters(generator, now, sides)
        lacking = hollows(sides, surface.alpha, shape)
        wrong = density_loss(generator, sides, shape, floating, lacking, surface.alpha)
        return first, color_planes(
            generator, ws, plain, first, sides, perceptual, wrong,
            replace(steps, rate=1.0), color, stage="Refine the head",
        )  # fmt: skip

    def error(residual: Tensor) -> tuple[float, float]:
        planes = add_residual(generator, plain, residual, ws)
        volumes = [generator.render(planes, one[None], deterministic=True) for one in sides.camera]
        opacity = torch.cat([volume.opacity for volume in volumes])
        image = torch.cat([generator.upsample(volume.features, ws) for volume in volumes])
        both = resized(torch.minimum(opacity, sides.alpha), 128)
        off = ((image - sides.image).abs() * both).sum() / both.sum()
        return float((opacity - sides.alpha).abs().mean()), float(off)

    first, found = distilled()
    start, middle, end = (error(x) for x in (torch.zeros_like(plain), first, found))
    assert middle[0] < 0.8 * start[0] and end[0] < 0.95 * middle[0]
    assert max(middle[1], end[1]) < 0.92 * start[1]
    assert torch.equal(distilled()[1], found)


def test_what_distil_refuses(folder: Path) -> None:
    models = Models()
    with pytest.raises(InversionError, match="engine's people"):
        choose_method("distil", models, network=folder / "small.safetensors")
    with pytest.raises(InversionError, match="refine-steps only"):
        choose_method("distil", models, steps=3)
    with pytest.raises(InversionError, match="from 0 to"):
        choose_method("distil", models, refine_steps=-1)
    with pytest.raises(InversionError, match="one photo"):
        DistilMethod(models, "heads").check(2)
