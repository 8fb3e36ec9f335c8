"""From a photo to the files of a head, by every method, with a generator of random weights."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image
from recorded_progress import RecordedProgress

from portraiture import checkpoints
from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.checkpoints import save_generator
from portraiture.cli import main
from portraiture.edit.directions import Direction, Directions
from portraiture.edit.run import edit
from portraiture.errors import CheckpointError, InversionError
from portraiture.head import Head
from portraiture.invert import weights
from portraiture.invert.encode import DetailConfig, EncoderMethod
from portraiture.invert.goae.refine import refine
from portraiture.invert.inversion import make_head, person_psnr
from portraiture.invert.method import (
    chosen_config,
    encoder_method,
    optimiser_method,
)
from portraiture.invert.run import HEAD_FILES, Inverted, invert, invert_photos
from portraiture.invert.target import Target, largest_part, make_target
from portraiture.invert.weights import check_fit, save
from portraiture.models import Models
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.networks.goae_alignment import AlignmentConfig, FeatureAlignment
from portraiture.networks.goae_encoder import EncoderConfig, GoaeEncoder
from portraiture.networks.goae_program import ProgramWay
from portraiture.perception.parser import ParserConfig, ParserNetwork
from portraiture.photo.align import align
from portraiture.photo.demo_photo import demo_photo
from portraiture.triplane.rendering import RenderingConfig
from portraiture.weights import Card

CONFIG = TriPlaneConfig(
    z_dim=8, c_dim=0, w_dim=16, plane_size=32, plane_features=8, first_size=16, channel_base=256,
    channel_max=16, decoder_hidden=16, neural_resolution=16, superresolution="2X",
    superres_widths=(8, 8),
    rendering=RenderingConfig(
        depth_resolution=12, importance_resolution=0, white_background=True
    ),
)  # fmt: skip
ENCODER = EncoderConfig(
    image_size=32, embed_dim=8, depths=(1, 1, 1, 1), heads=(1, 1, 1, 1), window=4, w_dim=16,
    rows=(1, 1, 1), hidden=16, gated=True,
)  # fmt: skip
ALIGN = AlignmentConfig(features=16, size=16, feature_ratio=1, widths=(16, 16, 16), gated=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Weights of a generator with something solid, of an encoder and an alignment for it."""
    torch.manual_seed(0)
    generator = TriPlaneGenerator(CONFIG).eval().requires_grad_(False)
    generator.decoder.net[2].weight[0] *= 60.0
    generator.decoder.net[2].bias[0] = 30.0
    save_generator(generator, tmp_path / "small.safetensors")
    save(GoaeEncoder(ENCODER), tmp_path / "encoder", Card("goae-encoder", {}))
    save(FeatureAlignment(ALIGN), tmp_path / "alignment", Card("goae-afa", {}))
    return tmp_path


@pytest.fixture
def models() -> Models:
    return Models()


def _generator(folder: Path) -> TriPlaneGenerator:
    return Models().generator(folder / "small.safetensors")


def _encoder(
    folder: Path, models: Models, *, alignment: bool = False, program: ProgramWay | None = None
) -> EncoderMethod:
    return encoder_method(
        models, "aligned", network=folder / "small.safetensors", weights=folder / "encoder",
        alignment=folder / "alignment" if alignment else None, program=program,
    )  # fmt: skip


def _target(generator: TriPlaneGenerator, *, seed: int = 0) -> Target:
    torch.manual_seed(1)
    parser = ParserNetwork(ParserConfig(widths=(4, 4, 8, 8), size=32)).eval()
    crop = np.random.default_rng(seed).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(0.2 - 0.5 * seed, 0.0))).float()[None]
    return make_target(crop, camera, generator, parser)


def test_nobody_in_the_photo_is_said_before_any_work(folder: Path) -> None:
    parser = ParserNetwork(ParserConfig(widths=(4, 4, 8, 8), size=32)).eval()
    with torch.no_grad():
        assert parser.head.bias is not None
        parser.head.bias[0] = 50.0
    with pytest.raises(InversionError, match="No person"):
        make_target(np.zeros((64, 64, 3), np.uint8), torch.zeros(1, 25), _generator(folder), parser)


def test_the_person_lies_over_white(folder: Path) -> None:
    target = _target(_generator(folder))
    assert target.image.shape == (1, 3, 128, 128)
    assert target.crop.shape == (1, 3, 64, 64)
    p = target.person
    assert float(p.min()) >= 0.0
    assert torch.all(target.image >= 1.0 - 2.0 * p - 1e-5)


