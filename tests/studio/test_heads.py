"""The neural head's stream and edits.

Small images show what sharp ones show; the latest view wins; edits count from the original head, so
that amounts of nothing give it back; whatever else comes through the socket ends it.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from portraiture.edit.run import edit, mix
from portraiture.errors import EditError, HeadError
from portraiture.generate.run import sample
from portraiture.head import Head, head_image
from portraiture.studio.app import make_app
from portraiture.studio.guard import PROTOCOL, Guard
from portraiture.studio.heads import MAX_PITCH, MAX_YAW, SIDES, Heads, Mix, View, coarse_image
from portraiture.studio.session import Session

PROTOCOLS, HOST = [PROTOCOL, "t"], {"host": "127.0.0.1"}


@pytest.fixture(scope="module")
def head() -> Head:
    return sample(3)


@pytest.fixture(scope="module")
def session(head: Head) -> Session:
    session = Session()
    session.heads.begin(head)
    return session


@pytest.fixture(scope="module")
def client(session: Session) -> Iterator[TestClient]:
    with TestClient(make_app(session, Guard("t")), base_url="http://127.0.0.1") as client:
        yield client


def pixels(data: bytes, side: int) -> np.ndarray:
    image = Image.open(io.BytesIO(data)).resize((side, side), Image.Resampling.BOX)
    return np.asarray(image, np.float64) / 255.0


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10.0 * np.log10(((a - b) ** 2).mean()))


def test_small_images_show_the_same(head: Head) -> None:
    small = coarse_image(head, View(0.4, -0.1, False), 64) / 255.0
    sharp = Image.fromarray(head_image(head, 0.4, -0.1)).resize((64, 64), Image.Resampling.BOX)
    other = Image.fromarray(head_image(head, -0.4, -0.1)).resize((64, 64), Image.Resampling.BOX)
    assert psnr(small, np.asarray(sharp) / 255.0) > 22.0
    assert psnr(small, np.asarray(other) / 255.0) < 17.0


def test_the_latest_view_wins(client: TestClient, session: Session) -> None:
    with client.websocket_connect("/api/head/view", PROTOCOLS, headers=HOST) as socket:
        views = [{"yaw": yaw, "pitch": 0.0, "sharp": False} for yaw in np.linspace(-1, 1, 30)]
        for view in views:
            socket.send_json(view)
        socket.send_json({"yaw": 0.5, "pitch": 0.1, "sharp": True})
        images = [socket.receive_bytes()]
        while images[-1][0] == 0:
            images.append(socket.receive_bytes())
    assert len(images) < len(views), "views that were overtaken get no image"
    expected = head_image(session.heads.current(), 0.5, 0.1) / 255.0
    assert psnr(pixels(images[-1][1:], len(expected)), expected) > 35.0


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"yaw": "left"}',
        '{"yaw": NaN}',
        '{"yaw": [1]}',
        '{"yaw": 1%s}' % ("0" * 900),
        "[" * 999,
    ],
)
def test_other_messages_end_the_stream(client: TestClient, text: str) -> None:
    with client.websocket_connect("/api/head/view", PROTOCOLS, headers=HOST) as socket:
        socket.send_text(text)
        assert socket.receive()["type"] == "websocket.close"


class SlowSharp(Heads):
    """Its sharp images take until `ready`; an image says of which view it is."""

    def __init__(self) -> None:
        super().__init__()
        self.ready, self.begun = threading.Event(), threading.Event()

    def jpeg(self, view: View, wanted: Callable[[], bool] = lambda: True) -> bytes | None:
        if view.sharp:
            self.begun.set()
            assert self.ready.wait(10.0)
        return f"{view.yaw:.1f}".encode()


def test_motion_does_not_wait_for_a_sharp_image() -> None:
    session = Session()
    session.heads = heads = SlowSharp()
    with (
        TestClient(make_app(session, Guard("t")), base_url="http://127.0.0.1") as client,
        client.websocket_connect("/api/head/view", PROTOCOLS, headers=HOST) as socket,
    ):
        socket.send_json({"yaw": 0.1, "sharp": True})
        assert heads.begun.wait(10.0)
        for yaw in (0.2, 0.3):
            socket.send_json({"yaw": yaw, "sharp": False})
            assert socket.receive_bytes() == b"\0%.1f" % yaw
        socket.send_json({"yaw": 0.4, "sharp": True})
        heads.ready.set()
        assert socket.receive_bytes() == b"\x010.4", "the first sharp image is of an earlier view"


def test_angles_are_bounded() -> None:
    view = View.of({"yaw": 9.0, "pitch": -9.0, "sharp": True})
    assert (view.yaw, view.pitch, view.sharp, view.before) == (MAX_YAW, -MAX_PITCH, True, False)


def test_images_get_as_large_as_there_is_time() -> None:
    heads = Heads()
    for _ in SIDES:
        heads._adapt(0.001)
    assert heads._side == len(SIDES) - 1
    for _ in SIDES:
        heads._adapt(1.0)
    assert heads._side == 0


def test_edits_count_from_the_original(head: Head) -> None:
    heads = Heads()
    heads.begin(head)
    assert heads.edit({"smile": 2.0})
    assert heads.edit({"smile": 1.0, "age": 0.0})
    assert heads.current().edits == {"smile": 1.0}
    expected = edit(head, {"smile": 1.0})
    assert (heads.current().planes == expected.planes).all()
    assert heads.edit({})
    assert heads.current() is head


def test_what_cannot_be_edited_is_refused(head: Head) -> None:
    with pytest.raises(HeadError):
        Heads().edit({"smile": 1.0})
    heads = Heads()
    heads.begin(head)
    for amounts in ({"soul": 1.0}, {"smile": 5.0}, {"smile": float("nan")}, {"pc1": 1.0}):
        with pytest.raises(EditError):
            heads.edit(amounts)
    assert heads.current() is head


def test_a_mix_comes_before_the_edits_and_goes_with_them(head: Head) -> None:
    heads = Heads()
    heads.begin(head)
    assert heads.edit({"smile": 1.0}, Mix(8, shape=0.5, look=0.25))
    expected = edit(mix(head, sample(8), shape=0.5, look=0.25), {"smile": 1.0})
    assert (heads.current().planes == expected.planes).all()
    assert heads.about()["mix"] == {"seed": 8, "shape": 0.5, "look": 0.25}
    assert heads.edit({}) and heads.current() is head and heads.about()["mix"] is None


def test_mixes_that_the_page_cannot_ask_for_are_refused(client: TestClient) -> None:
    for wrong in ({"seed": -1}, {"seed": 8, "shape": 2.0, "look": 0.0}, {"seed": 8}):
        headers = {"x-portraiture-token": "t"}
        answer = client.patch("/api/head", json={"amounts": {}, "mix": wrong}, headers=headers)
        assert answer.status_code == 422
