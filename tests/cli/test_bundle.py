"""A bundle trains with nothing but what the machine is said to have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from adapt_cases import generator_file, prepared_folder
from drawn_pairs import draw_pairs
from edit_cases import hashed, render_tint
from encoder_cases import choices_of, folder_of_people
from people_cases import sphere_person
from restyle_cases import Tinted, solid_generator

from portraiture.adapt.style import load_style
from portraiture.checkpoints import (
    fingerprint,
    load_generator,
    load_image_generator,
    load_image_to_planes,
    save_generator,
)
from portraiture.cli.bundle import LIMIT, write_bundle
from portraiture.cli.recipes import Choices, make_recipe
from portraiture.data.labelled_photos import HELD, LabelledPhoto, save_labelled
from portraiture.errors import OutputError, TrainingError
from portraiture.invert.goae.train_encoder import TrainEncoder
from portraiture.invert.weights import load_alignment, save
from portraiture.networks.faces2d import FacesConfig, FacesGenerator
from portraiture.networks.goae_encoder import GoaeEncoder
from portraiture.people.edit_pairs import make_edit_pairs
from portraiture.people.people_file import person_path, save_person
from portraiture.people.scene import SCENE_SIZE
from portraiture.perception.looks import NAMES
from portraiture.restyle.embedded import load_embedded_network
from portraiture.restyle.style_set import StyleSetConfig, make_style_set
from portraiture.train.log import read_log
from portraiture.types import RecipeName
from portraiture.weights import Card

ALLOWED = (
    "torch", "triton", "numba", "llvmlite", "numpy", "scipy", "safetensors", "jaxtyping",
    "wadler_lindig", "transformers", "PIL", "skimage", "portraiture",
)  # fmt: skip
"""Packages of the machine that our own modules may import."""

GUARD = """
import builtins, runpy, sys
whole, allowed = builtins.__import__, set(sys.argv.pop(1).split(","))
def guarded(name, globals=None, locals=None, fromlist=(), level=0):
    asking = (globals or {}).get("__name__") or ""
    top = name.split(".")[0]
    if asking.startswith("portraiture") and not level and top not in allowed:
        if top not in sys.stdlib_module_names:
            raise ImportError(f"{asking} imports {name}")
    return whole(name, globals, locals, fromlist, level)
builtins.__import__ = guarded
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def people_folder(folder: Path, count: int = 4, *, scenes: bool = False) -> Path:
    folder.mkdir()
    for k in range(count):
        person = sphere_person(seed=k)
        if scenes:
            numbers = np.random.default_rng(k).standard_normal((len(person.rgb), SCENE_SIZE))
            person = replace(person, scenes=numbers.astype(np.float32))
        save_person(person, person_path(folder, k))
    return folder


def labelled_folder(folder: Path) -> Path:
    """A grey portrait to train on, and a held-out one."""
    frame, looks = np.array([0.5, 0.5, 0.6], np.float32), np.full(len(NAMES), -1, np.int8)
    grey, skin = np.full((48, 48, 3), 90, np.uint8), np.full((48, 48), 1, np.uint8)
    for path in (folder, folder / HELD):
        path.mkdir()
        save_labelled([LabelledPhoto(grey, skin, frame, looks)], path / "portraits.safetensors")
    return folder


def run_bundle(bundle: Path, tmp_path: Path, *, steps: int) -> subprocess.CompletedProcess[str]:
    """train.py, which may not see this checkout, under the guard."""
    guard = tmp_path / "guard.py"
    guard.write_text(GUARD)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [
        sys.executable, str(guard), ",".join(ALLOWED), str(bundle / "train.py"),
        "--minutes", "0.01", "--device", "cpu", "--workers", "0", "--steps", str(steps),
        "--out", str(tmp_path / "out"), "--work", str(tmp_path / "work"),
    ]  # fmt: skip
    return subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=600
    )


