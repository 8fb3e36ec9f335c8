"""Heads in a style and back.

Properties: a styled head shows what G_t makes of its w+, also from its file; the sliders end at
G_s; a tuned head keeps its tuning beneath; taking the style off gives G_s's planes back; heads that
cannot be styled are refused in one sentence.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from adapt_cases import generator_file, learned_style, style_folder

from portraiture.adapt import run
from portraiture.adapt.run import STYLE_FILES, find_style, style_files
from portraiture.adapt.style import Style, styled
from portraiture.adapt.stylise import natural, stylise
from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.errors import AdaptError, OutputError, PhotoError
from portraiture.head import Head, rounded
from portraiture.models import Models


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
def head(tmp_path: Path, models: Models) -> Head:
    path = generator_file(tmp_path)
    generator = models.generator(path)
    ws = generator.mapping(torch.randn(1, 8, generator=torch.Generator().manual_seed(5)), None)
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(0.0, 0.0))).float()[None]
    made = Head(
        planes=generator.planes(ws), ws=ws, camera=camera, generator=str(path),
        fingerprint=models.fingerprint(path), method="sample", facts={"seed": 5}, models=models,
    )  # fmt: skip
    return rounded(made)


@pytest.fixture
def style(head: Head) -> Style:
    return learned_style(head.models.generator(head.generator))


def test_a_styled_head_shows_the_linked_generator(
    head: Head, style: Style, models: Models, tmp_path: Path
) -> None:
    made = stylise(head, style, name="painted", shape=0.5, exaggerate=1.5)
    network = styled(models.generator(head.generator), style, shape=0.5)
    assert head.ws is not None
    planes = style.warp(network.planes(head.ws), head.ws, amount=1.5)
    assert torch.allclose(made.planes, planes.detach(), atol=2e-2)
    path = made.save(tmp_path / "head.safetensors")
    again = Head.load(path, network=head.generator, models=models)
    assert np.array_equal(again.render(yaw=0.3), made.render(yaw=0.3))
    assert again.facts["style"] == "painted" and again.facts["style_exaggeration"] == 1.5
    assert not np.allclose(again.render(yaw=0.3), head.render(yaw=0.3), atol=0.02)


def test_the_sliders_move_shape_and_warp_alone(head: Head, style: Style) -> None:
    still = stylise(head, style, name="x", shape=0.0, exaggerate=0.0)
    full = stylise(head, style, name="x", shape=1.0, exaggerate=0.0)
    assert still.ws is not None and head.ws is not None and torch.equal(still.ws, head.ws)
    flow, plain = still.network.flow(head.ws[:, 0]), head.network.flow(head.ws[:, 0])
    assert torch.allclose(flow, plain)
    assert not torch.allclose(full.network.flow(head.ws[:, 0]), plain, atol=1e-3)
    warped = stylise(head, style, name="x", shape=0.0, exaggerate=2.0)
    assert torch.equal(warped.planes[:, 1:], still.planes[:, 1:])
    assert not torch.allclose(warped.planes[:, 0], still.planes[:, 0], atol=1e-2)


def test_a_style_comes_off_again(head: Head, style: Style) -> None:
    made = stylise(head, style, name="painted", exaggerate=1.0)
    back = natural(made, style)
    assert not back.tuned and "style" not in back.facts
    assert torch.allclose(back.planes, head.planes, atol=1e-2)
    with pytest.raises(AdaptError, match="no style"):
        natural(back, style)


def test_tuning_to_a_photo_is_kept_beneath_a_style(head: Head, style: Style) -> None:
    name = "backbone.synthesis.b8.conv1.weight"
    weight = head.network.state_dict()[name] + 0.25
    tuned = replace(head, tuned={name: weight.half()})
    made = stylise(tuned, style, name="painted")
    assert torch.equal(made.tuned[name], weight.half())
    back = natural(made, style)
    assert set(back.tuned) == {name} and torch.equal(back.tuned[name], weight.half())


def test_heads_that_cannot_be_styled_are_refused(head: Head, style: Style) -> None:
    made = stylise(head, style, name="painted")
    with pytest.raises(AdaptError, match="already"):
        stylise(made, style, name="painted")
    with pytest.raises(AdaptError, match="no latent"):
        stylise(replace(head, ws=None), style, name="painted")
    with pytest.raises(AdaptError, match="channels"):
        stylise(replace(head, edits={"style-3": 1.0}), style, name="painted")
    with pytest.raises(AdaptError, match="another generator"):
        stylise(replace(head, fingerprint="0"), style, name="painted")
    for shape, exaggerate in ((1.5, 0.0), (0.0, -1.0), (0.0, 3.0), (float("nan"), 0.0)):
        with pytest.raises(AdaptError, match="goes from"):
            stylise(head, style, name="painted", shape=shape, exaggerate=exaggerate)


def test_files_are_whole_and_not_overwritten(head: Head, tmp_path: Path, models: Models) -> None:
    folder = style_folder(models.generator(head.generator), tmp_path / "run" / "style")
    style = find_style(folder.parent, models)
    out = tmp_path / "out"
    made = style_files(head, style, out, name="run")
    assert {p.name for p in out.iterdir()} == set(STYLE_FILES)
    with pytest.raises(OutputError):
        style_files(head, style, out, name="run")
    style_files(made, style, tmp_path / "back", name="run", back=True)
    with pytest.raises(AdaptError, match="There is no style"):
        find_style(tmp_path / "none", models)


def test_only_the_style_that_a_head_wears_is_taken_off(head: Head, style: Style) -> None:
    made = stylise(head, style, name="painted")
    other = learned_style(head.models.generator(head.generator))
    with torch.no_grad():
        next(other.residual.parameters()).add_(0.1)
    with pytest.raises(AdaptError, match="another style"):
        natural(made, other)
    with pytest.raises(AdaptError, match="no style"):
        natural(head, style)
    damaged = replace(made, facts={**made.facts, "style_shape": "much"})
    with pytest.raises(AdaptError, match="how far"):
        natural(damaged, style)


@pytest.mark.parametrize(
    ("seen", "expected"), [("..ab.c", "aaabbc"), ("abc", "abc"), ("...a", None), ("a", None)]
)
def test_frames_without_a_face_take_their_neighbours_code(
    monkeypatch: pytest.MonkeyPatch, seen: str, expected: str | None
) -> None:
    """Half of a clip's frames may be filled in, those before the first face too."""

    class Encoder:
        generator = None

        def invert(self, targets: list[str], progress: object = None) -> object:
            return SimpleNamespace(ws=torch.full((1, 1, 1), float(ord(targets[0]))))

    def look(frame: str) -> str:
        if frame == ".":
            raise PhotoError("No face.")
        return frame

    monkeypatch.setattr(run, "align", look)
    monkeypatch.setattr(run, "target_of_photo", lambda photo, generator, parser: photo)
    models = SimpleNamespace(portrait_parser=lambda: None)
    if expected is None:
        with pytest.raises(AdaptError, match=r"no usable face|fewer than two"):
            run.encode_frames(iter(seen), Encoder(), models)  # type: ignore[arg-type]
        return
    codes, lost = run.encode_frames(iter(seen), Encoder(), models)  # type: ignore[arg-type]
    assert "".join(chr(int(code)) for code in codes.flatten()) == expected
    assert lost == seen.count(".")
