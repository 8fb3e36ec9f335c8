"""What is optimised for one head: personal avatars, reference images, and videos.

Properties: personalising lowers its loss and changes w alone; Gram matrices against loops; a
reference changes texture layers alone, or the geometry layers too, and lowers the style distance
from views that it was not optimised from; the camera covers its range; differences of codes act on
layers 7 to 10 alone.
"""

from __future__ import annotations

from math import radians
from pathlib import Path

import numpy as np
import pytest
import torch
from adapt_cases import generator_file, learned_style
from PIL import Image
from recorded_progress import RecordedProgress

from portraiture.adapt.clip import clip_frames
from portraiture.adapt.layers import geometry_names, texture_names
from portraiture.adapt.personalise import PersonalConfig, personalise
from portraiture.adapt.reference import (
    ReferenceConfig,
    gram,
    reference_pixels,
    rotation,
    style_distance,
    stylise_by_reference,
)
from portraiture.adapt.stylise import stylise
from portraiture.adapt.video import Motion, animate, moved_rows, smoothed, swinging, transferred
from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.errors import AdaptError
from portraiture.head import Head, rounded
from portraiture.media import write_video
from portraiture.models import Models
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.perception.parser import ParserConfig, ParserNetwork


@pytest.fixture
def head(tmp_path: Path) -> Head:
    models, path = Models(), generator_file(tmp_path)
    generator = models.generator(path)
    ws = generator.mapping(torch.randn(1, 8, generator=torch.Generator().manual_seed(5)), None)
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(0.0, 0.0))).float()[None]
    made = Head(
        planes=generator.planes(ws), ws=ws, camera=camera, generator=str(path),
        fingerprint=models.fingerprint(path), method="sample", models=models,
    )  # fmt: skip
    return rounded(made)


def test_a_personal_avatar_changes_w_alone_and_lowers_its_loss(head: Head) -> None:
    style = learned_style(head.models.generator(head.generator))
    styled = stylise(head, style, name="painted")
    progress = RecordedProgress()
    config = PersonalConfig(steps=12, rays=16, yaws=(0.0,), rate=0.1, near=0.0)
    made = personalise(styled, head, style, config=config, progress=progress)
    losses = [row["loss"] for row in progress.scalars if "loss" in row]
    assert losses[-1] < losses[0]
    assert made.ws is not None and styled.ws is not None
    assert not torch.equal(made.ws, styled.ws) and dict(made.tuned).keys() == styled.tuned.keys()
    with pytest.raises(AdaptError):
        personalise(head, head, style)


def test_gram_matrices_are_correlations() -> None:
    x = torch.randn(1, 3, 4, 5)
    g = gram(x)[0]
    for i in range(3):
        for j in range(3):
            by_hand = float((x[0, i] * x[0, j]).sum()) / (3 * 4 * 5)
            assert abs(float(g[i, j]) - by_hand) < 1e-6
    assert float(style_distance([x], [gram(x)])) == 0.0
    turned = x.flip(3)  # correlations do not know where
    assert float(style_distance([turned], [gram(x)])) < 1e-10
    assert abs(float(style_distance([0.0 * x], [gram(x)])) - 1.0) < 1e-6


def test_the_camera_covers_its_range_uniformly() -> None:
    config = ReferenceConfig(yaw=1.0, pitch=0.5)
    angles = np.array([rotation(k, config) for k in range(400)])
    for column, reach in zip(angles.T, (1.0, 0.5), strict=True):
        counts, _ = np.histogram(column, bins=10, range=(-reach, reach))
        assert counts.min() >= 36 and counts.max() <= 44


