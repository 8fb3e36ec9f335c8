"""Batches of photos.

Properties: every photo has its folder, whole, and an entry; a rerun does what is missing, failed
or changed and nothing else; a photo that breaks its process breaks no other; a kill at a random
moment loses and repeats nothing that was recorded; folders of others are left alone.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path

import batch_cases
import pyarrow.parquet
import pytest
from batch_cases import FACTS, load_copy, whole, write_photos
from recorded_progress import RecordedProgress

from portraiture.batch.manifest import JOURNAL, MANIFEST, Entry, Manifest
from portraiture.batch.photos import find_photos
from portraiture.batch.run import Summary, run_batch
from portraiture.errors import BatchError, CancelledError
from portraiture.progress import SILENT, Progress


class Case:
    """A folder of photos, by default good ones, and their batch."""

    def __init__(self, root: Path) -> None:
        self.photos, self.out, self.log = root / "photos", root / "out", root / "log"
        write_photos(self.photos, {f"{name}.jpg": f"text of {name} " for name in "abc"})

    def run(self, workers: int = 2, progress: Progress = SILENT) -> Summary:
        make = partial(load_copy, self.log, 0.0)
        return run_batch(
            self.photos, self.out, make=make, facts=FACTS, workers=workers, progress=progress
        )

    def begun(self) -> list[str]:
        """Photos that were begun since the last call, sorted."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return sorted(line.split()[1] for line in lines)

    def entries(self) -> dict[str, Entry]:
        rows = pyarrow.parquet.read_table(self.out / MANIFEST).to_pylist()
        return {row["name"]: Entry(**{**row, "outputs": tuple(row["outputs"])}) for row in rows}


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_every_photo_has_its_folder_and_entry(case: Case) -> None:
    told = RecordedProgress()
    summary = case.run(progress=told)
    assert sorted(entry.name for entry in summary.entries) == ["a.jpg", "b.jpg", "c.jpg"]
    assert told.steps["Do the photos"] == 3 and summary.kept == 0
    for name in "abc":
        assert whole(case.out / name, f"text of {name} ")
        entry = case.entries()[f"{name}.jpg"]
        assert (entry.state, entry.reason) == ("done", "") and 0 <= entry.seconds < 10
        assert entry.sha256 == sha256((case.photos / f"{name}.jpg").read_bytes()).hexdigest()
        assert entry.outputs == tuple(f"{name}/{file}" for file in batch_cases.FILES)
    assert (case.out / JOURNAL).read_bytes() == b""
    assert {path.name for path in case.out.iterdir()} == {"a", "b", "c", MANIFEST, JOURNAL}


def test_a_rerun_does_what_is_missing_failed_or_changed(case: Case) -> None:
    write_photos(case.photos, {"no.png": "refuse", "bad.png": "break"})
    case.run()
    assert len(case.begun()) == 5
    entries = case.entries()
    assert entries["no.png"].state == "refused" and entries["no.png"].reason.startswith("There is")
    assert entries["bad.png"].state == "failed" and "broken in two" in entries["bad.png"].reason

    summary = case.run()
    assert case.begun() == ["bad.png"] and summary.kept == 4
    write_photos(case.photos, {"a.jpg": "another", "new.jpg": "new", "no.png": "good now"})
    (case.out / "b" / "b.txt").unlink()
    before = (case.out / "c" / "a.txt").stat().st_ino
    case.run()
    assert case.begun() == ["a.jpg", "b.jpg", "bad.png", "new.jpg", "no.png"]
    assert whole(case.out / "a", "another") and whole(case.out / "b", "text of b ")
    assert whole(case.out / "no", "good now") and (case.out / "c" / "a.txt").stat().st_ino == before
    (case.photos / "bad.png").unlink()
    assert case.run().entries == [] and case.begun() == []


def test_a_photo_that_ends_its_process_ends_no_other(case: Case) -> None:
    write_photos(case.photos, {"aa.jpg": "die", "bb.jpg": "die"})
    case.run()
    entries = case.entries()
    assert {entries[name].state for name in ("a.jpg", "b.jpg", "c.jpg")} == {"done"}
    assert entries["aa.jpg"].state == entries["bb.jpg"].state == "failed"
    assert entries["aa.jpg"].reason == "Its process ended with signal 9."


def test_processes_load_once(case: Case) -> None:
    write_photos(case.photos, {f"{n}.jpg": str(n) for n in range(8)})
    case.run(workers=1)
    pids = {line.split()[0] for line in case.log.read_text().splitlines()}
    assert len(pids) == 1 and str(os.getpid()) not in pids


@pytest.mark.parametrize("load", [batch_cases.load_nothing, batch_cases.end_at_once])
def test_a_verb_that_does_not_load_ends_the_batch(case: Case, load) -> None:
    with pytest.raises(BatchError, match=r"no weights|exit code 3"):
        run_batch(case.photos, case.out, make=partial(load, case.log), facts=FACTS, workers=2)
    assert case.entries() == {}
    case.run()
    assert len(case.begun()) == 3


def test_cancelled(case: Case) -> None:
    with pytest.raises(CancelledError):
        case.run(workers=1, progress=_CancelLater())
    assert len(case.entries()) == 1
    assert case.run().kept == 1


class _CancelLater(RecordedProgress):
    """Cancels after the first photo that is done, not while photos are looked at."""

    @property
    def cancelled(self) -> bool:
        return self.steps.get("Do the photos", 0) >= 1


