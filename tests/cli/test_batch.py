"""portraiture batch as a user meets it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet
import pytest
from PIL import Image

from portraiture.cli import main
from portraiture.create.run import PHOTO_FILES
from portraiture.photo.demo_photo import demo_photo


def test_photos_that_cannot_be_used_are_refused_with_their_reasons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    (photos / "text.jpg").write_text("hello")
    Image.new("RGB", (1, 1)).save(photos / "dot [b].png")
    for before in (False, True):
        main(["batch", str(photos), str(out), "--workers", "1"])
        printed = capsys.readouterr().out
        assert ("text.jpg: refused. text.jpg is not a picture" in printed) is not before
        assert ("dot [b].png: refused." in printed) is not before
        assert ("done or refused before" in printed) is before
    rows = pyarrow.parquet.read_table(out / "manifest.parquet").to_pylist()
    assert [(row["name"], row["state"]) for row in rows] == [
        ("dot [b].png", "refused"), ("text.jpg", "refused")
    ]  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        ["missing", "out"],
        ["photos", "out"],
        ["photos/*.jpg", "out", "--workers", "0"],
        ["photos", "out", "--verb", "invert", "--style", "pixar"],
        ["photos", "out", "--style", "cubist"],
        ["photos"],
    ],
)
def test_bad_arguments_are_refused(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    with pytest.raises(SystemExit) as stop:
        main(["batch", *arguments])
    assert stop.value.code == 2
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err + printed.out
    assert not Path("out").exists()


@pytest.mark.slow
def test_the_demo_photo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    shutil.copyfile(demo_photo(), photos / "me.jpg")
    Image.new("RGB", (300, 300), (90, 120, 60)).save(photos / "wall.png")
    main(["batch", str(photos), str(out)])
    assert {path.name for path in (out / "me").iterdir()} == set(PHOTO_FILES)
    assert not (out / "wall").exists() and "wall.png: refused." in capsys.readouterr().out
