"""What a worker process does with each kind of job.

avatar, head ─▶ a new folder, recorded as version 1
edit         ─▶ a new folder, recorded as the next version of its avatar
export       ─▶ one file in the folder of a version
webhook      ─▶ a POST to the tenant's address
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from portraiture.errors import (
    AvatarError,
    CancelledError,
    ExportError,
    InversionError,
    JobError,
    PhotoError,
    PortraitureError,
    PostponedError,
)
from portraiture.jobs.folders import result_folder
from portraiture.jobs.open import open_jobs
from portraiture.jobs.table import Job, JobTable
from portraiture.jobs.worker import Made
from portraiture.progress import Progress
from portraiture.service.access import now
from portraiture.service.exports import MOST_FILES
from portraiture.service.queries import glb_options_of, picture_of
from portraiture.service.settings import ServiceSettings
from portraiture.service.signatures import load_secret
from portraiture.service.store import Store
from portraiture.service.uploads import unnamed
from portraiture.service.webhooks import deliver, try_later

KINDS = ("avatar", "head", "edit", "export", "webhook")
INPUT_ERRORS = (AvatarError, CancelledError, ExportError, InversionError, JobError, PhotoError)
"""Whose sentences a client may read."""
GONE = "It was deleted while this was being done."
NO_PHOTO = "The photo is not there any more; send it again."


@dataclass(frozen=True)
class Work:
    """Does the jobs of a service. Is pickled to worker processes, which load networks only when a
    job needs them."""

    settings: ServiceSettings

    def __call__(self, job: Job, progress: Progress) -> Made:
        """Raises one of `INPUT_ERRORS`, one sentence, where the input is at fault; anything else is
        ours, may name paths, and is worth another attempt."""
        try:
            return self._do(job, progress)
        except (*INPUT_ERRORS, PostponedError):
            raise
        except PortraitureError as error:
            raise RuntimeError(str(error)) from error

    def _do(self, job: Job, progress: Progress) -> Made:
        match job.kind:
            case "avatar" | "head":
                return self._create(job, progress)
            case "edit":
                return self._edit(job, progress)
            case "export":
                return self._export(job, progress)
            case "webhook":
                return self._tell(job)
            case _:
                raise JobError(f"There is no work of the kind {job.kind!r}.")

    @cached_property
    def store(self) -> Store:
        """The files."""
        return Store(self.settings.folder)

    @cached_property
    def _table(self) -> JobTable:
        return open_jobs(self.settings.jobs)

    def _create(self, job: Job, progress: Progress) -> Made:
        from portraiture.service.make import make_avatar, make_head

        photo = self.store.photo(job.id) if "photo" in job.payload else None
        if photo is not None and not photo.is_file():
            raise JobError(NO_PHOTO)
        make = make_avatar if job.kind == "avatar" else make_head
        try:
            with result_folder(self.store.results, job.id) as staged:
                facts = make(job.payload, photo, staged.path, progress)
        except PhotoError as error:
            raise PhotoError(str(error) if photo is None else unnamed(str(error), photo)) from None
        return Made(facts, staged.final)

    def _edit(self, job: Job, progress: Progress) -> Made:
        from portraiture.service.make import edit_avatar

        old = self._table.result(job.payload["id"], tenant=job.tenant)
        if old is None:
            raise JobError(GONE)
        if job.payload.get("version", old.version) != old.version:
            raise JobError(f"The avatar was changed meanwhile; it is at version {old.version} now.")
        before = self.store.version(old.folder)
        if not (before / "avatar.json").is_file():
            raise JobError(GONE)
        with result_folder(self.store.results, old.id) as staged:
            facts = edit_avatar(job.payload["changes"], before, staged.path, progress)
        return Made({**facts, "version": old.version + 1}, staged.final, revises=old)

    def _export(self, job: Job, progress: Progress) -> Made:
        from portraiture.service.make import export_glb, export_head, export_picture

        asked, suffix = job.payload["asked"], job.payload["suffix"]
        folder = self.store.version(job.payload["folder"])
        path = self.store.export_path(job.payload["folder"], job.payload["name"])
        if not folder.is_dir():
            raise JobError(GONE)
        path.parent.mkdir(exist_ok=True)
        self.store.make_room(job.payload["folder"], MOST_FILES - 1)
        progress.stage(f"Write the {suffix.upper()}")
        match job.payload["kind"], suffix:
            case "avatar", "glb":
                export_glb(folder, glb_options_of(asked), path)
            case "avatar", "png":
                export_picture(folder, picture_of(asked), path)
            case "head", _:
                export_head(folder, None if asked is None else picture_of(asked), path)
            case _:
                raise JobError(f"Nothing is written as {suffix}.")
        return Made({"bytes": path.stat().st_size})

    def _tell(self, job: Job) -> Made:
        ended = self._table.get(job.payload["job"], tenant=job.tenant)
        address = self.settings.webhooks.get(job.tenant)
        if ended is not None and address is not None:
            secret = load_secret(self.settings.folder)
            try:
                deliver(ended, address, secret, now())
            except OSError as error:
                raise try_later(job, now()) from error
        return Made({})