def test_specks_beside_a_person_are_no_part_of_them() -> None:
    person = torch.zeros(64, 64)
    person[10:60, 20:45] = 0.9
    person[30:34, 30:34] = 0.0  # a hole stays one, but for its rim
    person[2:8, 55:62] = 1.0
    person[50, 2] = 1.0
    found = largest_part(person)
    assert found[10:60, 20:45].float().mean() > 0.99
    assert not found[2:8, 55:62].any()
    assert not found[50, 2]
    assert not largest_part(torch.zeros(8, 8)).any()


def test_an_encoder_gives_w_and_an_alignment_features(folder: Path, models: Models) -> None:
    plain = _encoder(folder, models)
    generator = plain.generator
    target = _target(generator)
    found = plain.invert([target])
    assert found.features is None and found.residual is None
    assert torch.equal(found.planes, generator.planes(found.ws))
    small = torch.nn.functional.interpolate(target.crop, (32, 32), mode="bilinear", antialias=True)
    with torch.no_grad():
        expected = generator.backbone.mapping.w_avg + plain.encoder(small.clamp(-1, 1))
    assert torch.allclose(found.ws, expected)
    full = _encoder(folder, models, alignment=True)
    refined = full.invert([target])
    assert torch.equal(refined.ws, found.ws)
    assert refined.features is not None and refined.visible is not None
    everywhere = replace(full, mixed="none").invert([target])
    assert everywhere.visible is not None
    assert (everywhere.visible == 1).all()


def test_detail_is_what_is_added_to_the_planes(folder: Path, models: Models) -> None:
    plain = _encoder(folder, models)
    target = _target(plain.generator)
    found = plain.invert([target])
    textured = replace(plain, detail=DetailConfig(silhouette=None, refinement=None))
    projected = textured.invert([target])
    assert projected.residual is not None and projected.residual.any()
    assert torch.allclose(projected.planes, found.planes + projected.residual)
    told = RecordedProgress()
    paths = {"network": folder / "small.safetensors", "weights": folder / "encoder"}
    whole = encoder_method(models, "goae+refine", **paths, refine_steps=2)
    refined = whole.invert([target], told)
    assert [name for name, _ in told.stages] == [
        "Encode", "Fit the silhouette", "Project the texture", "Refine the texture",
    ]  # fmt: skip
    assert (told.steps["Fit the silhouette"], told.steps["Refine the texture"]) == (8, 2)
    assert refined.residual is not None
    assert 0.0 < float((refined.residual - projected.residual).abs().max()) < 1.0
    with pytest.raises(InversionError, match="--refine-steps must be"):
        encoder_method(models, "goae+refine", **paths, refine_steps=-1)


