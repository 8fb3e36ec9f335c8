"""From a photo to the files of a head, by every method, with a generator of random weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from invert_cases import encoder_of, target_of
from PIL import Image
from recorded_progress import RecordedProgress

from portraiture import checkpoints
from portraiture.cli import main
from portraiture.errors import InversionError
from portraiture.head import Head
from portraiture.invert import run, weights
from portraiture.invert.distil.method import DistilMethod
from portraiture.invert.inversion import make_head, person_psnr
from portraiture.invert.method import (
    choose_method,
    chosen_config,
    encoder_method,
    optimiser_method,
)
from portraiture.invert.run import HEAD_FILES, Inverted, invert, invert_photos
from portraiture.meshing.head_mesh import MeshConfig
from portraiture.models import Models, default_models
from portraiture.perception.target import target_of_photo
from portraiture.photo.align import align
from portraiture.photo.demo_photo import demo_photo


def test_a_head_says_how_near_it_is(folder: Path, models: Models) -> None:
    how = encoder_of(folder, models)
    target = target_of(how.generator)
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
    target = target_of(how.generator)
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
    assert sorted(read) == ["encoder", "parser", "portrait-parser", "small"]


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


def test_the_default_is_distil_for_one_photo_of_people() -> None:
    models = default_models()
    assert choose_method(None, models).name == "distil"
    assert choose_method(None, models, photos=2).name == "goae+refine"
    assert choose_method(None, models, weights="swin-w").name == "goae+refine"
    with pytest.raises(InversionError, match="--steps and --rays need"):
        choose_method(None, models, steps=3)


def test_a_generator_of_another_w_has_no_confidence_by_distil(folder: Path, models: Models) -> None:
    method = DistilMethod(models, str(folder / "small.safetensors"))
    target = target_of_photo(align(demo_photo()), method.generator, models.portrait_parser())
    assert run._encoded([target], method) is None


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
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole but coarse: few frames, a small mesh."""
    mesh, coarse = Head.mesh, MeshConfig(resolution=48, triangles=500, texture_size=64)
    monkeypatch.setattr(Head, "mesh", lambda head: mesh(head, coarse))
    monkeypatch.setattr(run, "VIDEO_FRAMES", 4)
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
        (["--rays", "64"], "need --method w"),
        (["--method", "distil"], "needs a generator of the engine's people"),
        (["--method", "distil", "--steps", "3"], "refine-steps only"),
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
