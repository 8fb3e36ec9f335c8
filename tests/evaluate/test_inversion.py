"""The bench of inversions against closed forms."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from people_cases import sphere_person
from recorded_progress import RecordedProgress
from rich.console import Console

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.cli.bench import Bench, _methods, _tables, _views
from portraiture.errors import InversionError
from portraiture.evaluate import inversion as evaluation
from portraiture.evaluate.inversion import (
    MetricNetworks,
    Row,
    Scores,
    bench,
    geometry_error,
    rows_as_json,
    score_view,
    seen_from,
    target_of_view,
)
from portraiture.invert.encode import EncoderMethod
from portraiture.invert.inversion import Inversion, InversionMethod, check_count
from portraiture.metrics.extractors import FeatureExtractor
from portraiture.metrics.perceptual import ImageDistance
from portraiture.models import Models, default_models
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.perception.portrait_parser import PortraitParser, PortraitParserConfig
from portraiture.perception.target import Target
from portraiture.progress import SILENT, Progress
from portraiture.triplane.rendering import RenderingConfig

CONFIG = TriPlaneConfig(
    z_dim=8, c_dim=0, w_dim=16, plane_size=16, plane_features=8, channel_base=64, channel_max=8,
    decoder_hidden=8, neural_resolution=16, superresolution="2X", superres_widths=(8, 8),
    rendering=RenderingConfig(
        depth_resolution=6, importance_resolution=0, white_background=True
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def generator() -> TriPlaneGenerator:
    torch.manual_seed(0)
    return TriPlaneGenerator(CONFIG).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def metrics() -> MetricNetworks:
    torch.manual_seed(1)
    parser = (
        PortraitParser(PortraitParserConfig(widths=(4, 4, 8, 8), size=64))
        .eval()
        .requires_grad_(False)
    )
    return MetricNetworks(
        parser,
        ImageDistance("half-difference", lambda a, b: (a - b).abs().mean((1, 2, 3)) / 2.0),
        FeatureExtractor("pixels", lambda x: x.flatten(1)),
    )


def _inversion(generator: TriPlaneGenerator, seed: int = 0) -> Inversion:
    ws = generator.mapping(torch.randn(1, 8, generator=torch.Generator().manual_seed(seed)), None)
    return Inversion(ws, generator.planes(ws), torch.zeros(1, 25), generator)


def test_geometry_errors_forgive_distance_and_scale() -> None:
    rng = np.random.default_rng(0)
    truth = 2.0 + 0.1 * rng.random((32, 32))
    face = rng.random((32, 32)) < 0.7
    all_met = np.ones((32, 32), bool)
    same = geometry_error(3.0 * truth - 1.0, all_met, truth, face)
    assert same == pytest.approx((0.0, 0.0), abs=1e-12)
    assert geometry_error(-truth, all_met, truth, face)[0] == pytest.approx(4.0)
    other = rng.random((32, 32))
    expected = 2.0 - 2.0 * np.corrcoef(other[face], truth[face])[0, 1]
    assert geometry_error(other, all_met, truth, face)[0] == pytest.approx(expected)
    assert np.isnan(geometry_error(truth, all_met, truth, ~all_met)).all()
    missing = face & (np.arange(32) < 4)
    holed = np.where(missing, 3.3, truth)
    error, missed = geometry_error(holed, ~missing, truth, face)
    assert error == pytest.approx(0.0, abs=1e-12)
    assert missed == pytest.approx(missing.sum() / face.sum())
    assert geometry_error(holed, all_met, truth, face)[0] > 0.5


def test_coarser_depth_is_compared_at_its_pixel_centres() -> None:
    truth = np.arange(64.0).reshape(8, 8) + 1.0
    centres = truth[np.ix_([1, 3, 5, 7], [1, 3, 5, 7])]
    found = geometry_error(centres, np.ones((4, 4), bool), truth, np.ones((8, 8), bool))
    assert found == pytest.approx((0.0, 0.0), abs=1e-12)


def test_a_head_is_scored_by_its_images(
    generator: TriPlaneGenerator, metrics: MetricNetworks
) -> None:
    person = sphere_person(seed=0, size=128)
    found = _inversion(generator)
    found = replace(found, camera=torch.from_numpy(person.cameras[:1]))
    scores = score_view(found, person, (0, 1), metrics, 2.5)
    camera = torch.from_numpy(person.cameras[1])[None]
    image = generator.synthesize(found.ws, camera, deterministic=True).image.clamp(-1, 1)
    ours = (image[0].permute(1, 2, 0).numpy() + 1.0) / 2.0
    theirs = person.rgb[1] / 255.0
    assert scores.mse == pytest.approx(float(np.square(ours - theirs).mean()), rel=1e-4)
    assert scores.psnr == pytest.approx(-10.0 * np.log10(scores.mse), rel=1e-4)
    assert scores.perceptual == pytest.approx(float(np.abs(ours - theirs).mean()), rel=1e-4)
    assert scores.seconds == 2.5


def test_a_target_has_the_image_before_a_background(
    generator: TriPlaneGenerator, metrics: MetricNetworks
) -> None:
    person = sphere_person(seed=0, size=128)
    target = target_of_view(person, 0, 3, generator, metrics)
    shown = (target.crop[0].permute(1, 2, 0).numpy() + 1.0) * 127.5
    ball = person.alpha[0] == 255
    assert np.abs(shown - person.rgb[0])[ball].max() < 1.0
    assert np.abs(shown - 255.0)[~ball].mean() > 5.0
    assert torch.equal(target.camera, torch.from_numpy(person.cameras[0])[None])
    again = target_of_view(person, 0, 3, generator, metrics)
    assert torch.equal(target.crop, again.crop)


def test_a_head_is_seen_from_where_its_own_camera_was_found() -> None:
    """If the head came out turned, so do all cameras: what is seen stays."""
    given, view, found = (
        torch.from_numpy(to_eg3d(eg3d_orbit(yaw, 0.0))).float()[None] for yaw in (0.0, 0.5, 0.2)
    )
    assert seen_from(given, given, view) is view
    assert torch.allclose(seen_from(found, given, given), found, atol=1e-5)
    pose = seen_from(found, given, view)[0, :16].reshape(4, 4)
    turn = found[0, :16].reshape(4, 4) @ torch.linalg.inv(given[0, :16].reshape(4, 4))
    assert torch.allclose(pose, turn @ view[0, :16].reshape(4, 4), atol=1e-5)


@dataclass
class _SameHead:
    """A method that always finds the same head, seen from the target's camera."""

    generator: TriPlaneGenerator
    name: str = "same"
    network: str = "small"
    models: Models = field(default_factory=default_models)
    asked: list[Target] = field(default_factory=list)

    def check(self, count: int) -> None:
        check_count(count)

    def invert(self, targets: Sequence[Target], progress: Progress = SILENT) -> Inversion:
        self.asked += targets
        return replace(_inversion(self.generator), camera=targets[0].camera)


