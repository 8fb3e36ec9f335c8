"""Small pictures of choices: they differ, are rendered once, and nothing else has one."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from portraiture.errors import AvatarError
from portraiture.recent import Recent
from portraiture.studio import pictures
from portraiture.studio.pictures import SIZE, picture


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_pictures", Recent(1))


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)), np.float64)


def test_a_picture_is_rendered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTRAITURE_CACHE", str(tmp_path / "new"))
    bald, buzz = picture("hair_style", "bald"), picture("hair_style", "buzz")
    assert pixels(bald).shape == (SIZE, SIZE, 3)
    scalp = (slice(0, SIZE // 2), slice(None))
    assert np.abs(pixels(bald)[scalp] - pixels(buzz)[scalp]).mean() > 2.0
    monkeypatch.delattr(pictures, "_rendered")
    assert picture("hair_style", "bald") == bald
    assert picture("hair_style", "buzz") == buzz
    with pytest.raises(NameError):
        picture("hair_style", "short")


def test_without_a_cache_folder_it_is_still_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "studio").write_text("a file where the folder should be")
    monkeypatch.setenv("PORTRAITURE_CACHE", str(tmp_path))
    monkeypatch.setattr(pictures, "_rendered", lambda kind, choice: np.zeros((8, 8, 3), np.uint8))
    assert pixels(picture("brow_style", "thin")).shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("kind", "choice"),
    [("hair_style", "mullet"), ("hair_style", "../x"), ("style", "noir"), ("age", "0.5"), ("", "")],
)
def test_nothing_else_has_a_picture(kind: str, choice: str) -> None:
    with pytest.raises(AvatarError):
        picture(kind, choice)
