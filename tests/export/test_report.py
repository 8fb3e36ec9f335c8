from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from synthetic_bust import synthetic_bust

from portraiture.errors import OutputError
from portraiture.export.gltf import glb_bytes
from portraiture.export.html import write_report
from portraiture.types import Quality

QUALITY = Quality(512.4, 320.0, 0.48, 0.2, -0.03, 0.0, 0.02, 0.1, ("Dark & <small>.",))


class Page(HTMLParser):
    """Collects what a browser would fetch, and the text by element id."""

    def __init__(self, text: str):
        super().__init__()
        self.addresses: list[str] = []
        self.pictures: list[str] = []
        self.ids: dict[str, str] = {}
        self.text = ""
        self._open: str | None = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "img":
            self.pictures.append(values["src"])
        self.addresses += [values[k] for k in ("src", "href", "action") if k in values]
        self._open = values.get("id")

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, data):
        self.text += data
        if self._open:
            self.ids[self._open] = data


@pytest.fixture
def glb() -> bytes:
    return glb_bytes(synthetic_bust())


def write(path, glb: bytes, **changes) -> Page:
    picture = np.full((40, 60, 3), 120, np.uint8)
    options = {
        "photo_image": picture,
        "overlay": picture,
        "renders": {"Front": np.full((50, 50, 4), 0.5, np.float32)},
        "glb_bytes": glb,
        "quality": QUALITY,
        "stages": [("Align", 0.25), ("Fit", 6.0)],
        "provenance": {"photo": "a</script>.png", "program": "portraiture"},
        **changes,
    }
    write_report(path, **options)
    return Page(path.read_text(encoding="utf-8"))


def test_everything_is_inside(tmp_path, glb: bytes):
    page = write(tmp_path / "report.html", glb)
    assert len(page.pictures) == 3
    assert all(address.startswith("data:image/") for address in page.addresses)
    text = (tmp_path / "report.html").read_text()
    assert not re.search(r"https?://", text)
    assert "@import" not in text
    assert "{{" not in text
    assert "default-src 'none'" in text
    assert base64.b64decode(page.ids["glb"]) == glb
    moods = json.loads(page.ids["moods"])
    assert moods[0][0] == "Happy"
    assert moods[0][1]["mouthSmileLeft"] > 0.5


def test_facts_are_told_and_escaped(tmp_path, glb: bytes):
    page = write(tmp_path / "report.html", glb, title="A <b> & c")
    assert "Dark & <small>." in page.text
    assert "a</script>.png" in page.text
    assert "A <b> & c" in page.text
    assert "512 px" in page.text
    assert "11° to the person’s left" in page.text
    assert "6.2 s" in page.text
    assert "<small>." not in (tmp_path / "report.html").read_text()


def test_images_keep_transparency_and_are_scaled(tmp_path, glb: bytes):
    render = np.zeros((1200, 600, 4), np.uint8)
    render[:600] = 255
    page = write(tmp_path / "r.html", glb, photo_image=None, overlay=None, renders={"x": render})
    assert page.pictures[0].startswith("data:image/webp;base64,")
    data = base64.b64decode(page.pictures[0].split(",")[1])
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (450, 900)
        assert image.getpixel((200, 100))[3] == 255
        assert image.getpixel((200, 800))[3] == 0


def test_a_strip_of_images_gets_a_row_of_its_own(tmp_path, glb: bytes):
    strip = np.full((1000, 3000, 3), 90, np.uint8)
    page = write(tmp_path / "r.html", glb, overlay=strip)
    data = base64.b64decode(page.pictures[-1].split(",")[1])
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (1800, 600)
    text = (tmp_path / "r.html").read_text()
    assert text.count("<figure class=wide>") == 1
    assert text.index("<figcaption>Front") < text.index("<figcaption>The fit over it")


@pytest.mark.parametrize("count", range(0, 14))
def test_any_number_of_images(tmp_path, glb: bytes, count: int):
    renders = {f"view {k}": np.zeros((8, 8, 3), np.uint8) for k in range(count)}
    page = write(
        tmp_path / "r.html", glb, photo_image=None, overlay=None, renders=renders,
        quality=None, stages=[], provenance={},
    )  # fmt: skip
    assert len(page.pictures) == count
    assert "quality" not in page.text.split("function")[0]


def test_a_missing_folder_is_the_user_s_error(tmp_path, glb: bytes):
    with pytest.raises(OutputError):
        write(tmp_path / "none" / "r.html", glb)