def test_folders_of_others_are_left_alone(case: Case) -> None:
    (case.out / "b").mkdir(parents=True)
    (case.out / "b" / "thesis.txt").write_text("mine")
    with pytest.raises(BatchError, match="not of this batch"):
        case.run()
    assert (case.out / "b" / "thesis.txt").read_text() == "mine" and case.begun() == []


def test_one_batch_keeps_its_options_and_its_folder(case: Case) -> None:
    case.run()
    with pytest.raises(BatchError, match="verb copy"):
        Manifest(case.out, {"verb": "invert"})
    manifest = Manifest(case.out, FACTS)
    with pytest.raises(BatchError, match="Another batch"):
        case.run()
    manifest.close()
    assert case.run().kept == 3
    (case.out / MANIFEST).write_bytes(b"PAR1 is damaged PAR1")
    with pytest.raises(BatchError, match="damaged"):
        case.run()


def test_a_batch_that_is_killed_at_once_keeps_its_options(tmp_path: Path) -> None:
    killed = Manifest(tmp_path, FACTS)  # neither closed nor written to
    assert pyarrow.parquet.read_table(tmp_path / MANIFEST).num_rows == 0
    os.close(killed._journal)
    with pytest.raises(BatchError, match="verb copy"):
        Manifest(tmp_path, {"verb": "invert"})


def test_names_of_folders(tmp_path: Path) -> None:
    names = ["a.jpg", "a.png", "A.tif", "b.jpg", "a.jpg.png", "manifest.parquet.jpg", "é ü.jpg"]
    write_photos(tmp_path, dict.fromkeys([*names, ".hidden.jpg", "notes.txt"], "x"))
    (tmp_path / "folder.jpg").mkdir()
    folders = {photo.name: photo.folder for photo in find_photos(tmp_path)}
    assert folders == {name: name for name in names} | {"b.jpg": "b", "é ü.jpg": "é ü"}
    assert [photo.name for photo in find_photos(tmp_path / "[b-z]*.jpg")] == [
        "b.jpg", "manifest.parquet.jpg"
    ]  # fmt: skip
    for nothing in (tmp_path / "*.gif", tmp_path / "none", tmp_path / "none" / "*"):
        with pytest.raises(BatchError):
            find_photos(nothing)


def test_a_journal_cut_short_loses_only_its_last_line(case: Case) -> None:
    case.out.mkdir()
    manifest = Manifest(case.out, FACTS)
    manifest.begin(["a", "b"])
    for name in "ab":
        manifest.record(Entry(f"{name}.jpg", "0", "done", "", 1.0, (f"{name}/x",)))
    text = (case.out / JOURNAL).read_bytes()
    os.close(manifest._journal)
    for cut in range(1, len(text.splitlines(keepends=True)[-1]) + 1):
        (case.out / MANIFEST).unlink(missing_ok=True)
        (case.out / JOURNAL).write_bytes(text[:-cut])
        again = Manifest(case.out, FACTS)
        assert set(again.entries) == ({"a.jpg", "b.jpg"} if cut == 1 else {"a.jpg"})
        again.record(Entry("c.jpg", "0", "refused", "No."))
        os.close(again._journal)
        once_more = Manifest(case.out, FACTS)
        assert "c.jpg" in once_more.entries
        assert once_more.begun == (set() if cut == 1 else {"b"})
        once_more.close()


def recorded(out: Path) -> Iterator[str]:
    """Names that a killed batch had recorded as done."""
    if out.exists():
        manifest = Manifest(out, FACTS)
        yield from (entry.name for entry in manifest.entries.values() if entry.state == "done")
        os.close(manifest._journal)


def gone(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return False
    return True


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_kills_lose_and_repeat_nothing_that_was_recorded(case: Case, kills: int) -> None:
    rng = random.Random(kills)
    write_photos(case.photos, {f"{n}.jpg": f"photo {n} " * 99 for n in range(3 * kills)})
    command = [sys.executable, batch_cases.__file__, str(case.photos), str(case.out)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    known: set[str] = set()
    for kill in range(kills + 1):
        command_line = [*command, str(case.log), "0.15"]
        process = subprocess.Popen(command_line, env=environment, stderr=subprocess.PIPE)
        if kill < kills:
            while not case.log.exists() and process.poll() is None:
                time.sleep(0.01)
            time.sleep(rng.uniform(0.0, 0.6))
            process.kill()
        _, errors = process.communicate(timeout=60)
        if kill == kills:  # a process that starts while its parent is killed complains
            assert b"Traceback" not in errors, errors.decode()
        lines = [line.split() for line in case.log.read_text().splitlines()]
        end = time.monotonic() + 20
        while not all(gone(int(pid)) for pid, _ in lines):
            assert time.monotonic() < end, "a process outlives its parent"
            time.sleep(0.01)
        assert known.isdisjoint(case.begun()), "a photo was repeated"
        now = set(recorded(case.out))
        assert known <= now, "a photo was lost"
        known = now
    assert process.returncode == 0 and len(known) == 3 + 3 * kills
    assert {entry.state for entry in case.entries().values()} == {"done"}
    for path in case.photos.iterdir():
        assert whole(case.out / path.stem, path.read_text())
    assert not list(case.out.glob(".portraiture-*"))
