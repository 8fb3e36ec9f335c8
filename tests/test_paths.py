"""What cannot be written is refused in one sentence before the work, and nothing is left behind.

Properties: folders without permission, read-only or full ones, files in the way, names that are
too long or not UTF-8 and unknown suffixes raise OutputError from the check, and every command
checks before it computes; what is refused by the check is refused by the writers at their start.
What is written has the permissions of the umask.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from portraiture.avatar import Avatar
from portraiture.cli import main
from portraiture.errors import AvatarError, OutputError, PhotoError
from portraiture.media import atomic_path, read_image, staged_folder, write_image, write_video
from portraiture.paths import check_file, check_folder, check_name

LONG = "n" * 300
LATIN = os.fsdecode(b"caf\xe9")


def assert_sentence(text: str) -> None:
    assert text.endswith(".") and "\n" not in text and "Errno" not in text
    text.encode("utf-8")
    assert len(text) < 400


def fail_with(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "open", fail)
    monkeypatch.setattr(os, "mkdir", fail)
    monkeypatch.setattr(Path, "mkdir", fail)


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.EACCES, "permission"), (errno.EROFS, "read-only"), (errno.ENOSPC, "disk is full")],
)
def test_folders_that_refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    fail_with(monkeypatch, code)
    for check in (
        lambda: check_file(tmp_path / "a.png"),
        lambda: check_folder(tmp_path / "new" / "out"),
        lambda: check_folder(tmp_path),
        lambda: staged_folder(tmp_path / "out", ["a"]).__enter__(),
        lambda: atomic_path(tmp_path / "a.png").__enter__(),
        lambda: write_video(tmp_path / "a.mp4", never()),
    ):
        with pytest.raises(OutputError, match=words) as caught:
            check()
        assert_sentence(str(caught.value))
    assert list(tmp_path.iterdir()) == []


def never():
    """Frames whose making must not begin."""
    pytest.fail("the work began")
    yield np.zeros((8, 8, 3), np.uint8)


def test_names(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, words in {
        LONG: "too long",
        f"{LONG}/out": "too long",
        f"new/{LONG}": "too long",
        "/".join(["deep" * 20] * 60): "too long",
        LATIN: r"caf\\xe9 is not valid UTF-8",
        f"{LATIN}/out": "UTF-8",
        "file/out": "file",
        "file/deep/out": "file",
    }.items():
        for check in (check_file, check_folder):
            if name.startswith("new/") and check is check_file:
                continue  # a file's folder is not made: another sentence
            with pytest.raises(OutputError, match=words) as caught:
                check(tmp_path / name)
            assert_sentence(str(caught.value))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_usable_ones_pass_and_leave_nothing(tmp_path: Path) -> None:
    check_file(tmp_path / "new.png", (".png", ".webp"))
    check_file(tmp_path / "NEW.PNG", (".png", ".webp"))
    check_file(tmp_path / ("ü" * 120 + ".png"))  # 244 bytes
    check_folder(tmp_path / "a" / "b" / "c", ["x.png"])
    check_folder(tmp_path, ["x.png"], overwrite=False)
    check_name("ümläut")
    assert list(tmp_path.iterdir()) == []


def test_a_name_as_long_as_the_system_allows_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("界" * 83 + ".txt")  # 253 bytes
    with atomic_path(path) as partial:
        partial.write_text("whole")
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_existing_files_and_suffixes(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    check_file(tmp_path / "a.png")
    with pytest.raises(OutputError, match="--overwrite"):
        check_file(tmp_path / "a.png", overwrite=False)
    with pytest.raises(OutputError, match="--overwrite"):
        check_folder(tmp_path, ["a.png"], overwrite=False)
    with pytest.raises(OutputError, match=r"a\.bmp.*\.png or \.webp"):
        check_file(tmp_path / "a.bmp", (".png", ".webp"))
    with pytest.raises(OutputError, match="is a folder"):
        check_file(tmp_path)


def test_inputs_with_such_names(tmp_path: Path) -> None:
    for name in (LONG, LATIN):
        with pytest.raises(PhotoError) as caught:
            read_image(tmp_path / name)
        assert_sentence(str(caught.value))
        with pytest.raises(AvatarError) as caught:
            Avatar.load(tmp_path / name)
        assert_sentence(str(caught.value))


@pytest.mark.parametrize("name", ["x.fbx", "none/x.glb", f"{LONG}.glb", "x.vrm/y.vrm", LATIN])
def test_export_refuses_before_it_builds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "x.vrm").touch()
    monkeypatch.setattr(Avatar, "bust", lambda self, **kwargs: pytest.fail("the work began"))
    with pytest.raises(OutputError) as caught:
        Avatar().export(tmp_path / name)
    assert_sentence(str(caught.value))
    monkeypatch.setattr(Avatar, "to_dict", lambda self: pytest.fail("the work began"))
    if "/" in name or len(name) > 255 or name == LATIN:
        with pytest.raises(OutputError):
            Avatar().save(tmp_path / name)


COMMANDS = {
    "create": ["create", "me.jpg", "--out", "OUT"],
    "avatar": ["avatar", "--seed", "1", "--out", "OUT"],
    "render": ["render", "a.json", "--out", "OUT/a.png"],
    "invert": ["invert", "me.jpg", "--out", "OUT"],
    "edit": ["edit", "h.safetensors", "--set", "smile=1", "--out", "OUT"],
    "sample": ["sample", "--seeds", "0", "--out", "OUT"],
    "synth": ["synth", "--people", "1", "--out", "OUT"],
    "train": ["train", "identity", "--data", ".", "--out", "OUT"],
    "convert": ["convert", "a.pkl", "OUT"],
    "convert one file": ["convert", "a.pkl", "OUT/a.safetensors"],
    "bench": ["bench", "invert", "--json", "OUT/a.json"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("where", ["file/x", LONG, LATIN])
def test_every_command_checks_before_it_works(
    command: str,
    where: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Inputs do not exist, so the sentence about the output shows that it came first."""
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("portraiture.engine.prepare.prepare", lambda: pytest.fail("the work began"))
    with pytest.raises(SystemExit) as stop:
        main([text.replace("OUT", where) for text in COMMANDS[command]])
    assert stop.value.code == 2
    printed = capsys.readouterr().err
    assert "Traceback" not in printed
    words = {"file/x": "file", LONG: "too long", LATIN: "not valid UTF-8"}
    assert words[where] in printed
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["render", "a.json", "--out", "a.bmp"],
        ["avatar", "--seed", "1", "--out", "o", "--title", ""],
    ],
)
def test_other_choices_are_refused_before_the_work(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("portraiture.engine.prepare.prepare", lambda: pytest.fail("the work began"))
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "portraiture:" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_follow_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    """safetensors makes its files 0600, whatever the umask."""
    before = os.umask(umask)
    try:
        tensors = {"a": np.zeros(3, np.float32)}
        with atomic_path(tmp_path / "a.safetensors") as partial:
            save_file(tensors, partial)
        write_image(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
        with staged_folder(tmp_path / "out", ["a.safetensors", "b.txt"]) as stage:
            save_file(tensors, stage / "a.safetensors")
            (stage / "b.txt").write_text("text")
        found = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*.*")}
    finally:
        os.umask(before)
    assert found == dict.fromkeys(("a.safetensors", "a.png", "b.txt"), mode)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o777 & ~umask
