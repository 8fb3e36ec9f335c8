"""The commands of the README and the docs run, in their order, a page in a folder: smaller than
written there (one person, one seed, presets `tiny`), otherwise to the letter."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from documented import PAGES, ROOT, commands_of

from portraiture.photo.demo_photo import demo_photo

pytestmark = pytest.mark.slow

SHARED = ROOT.parent / "shared"
SMALLER = (
    (r"--people \d+", "--people 1"),
    (r"--seeds 0-\d+", "--seeds 0-0"),
    (r"--preset (?!tiny)\S+", "--preset tiny"),
    (r"^(train (?!.*--preset).*)$", r"\1 --preset tiny"),
    (r"--perceptual \S+", ""),
)
LEFT_OUT = {
    r"^lift |lifted": "LiftedGAN's published files cannot be had here",
    r"--photos|--networks cascade|--start cascade|runs/stylised": "needs labelled portraits",
    r"--weights runs/": "needs what a run on labelled portraits leaves",
    r"--data cats": "any folder of images; tests/lift has one",
    r"--start faces2d --data normal": "needs 4 pairs at least, half an hour",
    r"^adapt |painted|--style pixar --people": "needs hours of training or a clip; see tests/adapt",
    r"^train (planes|styles|editor)": "tests/restyle trains them",
}
"""Commands by what is in them, with the reason."""
SERVERS = ("studio", "serve")
SECONDS = 900


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """With everything that the commands name and do not make."""
    for name in ("me", "left", "front", "right"):
        shutil.copy(demo_photo(), tmp_path / f"{name}.jpg")
    (tmp_path / "people").mkdir()
    for name in ("anna", "berta"):
        shutil.copy(demo_photo(), tmp_path / "people" / f"{name}.jpg")
    for variable in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    yield tmp_path


def given(folder: Path) -> None:
    """What only ../shared has."""
    shutil.copy(SHARED / "fixtures" / "eg3d_canary.pkl", folder / "ffhqrebalanced512-128.pkl")
    pack = SHARED / "data" / "makehuman_cc0"
    with zipfile.ZipFile(folder / "makehuman_cc0.zip", "w") as archive:
        for path in sorted(pack.rglob("*")):
            archive.write(path, path.relative_to(pack))


def smaller(line: str) -> str:
    for pattern, instead in SMALLER:
        line = re.sub(pattern, instead, line)
    return line


def left_out(line: str) -> bool:
    return any(re.search(pattern, line) for pattern in LEFT_OUT)


def run(arguments: list[str], folder: Path) -> None:
    command = [sys.executable, "-m", "portraiture.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"}
    if arguments[0] not in SERVERS:
        ended = subprocess.run(
            command, cwd=folder, env=environment, timeout=SECONDS, capture_output=True, text=True
        )
        assert ended.returncode == 0, f"{shlex.join(arguments)}\n{ended.stderr}{ended.stdout}"
        return
    if arguments[0] == "studio" and "--no-browser" not in arguments:
        command.append("--no-browser")
    with subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as server:  # fmt: skip
        assert server.stdout is not None
        said = ""
        for row in server.stdout:
            said += row
            if "Ctrl-C ends it" in row:
                break
        try:
            port = re.search(r"http://127\.0\.0\.1:(\d+)", said)
            assert port is not None, said
            with suppress(HTTPError):  # any answer says that it runs
                urlopen(f"http://127.0.0.1:{port[1]}/", timeout=60).close()
            server.send_signal(signal.SIGINT)
            assert server.wait(60) in (0, 130, -signal.SIGINT), said
        finally:
            server.kill()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page(page: Path, folder: Path) -> None:
    lines = [line for line in map(smaller, commands_of(page)) if not left_out(line)]
    if not lines:
        pytest.skip("no command of this page can be run here")
    if any(re.search(r"ffhq|makehuman", line) for line in lines):
        if not SHARED.is_dir():
            pytest.skip("../shared is not here")
        given(folder)
    if any("me/avatar.json" in line for line in lines) and page.name != "README.md":
        run(["create", "me.jpg", "--out", "me"], folder)
    done: set[str] = set()
    for line in lines:
        arguments = shlex.split(line)
        if line in done and arguments[0] != "batch":
            continue
        done.add(line)
        if "--out" in arguments:
            shutil.rmtree(folder / arguments[arguments.index("--out") + 1], ignore_errors=True)
        run(arguments, folder)
