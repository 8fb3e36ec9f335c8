from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from patch_features import Blocks
from PIL import Image
from recorded_progress import RecordedProgress
from torch import Tensor

from portraiture.checkpoints import fingerprint, load_image_generator, save_generator
from portraiture.cli.commands import main
from portraiture.errors import CancelledError, CheckpointError, SampleError
from portraiture.lift.codes import light_code, view_code
from portraiture.lift.embed import EmbedConfig, directions_of_w, embed
from portraiture.lift.estimate import Lifted, generated
from portraiture.lift.geometry import MAX_ANGLE, light_terms, outward_normals
from portraiture.lift.images import lit, pixels, turned
from portraiture.lift.interpolate import SIDE, STEPS, interpolation_frames
from portraiture.lift.mesh import METRES, lifted_mesh
from portraiture.lift.networks import LiftConfig, LiftedNetworks
from portraiture.lift.run import (
    BETWEEN_FILES,
    LIFT_FILES,
    SHOT_FILE,
    check_fit,
    lift_between,
    lift_source,
    load_lifted_networks,
)
from portraiture.networks.faces2d import FacesConfig, FacesGenerator
from portraiture.photo.demo_photo import demo_photo
from portraiture.weights import Card, write_weights

SIZE = 32


def ball() -> Lifted:
    """A white half ball before a wall."""
    y, x = np.meshgrid(np.linspace(-1, 1, 65), np.linspace(-1, 1, 65), indexing="ij")
    height = 0.08 * np.sqrt(np.clip(0.5 - x**2 - y**2, 0.0, None))
    depth = torch.from_numpy(1.0 - height)[None].float()
    head = (height > 0)[None].astype(np.float32)
    one = torch.zeros(1, 4)
    return Lifted(
        torch.zeros(1, 8), torch.zeros(1, 8), one, torch.zeros(1, 6), torch.ones(1, 3, 65, 65),
        torch.ones(1, 3, 65, 65), depth, torch.from_numpy(head),
    )  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Untrained networks and generator."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    faces = FacesGenerator(FacesConfig(size=SIZE, channel_base=256, z_dim=16, w_dim=16))
    features = faces.synthesis.block(SIZE).conv1.weight.shape[0]
    config = LiftConfig(size=SIZE, w_dim=16, features=features, width=32, hidden=16)
    save_generator(faces, folder / "faces")
    card = Card("liftedgan", asdict(config))
    write_weights(folder / "lifted", LiftedNetworks(config).state_dict(), card)
    return folder / "faces", folder / "lifted"


def test_a_seed_gives_all_its_files(weights: tuple[Path, Path], tmp_path: Path) -> None:
    faces, networks = map(str, weights)
    out = tmp_path / "out"
    main(["lift", "--seed", "3", "--networks", networks, "--generator", faces, "--out", str(out)])
    assert {path.name for path in out.iterdir()} == set(LIFT_FILES)
    mesh = trimesh.load(out / "mesh.glb", force="mesh")
    assert isinstance(mesh, trimesh.Trimesh) and len(mesh.faces) > 100


def test_the_same_seed_is_the_same_person(weights: tuple[Path, Path]) -> None:
    faces, networks = weights
    a, b, c = (lift_source(k, networks=networks, generator=faces) for k in (1, 1, 2))
    assert torch.equal(a.depth, b.depth) and torch.equal(a.albedo, b.albedo)
    assert not torch.equal(a.albedo, c.albedo)


def test_what_does_not_fit_is_refused(weights: tuple[Path, Path], tmp_path: Path) -> None:
    faces, networks = weights
    with pytest.raises(CheckpointError, match="LiftedGAN"):
        load_lifted_networks(faces)
    with pytest.raises(CheckpointError, match="images of 32 pixels"):
        lift_source(0, networks=networks)
    with pytest.raises(SampleError, match="truncation"):
        lift_source(0, networks=networks, generator=faces, truncation=float("nan"))
    other = load_image_generator(faces)
    with torch.no_grad():
        other.mapping.w_avg += 1.0
    net = load_lifted_networks(networks)
    check_fit(net, other)
    net.config = replace(net.config, generator=fingerprint(load_image_generator(faces)))
    check_fit(net, load_image_generator(faces))
    with pytest.raises(CheckpointError, match="another generator"):
        check_fit(net, other)
    with pytest.raises(SampleError, match="seed"):
        lift_source(-1, networks=networks, generator=faces)


def test_a_positive_yaw_shows_the_persons_left_and_a_positive_pitch_the_top() -> None:
    """A mark on that side comes nearer to the middle."""
    for yaw, pitch, side in ((0.4, 0.0, (32, 46)), (0.0, 0.4, (18, 32))):
        albedo = torch.ones(1, 3, 65, 65)
        albedo[:, :, side[0] - 2 : side[0] + 3, side[1] - 2 : side[1] + 3] = -1.0
        person = replace(ball(), albedo=albedo)
        rows, columns = np.nonzero(turned(person, yaw, pitch).max(2) < 40)
        assert len(rows) > 0
        before = np.hypot(side[0] - 32, side[1] - 32)
        assert np.hypot(rows.mean() - 32, columns.mean() - 32) < before - 2
    assert float(view_code(MAX_ANGLE, like=torch.zeros(1))[0, 1]) == 1.0


def test_light_comes_from_the_side_that_is_said() -> None:
    left, above = lit(ball(), 0.8), lit(ball(), 0.0, 0.8)
    assert left[32, 44, 0] > left[32, 20, 0] + 20
    assert above[20, 32, 0] > above[44, 32, 0] + 20
    direction = light_terms(light_code(0.5, like=torch.zeros(1))).direction
    assert float(direction[0, 2]) == pytest.approx(np.cos(0.5), abs=1e-6)