def _on_balls(generator: TriPlaneGenerator, monkeypatch: pytest.MonkeyPatch) -> _SameHead:
    """A method, for people who are balls."""
    monkeypatch.setattr(
        evaluation,
        "held_out_person",
        lambda index, yaws, size: sphere_person(seed=index, size=size),
    )
    method = _SameHead(generator)
    typed: InversionMethod = method
    assert typed.network == "small"
    return method


def test_rows_are_means_by_angle_and_place(
    generator: TriPlaneGenerator, metrics: MetricNetworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = _on_balls(generator, monkeypatch)
    asked = method.asked
    told = RecordedProgress()
    rows = bench(
        {"fixed": method}, generator, metrics, people=3, yaws=(0.0, -0.6),
        progress=told,
    )  # fmt: skip
    assert (len(asked), told.steps) == (7, {"Invert held-out people": 3})
    assert {(row.yaw, row.where, row.count) for row in rows} == {
        (0, "input", 3), (0, "novel", 3), (34, "input", 3), (34, "novel", 3),
    }  # fmt: skip
    by = {(row.yaw, row.where): row.scores for row in rows}
    assert by[0, "input"].mse == pytest.approx(by[34, "novel"].mse)
    assert by[0, "novel"].mse == pytest.approx(by[34, "input"].mse)
    flat = rows_as_json(rows)
    assert flat[0]["method"] == "fixed"
    assert {"mse", "psnr", "ssim", "perceptual", "identity", "depth", "seconds"} <= flat[0].keys()


def test_some_inputs_are_compared_from_everywhere(
    generator: TriPlaneGenerator, metrics: MetricNetworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = _on_balls(generator, monkeypatch)
    asked = method.asked
    rows = bench(
        {"long": method}, generator, metrics, people=2, yaws=(0.0, -0.6), inputs=[1],
        slow=("long",),
    )  # fmt: skip
    assert len(asked) == 2
    assert {(row.yaw, row.where, row.count) for row in rows} == {
        (34, "input", 2), (34, "novel", 2),
    }  # fmt: skip


def test_inputs_are_some_of_the_views() -> None:
    assert _views((0, -60, 0)) == [2, 0]
    for other in ((), (45,), (0, 61)):
        with pytest.raises(InversionError, match="-60, -30, 0, 30, 60"):
            _views(other)


def test_tables_fit_eighty_columns_and_go_from_the_front(metrics: MetricNetworks) -> None:
    scores = Scores(0.0123, 21.53, 0.812, 0.345, 0.871, 0.0987, 0.004, 151.23)
    rows = [
        Row(name, yaw, where, 4, scores)
        for yaw in (60, 0, 30) for name in ("f-everywhere", "goae+refine")
        for where in ("input", "novel")
    ]  # fmt: skip
    console = Console(width=80, file=io.StringIO(), force_terminal=False)
    for table in _tables(rows, metrics):
        console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.count("0.0123") == 12  # nothing is cut off
    assert "half-difference" in text
    assert "151.23" in text
    first, second = text.split("At the other views")
    for part in (first, second):
        assert part.index(" 0°") < part.index("30°") < part.index("60°")


def test_only_the_whole_method_refines_and_fits_the_silhouette() -> None:
    command = Bench("invert", methods=("goae+refine", "projected", "w+"), also=("own=swin-w",))
    steps: dict[str, object] = {}
    for name, one in _methods(command, default_models()).items():
        assert isinstance(one, EncoderMethod)
        detail = one.detail
        steps[name] = detail and (detail.silhouette is not None, detail.refinement is not None)
    assert steps == {
        "goae+refine": (True, True), "projected": (False, False), "w+": None, "own": None,
    }  # fmt: skip
    with pytest.raises(InversionError, match="aligned needs the --alignment"):
        _methods(Bench("invert", methods=("aligned",), weights="swin-w"), default_models())


@pytest.mark.parametrize(
    ("also", "sentence"),
    [("nothing", "NAME=ENCODER"), ("=x", "NAME=ENCODER"), ("w=x", "two methods")],
)
def test_more_weights_are_named(also: str, sentence: str) -> None:
    command = Bench("invert", methods=("w",), also=(also,))
    with pytest.raises(InversionError, match=sentence):
        _methods(command, default_models())