def test_the_program_s_way_sees_the_photo_as_it_is(folder: Path, models: Models) -> None:
    """The encoder by PIL's own filter, the alignment with the photo's own background."""
    generator, way = _generator(folder), ProgramWay()
    target = _target(generator)
    how = _encoder(folder, models, alignment=True, program=way)
    assert (how.mixed, how.program) == ("front", way)
    assert how.alignment is not None
    crop = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    small = np.asarray(Image.fromarray(crop).resize((32, 32), Image.Resampling.BICUBIC))
    with torch.no_grad():
        photo = torch.from_numpy(small.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1.0
        ws = generator.backbone.mapping.w_avg + how.encoder(photo)
        large = torch.nn.functional.interpolate(
            target.crop, (128, 128), mode="bilinear", antialias=True
        )
        expected = refine(
            generator, how.alignment, ws, large, target.camera, mixed="front", program=way
        )
    found = how.invert([target])
    assert torch.allclose(found.ws, ws, atol=1e-6)
    assert found.features is not None
    assert torch.allclose(found.features, expected.features, atol=1e-4)
    assert torch.allclose(found.planes, expected.planes, atol=1e-4)
    carried = replace(ALIGN, carried=True, mixing="convolution")
    save(FeatureAlignment(carried), folder / "carried", Card("goae-afa", {}))
    with pytest.raises(InversionError, match="compares images"):
        encoder_method(
            models, "aligned", network=folder / "small.safetensors", weights=folder / "encoder",
            alignment=folder / "carried", program=way,
        )  # fmt: skip


def test_several_photos_share_w_and_add_what_they_show(folder: Path, models: Models) -> None:
    generator = _generator(folder)
    first, second = _target(generator), _target(generator, seed=1)
    how = _encoder(folder, models, alignment=True)
    one, other, both = (how.invert(targets) for targets in ([first], [second], [first, second]))
    assert torch.allclose(both.ws, 0.5 * (one.ws + other.ws), atol=1e-5)
    assert both.features is not None
    assert len(both.features) == 2
    same = how.invert([first, first])
    assert torch.allclose(same.planes, one.planes, atol=1e-3)
    head = make_head(both, first, how)
    head.save(folder / "head.safetensors")
    again = Head.load(folder / "head.safetensors", network=how.network)
    assert again.photos == 2
    assert np.array_equal(again.render(yaw=0.2), head.render(yaw=0.2))
    step = Direction(torch.nn.functional.normalize(torch.ones(16), dim=0), 0.5)
    kept = edit(again, {"smile": 0.0}, directions=Directions({"smile": step}, {}, torch.zeros(1)))
    assert torch.allclose(kept.planes, again.planes, atol=5e-3)
    with pytest.raises(InversionError, match="takes one photo"):
        optimiser_method(models, "w", network=how.network).invert([first, second])
    for count in (0, 17):
        with pytest.raises(InversionError, match="16 photos"):
            how.invert([first] * count)


def test_a_head_says_how_near_it_is(folder: Path, models: Models) -> None:
    how = _encoder(folder, models)
    target = _target(how.generator)
    found = replace(how.invert([target]), facts={"loss": float("nan"), "steps": 2})
    head = make_head(found, target, how)
    assert head.tuned == {}
    assert (head.method, head.models) == ("aligned", models)
    assert head.facts["psnr_person_db"] == pytest.approx(person_psnr(found, target), abs=1e-3)
    assert "loss" not in head.facts
    head.save(folder / "head.safetensors")
    again = Head.load(folder / "head.safetensors", network=how.network)
    assert np.array_equal(again.render(yaw=0.1), head.render(yaw=0.1))


def test_only_what_tuning_changed_is_kept(folder: Path, models: Models) -> None:
    how = optimiser_method(models, "pti", network=folder / "small.safetensors", steps=2, rays=16)
    how = replace(how, config=replace(how.config, samples=128))
    target = _target(how.generator)
    head = make_head(how.invert([target]), target, how)
    assert head.tuned
    assert not any("mapping" in name for name in head.tuned)
    assert head.facts["steps"] == 2 + round(350 * 2 / 450)


def test_one_models_loads_every_network_once(
    folder: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    load = checkpoints.read_weights

    def counting(path: Path) -> object:
        read.append(path.stem)
        return load(path)

    for module in (checkpoints, weights):
        monkeypatch.setattr(module, "read_weights", counting)
    network = folder / "small.safetensors"
    for _ in range(2):
        method = encoder_method(
            models, "goae+refine", network=network, weights=folder / "encoder", refine_steps=1
        )
        head, _ = invert_photos([align(demo_photo())], method)
        head.render(size=32)
    assert sorted(read) == ["encoder", "parser", "small"]


def test_a_photo_becomes_a_head_by_the_public_function(folder: Path, models: Models) -> None:
    network = folder / "small.safetensors"
    mean = Models().generator(network).backbone.mapping.w_avg
    photo = np.asarray(Image.open(demo_photo()).convert("RGB"))
    with pytest.raises(InversionError, match="takes one photo"):
        invert([photo, photo], method="w", network=network, models=models)
    with pytest.raises(InversionError, match="no method 'magic'"):
        invert(photo, method="magic", network=network)  # type: ignore[arg-type]
    quick = RecordedProgress(cancel_after=2)
    head = invert(photo, method="w", network=network, models=models, progress=quick)
    assert (head.method, head.models, head.facts["steps"]) == ("w", models, 2)
    assert head.ws is not None and head.ws.shape[-1] == len(mean)


def test_two_threads_share_networks(folder: Path, models: Models) -> None:
    """Encoding and optimising at once, both give what they give alone."""
    network = folder / "small.safetensors"
    optimiser = optimiser_method(models, "pti", network=network, steps=3, rays=16)
    optimiser = replace(optimiser, config=replace(optimiser.config, samples=128))
    whole = encoder_method(
        models, "goae+refine", network=network, weights=folder / "encoder", refine_steps=2
    )
    target = _target(whole.generator)
    alone = [one.invert([target]).planes for one in (whole, optimiser)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda one: one.invert([target]), (whole, optimiser) * 2))
    for k, found in enumerate(together):
        assert torch.equal(found.planes, alone[k % 2])
    assert all(p.grad is None for p in whole.generator.parameters())


def test_weights_for_another_generator_are_refused(folder: Path) -> None:
    generator = _generator(folder)
    others = (
        GoaeEncoder(replace(ENCODER, rows=(1, 1, 2))),
        GoaeEncoder(replace(ENCODER, w_dim=32)),
        GoaeEncoder(replace(ENCODER, generator="0" * 64)),
        FeatureAlignment(replace(ALIGN, features=32)),
        FeatureAlignment(replace(ALIGN, size=32)),
    )
    check_fit(generator, GoaeEncoder(ENCODER), FeatureAlignment(ALIGN))
    for other in others:
        with pytest.raises(CheckpointError, match="not trained for this generator"):
            check_fit(generator, other)


def test_notes_of_several_photos_name_them() -> None:
    photo = align(demo_photo())
    two = tuple(
        replace(photo, name=name, quality=replace(photo.quality, notes=notes))
        for name, notes in (("a/one.jpg", ("Dark.",)), ("two.jpg", ("Soft.", "Small.")))
    )
    head = cast(Head, None)
    assert Inverted(head, two[:1]).notes == ("Dark.",)
    assert Inverted(head, two).notes == ("one.jpg: Dark.", "two.jpg: Soft.", "two.jpg: Small.")


def test_choices_out_of_range_are_refused() -> None:
    assert chosen_config("pti", steps=90).generator_steps == 70
    for choice in ({"steps": 0}, {"rays": 8}, {"rays": 1000}):
        with pytest.raises(InversionError):
            chosen_config("w", **choice)  # type: ignore[arg-type]


def test_files_of_a_photo_from_the_command_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, network = folder / "out", str(folder / "small.safetensors")
    command = [
        "invert", str(demo_photo()), "--out", str(out), "--network", network,
        "--weights", str(folder / "encoder"), "--alignment", str(folder / "alignment"),
        "--device", "cpu",
    ]  # fmt: skip
    main(command)
    assert sorted(p.name for p in out.iterdir()) == sorted(HEAD_FILES)
    page = (out / "report.html").read_text()
    assert "A neural head from one photo" in page
    notes = align(demo_photo()).quality.notes
    printed = " ".join(capsys.readouterr().out.split())
    assert notes and all(f"Note: {note}" in printed for note in notes)
    assert "game-ready" not in page
    head = Head.load(out / "head.safetensors", network=network)
    assert head.method == "goae+refine"
    assert head.residual is not None
    assert head.render().shape == (128, 128, 4)
    with pytest.raises(SystemExit) as caught:
        main(command)
    assert caught.value.code == 2
    assert "exists" in capsys.readouterr().err
    main([*command, "--overwrite", "--method", "aligned"])
    head = Head.load(out / "head.safetensors", network=network)
    assert head.method == "aligned" and head.residual is None


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--method", "psp", "--alignment", "x"], "for --method goae+refine"),
        (["--method", "psp"], "train encoder --architecture psp"),
        (["--method", "e4e"], "train encoder --architecture e4e"),
        (
            ["--method", "aligned", "--refine-steps", "3", "--weights", "ENCODER"],
            "--refine-steps is for",
        ),
        (["--method", "psp", "--weights", "ENCODER"], "not an encoder for the method psp"),
        (["--weights", "x", "--steps", "3"], "--steps"),
        (["--method", "pti", "--weights", "x"], "for encoders"),
        (["--method", "pti", "--refine-steps", "3"], "for encoders"),
        (["--method", "w", "--steps", "0"], "--steps"),
        (["--method", "w", "--rays", "4"], "--rays"),
        (["--rays", "64"], "for the optimisations"),
        (["--device", "cuda"], "no cuda device"),
    ],
)
def test_flags_that_do_not_fit_are_refused(
    folder: Path, flags: list[str], sentence: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    network = str(folder / "small.safetensors")
    flags = [str(folder / "encoder") if flag == "ENCODER" else flag for flag in flags]
    with pytest.raises(SystemExit) as caught:
        main(["invert", "none.jpg", "--out", str(folder / "o"), "--network", network, *flags])
    assert caught.value.code == 2
    assert sentence in capsys.readouterr().err
    assert not (folder / "o").exists()
