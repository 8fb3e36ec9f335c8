"""What is done every few seconds beside the requests, harmless when several processes do it."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from types import TracebackType

from portraiture.errors import PortraitureError
from portraiture.jobs.table import JobTable
from portraiture.service.settings import ServiceSettings
from portraiture.service.store import Store
from portraiture.service.webhooks import announce

EVERY_SECONDS = 2.0
LOOK_BACK_SECONDS = 3600.0
"""How far back ended jobs are looked after: more than a service is ever down, one hopes."""
NEWS_SECONDS = 60.0
"""The same, of all rounds but the first."""
GRACE_SECONDS = 60.0
"""For a photo that is kept before its job is queued."""
log = logging.getLogger(__name__)


class Housekeeping:
    """Inside `with`, a thread that deletes photos whose jobs have ended, tells tenants of ended
    jobs and forgets old ones."""

    def __init__(self, settings: ServiceSettings, table: JobTable, store: Store) -> None:
        self._settings, self._table, self._store = settings, table, store
        self._seen: set[str] = set()
        self._begun = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def __enter__(self) -> Housekeeping:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._ended.set()
        self._thread.join()

    def once(self) -> None:
        """One round. Raises StorageError, OSError."""
        jobs = self._table.ended(within=NEWS_SECONDS if self._begun else LOOK_BACK_SECONDS)
        for job in jobs:
            if job.id not in self._seen:
                announce(self._table, self._settings, job)
                self._job_ended(self._store.photo(job.id))
        self._seen, self._begun = {job.id for job in jobs}, True
        in_use = self._table.in_use()
        self._store.remove_photos(
            older_than=time.time() - self._settings.photo_hours * 3600.0 - GRACE_SECONDS,
            but=in_use.jobs | in_use.waiting,
        )
        self._table.forget(self._settings.job_days * 86400.0)

    def _job_ended(self, photo: Path) -> None:
        """The photo goes, or its hours begin."""
        if self._settings.photo_hours == 0.0:
            photo.unlink(missing_ok=True)
        elif photo.exists():
            os.utime(photo)

    def _run(self) -> None:
        while not self._ended.wait(EVERY_SECONDS):
            try:
                self.once()
            except (PortraitureError, OSError) as error:
                log.warning("housekeeping: %s", error)