def test_a_bundle_trains_two_steps_saves_and_goes_on(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    choices = Choices(preset="tiny", data=people_folder(tmp_path / "people"))
    made = write_bundle("supervised-heads", choices, bundle)
    assert made.people == 4 and made.bytes <= LIMIT
    plan = json.loads((bundle / "bundle.json").read_text())
    assert (plan["views"], plan["size"], plan["kind"]) == (2, 32, "latents")
    first = run_bundle(bundle, tmp_path, steps=2)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "4 people unpacked" in first.stdout and "Traceback" not in first.stdout
    load_generator(tmp_path / "out" / "heads.safetensors")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"heads.safetensors", "grid.png", "log.jsonl", "run.log"}
    steps = read_log(tmp_path / "out" / "log.jsonl")[-1]["step"]
    second = run_bundle(bundle, tmp_path, steps=4)
    assert second.returncode == 0, second.stdout + second.stderr
    again = read_log(tmp_path / "out" / "log.jsonl")[-1]["step"]
    assert steps is not None and again is not None and again > steps >= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe",
    ["adversarial-heads", "identity", "parser", "portrait-parser", "attributes", "encoder"],
)
def test_other_recipes_train_from_a_bundle(recipe: RecipeName, tmp_path: Path) -> None:
    start = None
    if recipe == "encoder":
        own = tmp_path / "own"
        choices = Choices(preset="tiny", data=people_folder(tmp_path / "first"))
        write_bundle("supervised-heads", choices, own)
        done = run_bundle(own, tmp_path, steps=2)
        assert done.returncode == 0, done.stdout + done.stderr
        start = tmp_path / "start.safetensors"
        (tmp_path / "out" / "heads.safetensors").rename(start)
        (tmp_path / "work").rename(tmp_path / "old")
    photos = labelled_folder(tmp_path / "photos") if recipe == "portrait-parser" else None
    people = people_folder(tmp_path / "people", 8)
    choices = Choices(preset="tiny", data=people, start=start, photos=photos)
    write_bundle(recipe, choices, tmp_path / "bundle")
    done = run_bundle(tmp_path / "bundle", tmp_path, steps=2)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_lifted_trains_from_a_bundle_without_people(tmp_path: Path) -> None:
    faces = FacesGenerator(FacesConfig(size=32, channel_base=256, z_dim=16, w_dim=16))
    save_generator(faces, tmp_path / "faces")
    choices = Choices(preset="tiny", start=tmp_path / "faces")
    assert write_bundle("lifted", choices, tmp_path / "bundle").people == 0
    done = run_bundle(tmp_path / "bundle", tmp_path, steps=2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "out" / "lifted.safetensors").is_file()


