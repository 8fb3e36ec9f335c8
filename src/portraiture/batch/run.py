"""Many photos, each to a folder of its own, resumed by running it again.

photos ─hash─▶ what is missing, failed or changed ─processes or Ray─▶ folders ─▶ manifest
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from portraiture.batch.attempt import Do, MakeDo, Task, sweep
from portraiture.batch.manifest import Entry, Manifest
from portraiture.batch.on_ray import on_ray
from portraiture.batch.photos import Input, find_photos
from portraiture.batch.workers import in_workers
from portraiture.errors import BatchError
from portraiture.paths import cannot_write, check_folder
from portraiture.progress import SILENT, Progress
from portraiture.types import DeviceName, Style

Verb = Literal["create", "invert"]


@dataclass
class Summary:
    """entries: of the photos that this run did. kept: how many had been done or refused before.
    seconds: that it took."""

    entries: list[Entry] = field(default_factory=list)
    kept: int = 0
    seconds: float = 0.0

    @property
    def per_minute(self) -> float:
        """Photos a minute."""
        return 60 * len(self.entries) / max(self.seconds, 1e-9)


def default_workers() -> int:
    """As many as cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def batch(
    photos: Path | str, out: Path, *, verb: Verb = "create", style: Style | None = None,
    device: DeviceName = "auto", workers: int | None = None, ray: str | None = None,
    progress: Progress = SILENT,
) -> Summary:  # fmt: skip
    """Do a verb on all photos of a folder or pattern; see `run_batch`. style: of create's avatars,
    by default natural."""
    if verb == "invert" and style is not None:
        raise BatchError("--style is for --verb create.")
    facts = {"verb": verb} | ({"style": style or "natural"} if verb == "create" else {})
    make = partial(make_verb, verb, style or "natural", device)
    return run_batch(
        photos, out, make=make, facts=facts, workers=workers, ray=ray, progress=progress
    )


def make_verb(verb: Verb, style: Style, device: DeviceName) -> Do:
    """The verb with its networks loaded. Raises PortraitureError."""
    match verb:
        case "create":
            from portraiture.avatar import check_style
            from portraiture.create.run import create_files

            check_style(style)
            return partial(create_files, style=style)
        case "invert":
            from portraiture.invert.method import choose_method
            from portraiture.invert.run import invert_files
            from portraiture.models import Models, choose_device

            method = choose_method(None, Models(choose_device(device)), photos=1)
            return lambda photo, folder: invert_files([photo], folder, method=method)


def run_batch(
    photos: Path | str, out: Path, *, make: MakeDo, facts: Mapping[str, str],
    workers: int | None = None, ray: str | None = None, progress: Progress = SILENT,
) -> Summary:  # fmt: skip
    """Do what is missing, failed or changed; each photo is a step of `progress`.

    photos: see `find_photos`. make: loads what does a photo. facts: options, which a batch keeps.
    workers: processes, by default `default_workers`. ray: address of a cluster instead of this
    machine. Raises BatchError, OutputError or CancelledError; what was recorded stays.
    """
    workers = default_workers() if workers is None else workers
    if workers < 1:
        raise BatchError(f"--workers must be at least 1, not {workers}.")
    check_folder(out)
    inputs = find_photos(photos, progress)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(out, error) from error
    start, manifest = time.monotonic(), Manifest(out, facts)
    try:
        sweep(out)
        todo = {photo.name: photo for photo in inputs if _is_due(photo, manifest, out)}
        summary = Summary(kept=len(inputs) - len(todo))
        _check_folders(list(todo.values()), manifest, out)
        tasks = [Task(one.name, one.path.absolute(), _folder(one, out)) for one in todo.values()]
        manifest.begin([task.folder.name for task in tasks])
        progress.stage("Do the photos", len(tasks))
        ways = (
            in_workers(make, tasks, workers, progress)
            if ray is None
            else on_ray(make, tasks, workers, ray, progress)
        )
        with closing(ways):  # whatever happens, its processes end
            for task, outcome in ways if tasks else ():
                entry = Entry(task.name, todo[task.name].sha256, **vars(outcome))
                manifest.record(entry)
                summary.entries.append(entry)
                progress.step()
        manifest.begun.clear()
    finally:
        manifest.close()
    summary.seconds = time.monotonic() - start
    return summary


def _folder(photo: Input, out: Path) -> Path:
    return out.absolute() / photo.folder


def _is_due(photo: Input, manifest: Manifest, out: Path) -> bool:
    entry = manifest.entries.get(photo.name)
    if entry is None or entry.state == "failed" or entry.sha256 != photo.sha256:
        return True
    return not all((out / output).exists() for output in entry.outputs)


def _check_folders(photos: list[Input], manifest: Manifest, out: Path) -> None:
    """Raise BatchError where a folder would be replaced that is not the batch's."""
    ours = {
        Path(output).parts[0] for entry in manifest.entries.values() for output in entry.outputs
    }
    for photo in photos:
        if os.path.lexists(out / photo.folder) and photo.folder not in ours | manifest.begun:
            raise BatchError(
                f"{out / photo.folder} is there but not of this batch; move it or give another"
                " folder."
            )