def test_the_mesh_is_the_head_in_metres_facing_forward() -> None:
    person = ball()
    mesh = lifted_mesh(person)
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(np.float64) for k in range(3))
    flat = np.cross(b - a, c - a)
    assert (flat[:, 2] > 0).all()
    smooth = mesh.normals[mesh.faces].mean(1)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    assert np.median((flat * smooth).sum(1)) > 0.97
    assert mesh.vertices[:, 2].max() == pytest.approx(METRES * 0.08 * 0.5**0.5, rel=0.02)
    assert (mesh.uv >= 0.0).all() and (mesh.uv <= 1.0).all()
    assert float(outward_normals(person.depth)[0, 32, 44, 0]) > 0.1


def test_a_view_is_shown_from_where_it_is_asked_for(
    weights: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faces, networks = map(str, weights)
    common = ["lift", "--networks", networks, "--generator", faces]
    out = tmp_path / "out"
    main([*common, "--seed", "3", "--yaw", "20", "--light", "30,10", "--out", str(out)])
    assert {path.name for path in out.iterdir()} == {*LIFT_FILES, SHOT_FILE}
    person = lift_source(3, networks=networks, generator=faces)
    shown = np.asarray(Image.open(out / SHOT_FILE))
    light = light_code(np.radians(30.0), np.radians(10.0), like=person.w)
    view = view_code(np.radians(20.0), like=person.w)
    assert np.array_equal(shown, pixels(person.render(view=view, light=light).image))
    for wrong in (
        ["--light", "30"], ["--yaw", "90"], ["--to", "1", "--style-from", "2"],
        ["--photo", "me.jpg", "--seed", "3"], [], ["--pitch", "nan"],
    ):  # fmt: skip
        seed = [] if "--photo" in wrong or not wrong else ["--seed", "3"]
        with pytest.raises(SystemExit) as stopped:
            main([*common, *seed, *wrong, "--out", str(tmp_path / "no")])
        assert stopped.value.code == 2 and not (tmp_path / "no").exists()
    capsys.readouterr()


def test_one_person_becomes_another(weights: tuple[Path, Path], tmp_path: Path) -> None:
    """The ends of the sheet are the two of them, and in between every step is as large in w."""
    faces, networks = map(str, weights)
    out = tmp_path / "out"
    common = ["lift", "--networks", networks, "--generator", faces, "--out", str(out)]
    main([*common, "--seed", "3", "--to", "4"])
    assert {path.name for path in out.iterdir()} == {*LIFT_FILES, *BETWEEN_FILES}
    first, second = (lift_source(k, networks=networks, generator=faces) for k in (3, 4))
    sheet = np.asarray(Image.open(out / BETWEEN_FILES[0]))
    assert sheet.shape == (2 * SIZE, STEPS * SIZE, 3)
    assert np.array_equal(sheet[:SIZE, :SIZE], turned(first, 0.0))
    assert np.array_equal(sheet[SIZE:, -SIZE:], turned(second, SIDE))
    people = lift_between(first, second, networks=networks, generator=faces)
    assert torch.allclose(people(0.25).w, 0.75 * first.w + 0.25 * second.w, atol=1e-6)
    video = list(interpolation_frames(people, 8))
    assert len(video) == 8 and np.array_equal(video[0], turned(first, 0.0))
    assert np.array_equal(video[4], turned(second, 0.0))
    assert all(np.array_equal(video[k], video[8 - k]) for k in range(1, 4))
    main([*common, "--seed", "3", "--overwrite"])
    assert {path.name for path in out.iterdir()} == set(LIFT_FILES)


def test_another_ones_style_changes_colours_and_nothing_else(weights: tuple[Path, Path]) -> None:
    faces, networks = weights
    own = lift_source(1, networks=networks, generator=faces)
    mixed = lift_source(1, networks=networks, generator=faces, style_from=2)
    for name in ("w", "w0", "light", "view", "depth", "transformation"):
        assert torch.equal(getattr(mixed, name), getattr(own, name)), name
    assert not torch.allclose(mixed.neutral, own.neutral)
    same = lift_source(1, networks=networks, generator=faces, style_from=1)
    assert torch.allclose(same.albedo, own.albedo, atol=1e-5)


def test_an_image_of_the_generator_is_embedded(weights: tuple[Path, Path]) -> None:
    """From a start among samples, nearer than any of them."""
    generator = load_image_generator(weights[0])
    z = torch.randn(1, 16, generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        target = generated(generator, generator.mapping(z, None)[:, 0])[0]

        def away(w: Tensor) -> float:
            return float((generated(generator, w)[0] - target).abs().mean())

    start = embed(target, generator, Blocks(), config=EmbedConfig(steps=0))
    found = embed(target, generator, Blocks(), config=EmbedConfig(steps=60, pull=0.0))
    with torch.no_grad():
        assert away(found) < 0.5 * away(start)
        mean, basis = directions_of_w(generator)
        w = generator.mapping(torch.randn(4_000, 16), None)[:, 0]
    assert torch.allclose(mean, w.mean(0), atol=0.1 * float(w.std()))
    assert float(basis.square().sum()) == pytest.approx(float(w.var(0).sum()), rel=0.1)


@pytest.mark.slow
def test_a_photo_is_lifted(weights: tuple[Path, Path]) -> None:
    faces, networks = weights
    progress = RecordedProgress()
    person = lift_source(demo_photo(), networks=networks, generator=faces, progress=progress)
    assert person.depth.shape == (1, SIZE, SIZE)
    assert progress.steps["Embed the photo"] == EmbedConfig().steps
    with pytest.raises(CancelledError):
        lift_source(
            demo_photo(), networks=networks, generator=faces,
            progress=RecordedProgress(cancel_after=3),
        )  # fmt: skip