@pytest.mark.parametrize("changed", ["color", "color+shape"])
def test_a_reference_changes_the_layers_it_says(head: Head, changed: str) -> None:
    torch.manual_seed(0)
    features = ParserNetwork(ParserConfig(widths=(4, 8, 8, 8), size=64)).eval()
    features.requires_grad_(False)
    reference = torch.zeros(1, 3, 128, 128)
    reference[:, 0] = 1.0
    config = ReferenceConfig(changed=changed, steps=10, rays=16, rate=0.02, content=0.0)  # type: ignore[arg-type]
    made = stylise_by_reference(head, reference, features, name="red", config=config)
    known = set(texture_names(head.network))
    if changed == "color+shape":
        known |= set(geometry_names(head.network))
    assert set(made.tuned) <= known and set(made.tuned) & set(texture_names(head.network))
    assert bool(set(made.tuned) & set(geometry_names(head.network))) == (changed != "color")
    wanted = [gram(x) for x in features.features(reference)]

    def distance(one: Head) -> float:
        image = torch.from_numpy(one.render(yaw=radians(20.0), background=(1.0, 1.0, 1.0)))
        pixels = image[..., :3].permute(2, 0, 1)[None] * 2.0 - 1.0
        return float(style_distance(features.features(pixels), wanted))

    assert distance(made) < 0.8 * distance(head)


def test_the_middle_square_of_a_reference_is_taken() -> None:
    wide = torch.zeros(1, 3, 4, 8)
    wide[..., 2:6] = 1.0
    assert torch.equal(reference_pixels(wide, 4), torch.ones(1, 3, 4, 4))


def test_codes_act_on_layers_7_to_10(head: Head) -> None:
    with torch.device("meta"):
        published = TriPlaneGenerator(TriPlaneConfig())
    assert moved_rows(published, "published") == [7, 8, 9, 10]
    assert published.num_ws == 14
    with pytest.raises(AdaptError, match="rows all"):
        moved_rows(head.network, "published")
    ws, codes = torch.zeros(1, 4, 2), torch.arange(24.0).view(3, 4, 2)
    out = transferred(ws, Motion(codes, np.zeros(3), smooth=0.0), [1, 2])
    assert torch.equal(out[:, 1:3], (codes - codes[:1])[:, 1:3])
    assert float(out[:, [0, 3]].abs().max()) == 0.0
    steady = torch.ones(6, 1, 1)
    assert torch.allclose(smoothed(steady, 1.0), steady)


def test_frames_of_a_moved_head(head: Head, tmp_path: Path) -> None:
    style = learned_style(head.models.generator(head.generator))
    styled = stylise(head, style, name="painted", exaggerate=0.0)
    assert styled.ws is not None
    codes = styled.ws + torch.tensor([0.0, 3.0]).view(2, 1, 1)
    motion = Motion(codes, swinging(2, 0.0), smooth=0.0)
    frames = list(animate(styled, style, motion, rows="all"))
    assert len(frames) == 2 and frames[0].shape == (128, 128, 3)
    known = (styled.render(background=(1.0, 1.0, 1.0))[..., :3] * 255.0).round()
    assert np.abs(frames[0].astype(float) - known).mean() < 1.0
    assert not np.array_equal(frames[0], frames[1])
    with pytest.raises(AdaptError):
        next(animate(head, style, motion))


def test_clips_are_folders_or_videos_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for k in (2, 0, 1):
        Image.new("RGB", (64, 48), (80 * k, 0, 0)).save(folder / f"{k}.png")
    assert [int(f[0, 0, 0]) for f in clip_frames(folder)] == [0, 80, 160]
    assert len(list(clip_frames(folder, most=2))) == 2
    video = tmp_path / "clip.mp4"
    write_video(video, iter([np.full((64, 64, 3), 90, np.uint8)] * 3), 12.0)
    decoded = list(clip_frames(video))
    assert len(decoded) == 3 and abs(float(decoded[0].mean()) - 90.0) < 6.0
    (tmp_path / "list.mp4").write_text("#EXTM3U\nhttp://127.0.0.1/a.ts\n")
    for bad in ("list.mp4", "list.m3u8", "none.mp4"):
        with pytest.raises(AdaptError):
            list(clip_frames(tmp_path / bad))