def test_data_of_another_kind_and_missing_parts_are_refused_before_a_bundle_is_written(
    tmp_path: Path,
) -> None:
    pairs, people = draw_pairs(tmp_path / "pairs", 1, 32), people_folder(tmp_path / "people", 1)
    out = tmp_path / "bundle"
    with pytest.raises(TrainingError, match="holds pairs"):
        write_bundle("identity", Choices(preset="tiny", data=pairs), out)
    with pytest.raises(TrainingError, match="--kind pairs"):
        write_bundle("imitator", Choices(preset="tiny", data=people), out)
    with pytest.raises(TrainingError, match="mapper needs"):
        write_bundle("mapper", Choices(preset="tiny", data=pairs), out)
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["imitator", "faces-encoder", "regressor", "adversarial-faces"])
def test_pairs_train_from_a_bundle(recipe: RecipeName, tmp_path: Path) -> None:
    start = None
    if recipe in ("imitator", "faces-encoder"):
        faces = FacesGenerator(FacesConfig(size=32, channel_base=256, z_dim=16, w_dim=16))
        save_generator(faces, start := tmp_path / "faces")
    data = draw_pairs(tmp_path / "pairs", 6, 32)
    made = write_bundle(recipe, Choices(preset="tiny", data=data, start=start), tmp_path / "bundle")
    plan = json.loads((tmp_path / "bundle" / "bundle.json").read_text())
    assert (made.people, plan["views"], plan["size"], plan["kind"]) == (6, 1, 32, "pairs")
    done = run_bundle(tmp_path / "bundle", tmp_path, steps=2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 pairs unpacked" in done.stdout


@pytest.mark.slow
def test_an_alignment_trains_from_a_bundle(tmp_path: Path) -> None:
    """With generator and encoder of the user's, which travel with it."""
    folder = folder_of_people(tmp_path)
    made = make_recipe("encoder", choices_of(folder))
    assert isinstance(made, TrainEncoder)
    save(GoaeEncoder(made.config.encoder), folder / "encoder", Card("goae-encoder", {}))
    choices = replace(choices_of(folder), encoder=folder / "encoder")
    write_bundle("alignment", choices, tmp_path / "bundle")
    assert json.loads((tmp_path / "bundle" / "bundle.json").read_text())["files"] == [
        "start", "encoder",
    ]  # fmt: skip
    done = run_bundle(tmp_path / "bundle", tmp_path, steps=2)
    assert done.returncode == 0, done.stdout + done.stderr
    learned = load_alignment(tmp_path / "out" / "alignment.safetensors")
    assert learned.config.generator == fingerprint(load_generator(folder / "small.safetensors"))


def test_an_editor_trains_from_a_bundle_with_its_sentences(tmp_path: Path) -> None:
    make_edit_pairs(tmp_path / "edits", range(4), render_tint, hashed, size=32)
    choices = Choices(preset="tiny", data=tmp_path / "edits")
    assert write_bundle("editor", choices, tmp_path / "bundle").people == 4
    done = run_bundle(tmp_path / "bundle", tmp_path, steps=2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert load_embedded_network(tmp_path / "out" / "editor.safetensors").config.sentence == 16


@pytest.mark.slow
def test_styles_train_from_a_bundle(tmp_path: Path) -> None:
    """Planes first, from the generator alone, then many styles from these."""
    generator = solid_generator()
    save_generator(generator, start := tmp_path / "small.safetensors")
    write_bundle("planes", Choices(preset="tiny", start=start), tmp_path / "first")
    done = run_bundle(tmp_path / "first", tmp_path, steps=2)
    assert done.returncode == 0, done.stdout + done.stderr
    planes = (tmp_path / "out" / "planes.safetensors").rename(tmp_path / "planes.safetensors")
    (tmp_path / "work").rename(tmp_path / "old")
    config = StyleSetConfig(sides=2)
    make_style_set(tmp_path / "set", ["red", "blue"], generator, Tinted(), config)
    choices = Choices(preset="tiny", data=tmp_path / "set", start=start, encoder=planes)
    assert write_bundle("styles", choices, tmp_path / "bundle").people == 2
    done = run_bundle(tmp_path / "bundle", tmp_path, steps=2)
    assert done.returncode == 0, done.stdout + done.stderr
    load_image_to_planes(tmp_path / "out" / "styles.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["supervised-faces", "adversarial-faces"])
def test_image_generators_train_from_a_bundle(recipe: RecipeName, tmp_path: Path) -> None:
    people = people_folder(tmp_path / "people", 8, scenes=recipe == "supervised-faces")
    write_bundle(recipe, Choices(preset="tiny", data=people), tmp_path / "bundle")
    plan = json.loads((tmp_path / "bundle" / "bundle.json").read_text())
    assert plan["kind"] == ("scenes" if recipe == "supervised-faces" else "latents")
    done = run_bundle(tmp_path / "bundle", tmp_path, steps=2)
    assert done.returncode == 0, done.stdout + done.stderr
    load_image_generator(tmp_path / "out" / "generator.safetensors")


@pytest.mark.slow
def test_a_style_trains_from_a_bundle(tmp_path: Path) -> None:
    """With the generator of the user's and prepared images, of which none is left out."""
    start, data = generator_file(tmp_path), prepared_folder(tmp_path / "prepared")
    choices = Choices(preset="tiny", data=data, start=start)
    made = write_bundle("style", choices, tmp_path / "bundle")
    assert made.people == 6
    done = run_bundle(tmp_path / "bundle", tmp_path, steps=2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 images unpacked" in done.stdout
    style = load_style(tmp_path / "out" / "style.safetensors")
    assert style.config.fingerprint == fingerprint(load_generator(start))


def test_data_is_asked_for_where_it_is_needed_alone(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="--data"):
        write_bundle("parser", Choices(preset="tiny"), tmp_path / "a")
    with pytest.raises(TrainingError, match="leave out --data"):
        write_bundle("lifted", Choices(preset="tiny", data=tmp_path), tmp_path / "b")
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()


def test_held_out_portraits_stay_at_home(tmp_path: Path) -> None:
    photos, people = labelled_folder(tmp_path / "photos"), people_folder(tmp_path / "people", 1)
    choices = Choices(preset="tiny", data=people, photos=photos)
    write_bundle("portrait-parser", choices, tmp_path / "bundle")
    files = [p.relative_to(tmp_path / "bundle") for p in tmp_path.glob("bundle/photos/**/*")]
    assert files == [Path("photos/portraits.safetensors")]


def test_equal_inputs_are_equal_bundles_and_nothing_is_overwritten(tmp_path: Path) -> None:
    choices = Choices(preset="tiny", data=people_folder(tmp_path / "people"))
    for name in ("a", "b"):
        write_bundle("parser", choices, tmp_path / name)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert len(files) > 50
    for file in files:
        if (tmp_path / "a" / file).is_file():
            assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    with pytest.raises(OutputError, match="not empty"):
        write_bundle("parser", choices, tmp_path / "a")
    with pytest.raises(TrainingError, match="no people"):
        write_bundle("parser", Choices(preset="tiny", data=tmp_path / "none"), tmp_path / "c")
