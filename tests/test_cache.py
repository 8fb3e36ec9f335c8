"""The cache folder: where the user says, where the system says, or a temporary one."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from portraiture import cache
from portraiture.cache import cache_path, keep_kernels
from portraiture.errors import OutputError


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home and a temporary folder of the test's own, and nothing in the environment."""
    for name in ("PORTRAITURE_CACHE", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    (tmp_path / "temporary").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    cache._writable_folder.cache_clear()


def test_the_users_choice_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_path("a", "b") == tmp_path / "home/.cache/portraiture/a/b"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_path("a") == tmp_path / "xdg/portraiture/a"
    monkeypatch.setenv("PORTRAITURE_CACHE", str(tmp_path / "own"))
    assert cache_path("a") == tmp_path / "own/a"
    assert not (tmp_path / "own").exists()


def test_an_unwritable_home_gives_a_temporary_folder_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "file" / "home"))
    with caplog.at_level(logging.WARNING):
        found = {cache_path(name).parent for name in ("a", "b", "c")}
    assert found == {tmp_path / "temporary" / f"portraiture-{os.getuid()}"}
    assert len(caplog.records) == 1 and "cannot be written" in caplog.text
    assert stat.S_IMODE(found.pop().stat().st_mode) == 0o700


def test_what_lies_in_a_read_only_cache_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "home/.cache/portraiture/engine"
    kept.parent.mkdir(parents=True)
    kept.touch()
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: "home" not in str(path) and access(path, mode)
    )
    assert cache_path("engine") == kept
    assert cache_path("other").parent.parent == tmp_path / "temporary"


def test_somebody_elses_folder_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    taken = tmp_path / "temporary" / f"portraiture-{os.getuid()}"
    taken.mkdir()
    taken.chmod(0o777)
    first = cache_path("a").parent
    assert first != taken and first.parent == taken.parent
    cache._writable_folder.cache_clear()
    taken.rmdir()
    taken.symlink_to(tmp_path / "home")
    assert cache_path("a").parent not in (taken, first)


def test_a_home_that_nobody_knows_is_no_folder_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without HOME and with a user the system does not know, "~" stays as it is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert cache_path("a").parent.parent == tmp_path / "temporary"
    assert not (tmp_path / "~").exists()


def test_without_any_folder_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="PORTRAITURE_CACHE"):
        cache_path("a")


def test_numba_gets_a_folder_only_where_it_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_kernels()
    assert "NUMBA_CACHE_DIR" not in os.environ
    monkeypatch.setattr(cache, "__file__", str(tmp_path / "file" / "cache.py"))
    keep_kernels()
    assert "NUMBA_CACHE_DIR" not in os.environ
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    numba = sys.modules.get("numba")
    if numba is not None:
        monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    keep_kernels()
    folder = tmp_path / "temporary" / f"portraiture-{os.getuid()}" / "numba"
    assert os.environ["NUMBA_CACHE_DIR"] == str(folder)
    monkeypatch.setenv("NUMBA_CACHE_DIR", "mine")
    keep_kernels()
    assert os.environ["NUMBA_CACHE_DIR"] == "mine"


def test_what_is_kept_is_looked_for_there(tmp_path: Path) -> None:
    """In a process of its own, whose home cannot be written."""
    program = """
from portraiture.engine.packs.assets import packs_folder
from portraiture.cache import cache_path
print(cache_path("converted").parent)
print(packs_folder().parent)
"""
    places = {"HOME": str(tmp_path / "file"), "TMPDIR": str(tmp_path / "temporary")}
    run = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | places, capture_output=True, text=True
    )
    folder = str(tmp_path / "temporary" / f"portraiture-{os.getuid()}")
    assert run.stdout.split() == [folder, folder], run.stderr
