"""The command line as a user meets it: files whole or not at all, one sentence and exit code 2."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from portraiture.cli import main
from portraiture.create.run import PHOTO_FILES, SEED_FILES
from portraiture.engine.build import build_bust
from portraiture.photo.demo_photo import demo_photo

COMMANDS = (
    "create", "avatar", "render", "export", "assets", "invert", "edit", "lift", "adapt", "batch",
    "serve", "keys", "studio", "sample", "synth",
    "train", "convert", "bench",
)  # fmt: skip


def _refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    message = capsys.readouterr().err.strip()
    assert message and "Traceback" not in message
    return message


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_explains_every_command(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*command, "--help"])
    assert stop.value.code == 0
    assert "xample" in capsys.readouterr().out


def test_the_package_runs_as_a_module() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "portraiture.cli", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(name in run.stdout for name in COMMANDS)


def test_a_seed_gives_all_its_files_and_keeps_existing_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "seven"
    arguments = ["avatar", "--seed", "7", "--out", str(out)]
    main(arguments)
    assert sorted(p.name for p in out.iterdir()) == sorted(SEED_FILES)
    assert (out / "avatar.glb").stat().st_size < 9e6
    before = (out / "avatar.glb").read_bytes()
    assert "overwrite" in _refused(arguments, capsys)
    assert (out / "avatar.glb").read_bytes() == before
    main([*arguments, "--overwrite"])
    assert (out / "avatar.glb").read_bytes() == before

    image = tmp_path / "left.png"
    coarse = partial(build_bust, texture_size=256)  # enough for an image of 64 pixels
    monkeypatch.setattr("portraiture.avatar.build_bust", coarse)
    main(["render", str(out / "avatar.json"), "--yaw", "30", "--size", "64", "--out", str(image)])
    assert np.asarray(Image.open(image)).shape == (64, 64, 3)
    file = tmp_path / "light.glb"
    light = ["--texture-size", "256", "--format", "webp", "--morphs", "none"]
    main(["export", str(out / "avatar.json"), "--out", str(file), *light])
    assert file.read_bytes()[:4] == b"glTF"
    assert file.stat().st_size < 0.4 * len(before)
    assert "overwrite" in _refused(["export", str(out / "avatar.json"), "--out", str(file)], capsys)


@pytest.mark.slow
def test_the_demo_photo_gives_all_its_files(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    main(["create", str(demo_photo()), "--out", str(out), "--style", "pixar"])
    assert sorted(p.name for p in out.iterdir()) == sorted(PHOTO_FILES)
    assert (out / "avatar.glb").stat().st_size < 9e6
    assert "http" not in (out / "report.html").read_text().split("<body")[0]


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "text", "one pixel", "no face"])
def test_bad_photos_are_refused_and_leave_nothing(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "photo.png"
    if kind == "folder":
        photo.mkdir()
    elif kind == "empty":
        photo.touch()
    elif kind == "text":
        photo.write_text("hello")
    elif kind == "one pixel":
        Image.new("RGB", (1, 1)).save(photo)
    elif kind == "no face":
        Image.new("RGB", (300, 300), (90, 120, 60)).save(photo)
    _refused(["create", str(photo), "--out", str(tmp_path / "out")], capsys)
    assert {p.name for p in tmp_path.iterdir()} <= {"photo.png"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["avatar", "--seed", "-1", "--out", "x"],
        ["avatar", "--seed", "1", "--out", "x", "--style", "cubist"],
        ["render", "missing.json"],
        ["render", "missing.json", "--size", "0"],
        ["render", "missing.json", "--yaw", "nan"],
        ["export", "missing.json", "--out", "x.glb"],
        ["export", "missing.json", "--out", "x.obj"],
        ["export", "missing.json", "--out", "x.glb", "--lod", "3"],
        ["export", "missing.json", "--out", "x.glb", "--morphs", "nose"],
        ["assets", "install"],
        ["assets", "install", "missing.zip"],
        ["nonsense"],
        [],
    ],
)
def test_bad_arguments_are_refused(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err + printed.out
    assert not list(tmp_path.iterdir())
