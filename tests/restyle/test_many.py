"""Sets of many styles on disk, one network for them, and mixing: what is where, what resumes, and
that a set's styles and identities are told apart by one network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from patch_features import Blocks
from recorded_progress import RecordedProgress
from restyle_cases import Tinted, solid_generator, tinted, untrained_planes
from torch import Tensor

from portraiture.camera import EG3D_ANCHOR
from portraiture.checkpoints import load_image_to_planes
from portraiture.errors import RestyleError, TrainingError
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.image_to_planes import planes_of_photos
from portraiture.ops.resize import resized
from portraiture.restyle.few_shot import cameras_at
from portraiture.restyle.fine_tune import styled_planes
from portraiture.restyle.many import STYLES, StyleImages, TrainStyles, train_many
from portraiture.restyle.mix import mixed_planes
from portraiture.restyle.style_set import (
    StyleSetConfig,
    as_bytes,
    as_floats,
    load_style,
    make_style_set,
    read_prompts,
    sampled_head,
    save_style,
    style_path,
)
from portraiture.train.distributed import World
from portraiture.train.rng import step_rng

SMALL = StyleSetConfig(sides=2, identities=3, seed=4)


def test_prompts_are_lines(tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("# styles\nan elf\n\n  a wizard \nan elf\n")
    assert read_prompts(tmp_path / "prompts.txt") == ["an elf", "a wizard"]
    for text in ("", "\n#x\n", "x" * 401, "\n".join(map(str, range(1001)))):
        (tmp_path / "prompts.txt").write_text(text)
        with pytest.raises(RestyleError, match="1 to 1000"):
            read_prompts(tmp_path / "prompts.txt")
    with pytest.raises(RestyleError, match="cannot be read"):
        read_prompts(tmp_path)


def test_mssi_is_one_identity_from_many_sides(tmp_path: Path) -> None:
    generator, editor, progress = solid_generator(), Tinted(), RecordedProgress()
    make_style_set(tmp_path, ["red", "blue"], generator, editor, SMALL, progress=progress)
    assert [asked[:2] for asked in editor.asked] == [("red", 4), ("blue", 4)]
    assert progress.steps == {"Edit the styles": 8}
    planes, ws = sampled_head(generator, 4, 0.7)
    for k, prompt in enumerate(("red", "blue")):
        style = load_style(style_path(tmp_path, k))
        assert style.prompt == prompt and style.images.shape == (4, 128, 128, 3)
        assert set(style.front.tolist()) == {int(style.front[0])}
        with torch.no_grad():
            shown = generator.render(
                planes, torch.from_numpy(style.cameras[2:3]), deterministic=True
            )
            image = generator.upsample(shown.features, ws)[0].clamp(-1.0, 1.0)
        wanted = as_bytes(tinted(image, prompt)[None])[0]
        assert np.abs(style.images[2].astype(int) - wanted.astype(int)).mean() < 6.0
    (tmp_path / "style_0001.npz").unlink()
    make_style_set(tmp_path, ["red", "blue"], generator, editor, SMALL)
    assert len(editor.asked) == 3 and load_style(style_path(tmp_path, 1)).prompt == "blue"
    with pytest.raises(RestyleError, match="other settings"):
        make_style_set(tmp_path, ["red"], generator, editor, SMALL)


def test_msmi_is_many_identities_each_with_its_front(tmp_path: Path) -> None:
    generator = solid_generator()
    config = replace(SMALL, kind="msmi")
    make_style_set(tmp_path, ["red"], generator, Tinted(), config)
    style = load_style(style_path(tmp_path, 0))
    assert style.front.tolist() == [0, 0, 2, 2, 4, 4]
    front = cameras_at([(0.0, 0.0)])[0].numpy()
    assert all(np.allclose(style.cameras[k], front) for k in style.front)
    away = style.cameras[1::2, [3, 7, 11]] - EG3D_ANCHOR
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    assert (np.abs(np.arcsin(away[:, 1])) <= np.pi / 6 + 1e-6).all()
    assert len(np.unique(away.round(5), axis=0)) == 3
    people = [sampled_head(generator, 4 + k, 0.7)[1] for k in range(3)]
    assert not torch.allclose(people[0], people[1])


def test_files_that_are_no_styles_are_refused(tmp_path: Path) -> None:
    generator = solid_generator()
    make_style_set(tmp_path, ["red"], generator, Tinted(), replace(SMALL, sides=1))
    path = style_path(tmp_path, 0)
    whole = path.read_bytes()
    for data in (b"", whole[:200], whole[: len(whole) // 2], np.zeros(3).tobytes()):
        path.write_bytes(data)
        with pytest.raises(RestyleError, match="not the file of a style"):
            load_style(path)
    path.write_bytes(whole)
    style = load_style(path)
    save_style(replace(style, front=np.array([7])), path)
    with pytest.raises(RestyleError, match="do not fit"):
        load_style(path)
    with pytest.raises(TrainingError, match="no style_"):
        StyleImages(tmp_path / "none")


def mean_colour(generator: TriPlaneGenerator, planes: Tensor, ws: Tensor) -> Tensor:
    with torch.no_grad():
        shown = generator.render(planes, cameras_at([(0.0, 0.0)]), deterministic=True)
    return shown.features[0, :3].mean((1, 2))


def test_one_network_learns_several_styles_and_mixes_them(tmp_path: Path) -> None:
    generator, network = solid_generator(), untrained_planes(solid_generator())
    make_style_set(tmp_path, ["red", "blue"], generator, Tinted(), SMALL)
    config = replace(
        STYLES["tiny"], learning_rate=0.005, decay_steps=100, half_life=4.0,
        losses=replace(STYLES["tiny"].losses, rays=48, ray_samples=6),
    )  # fmt: skip
    made = TrainStyles(config, StyleImages(tmp_path), generator, network, Blocks())
    state = made.build(World())
    for step in range(40):
        state.step = step
        batch = made.batch(step, 4, torch.Generator().manual_seed(step))
        made.step(state, batch, step_rng(0, step, 0, torch.device("cpu")), World())
    trained = state.models["styles"].eval()
    fronts = [as_floats(s.images[s.front[:1]]) for s in made.data.styles]
    red, blue = (
        mean_colour(generator, *styled_planes(trained, front, generator))  # type: ignore[arg-type]
        for front in fronts
    )
    assert float(red[0] - red[2]) > float(blue[0] - blue[2]) + 0.1
    assert made.grid(state).shape == (2 * 128, 4 * 128, 3)
    ends = [mixed_planes(trained, generator, *fronts, t) for t in (0.0, 1.0)]  # type: ignore[arg-type]
    for (planes, ws), front in zip(ends, fronts, strict=True):
        with torch.no_grad():
            own, w = planes_of_photos(trained, resized(front, 32), generator)  # type: ignore[arg-type]
        assert torch.allclose(planes, own, atol=1e-4) and torch.allclose(ws, w, atol=1e-5)
    middle = mean_colour(generator, *mixed_planes(trained, generator, *fronts, 0.5))  # type: ignore[arg-type]
    low, high = torch.minimum(red, blue) - 0.1, torch.maximum(red, blue) + 0.1
    assert bool(((low < middle) & (middle < high)).all())
    with pytest.raises(RestyleError, match="0 to 1"):
        mixed_planes(trained, generator, *fronts, 1.5)  # type: ignore[arg-type]


def test_mixing_is_linear_in_w_s() -> None:
    generator = solid_generator()
    network = untrained_planes(generator)
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2.0 - 1.0
    with torch.no_grad():
        code, whole = network.encode(images)
        offsets, _ = network.decode(
            0.75 * code[:1] + 0.25 * code[1:], 0.75 * whole[:1] + 0.25 * whole[1:]
        )
        w_avg = generator.backbone.mapping.w_avg
        mean = generator.planes(w_avg.expand(1, generator.num_ws, -1))
    planes, _ = mixed_planes(network, generator, images[:1], images[1:], 0.25)
    assert torch.allclose(planes, mean + offsets, atol=1e-5)


def test_train_many_makes_trains_and_resumes(tmp_path: Path) -> None:
    generator = solid_generator()
    network = untrained_planes(generator)
    editor = Tinted()

    def run(steps: int) -> int:
        config = replace(STYLES["tiny"], run=replace(STYLES["tiny"].run, steps=steps))
        outcome = train_many(
            ["red"], tmp_path, generator=generator, network=network, features=Blocks(),
            editor=editor, of_set=SMALL, config=config,
        )  # fmt: skip
        return outcome.state.step

    assert (run(1), run(2)) == (1, 2)
    assert len(editor.asked) == 1
    trained = load_image_to_planes(tmp_path / "run" / "networks" / "styles.safetensors")
    assert trained.config == network.config
