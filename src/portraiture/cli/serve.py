"""The commands serve and keys."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.table import Table
from tyro.conf import Positional

from portraiture.errors import JobError
from portraiture.paths import check_folder

if TYPE_CHECKING:
    from portraiture.studio.guard import Guard

DATABASE = "PORTRAITURE_DATABASE"
"""Environment variable with the database's address, so that its password is on no command line."""


@dataclass(frozen=True)
class Serve:
    """Serve avatars and neural heads over HTTP.

    Photos are posted, jobs followed, files fetched: see /docs of the running service for its routes
    and docs/service.md for examples. Jobs are kept in a database and survive a crash. Every tenant
    needs an API key (portraiture keys add NAME); --open serves this computer without.

    Example: portraiture serve --folder avatars --open
    """

    folder: Path
    """Where photos, results and the jobs' database are kept; created if it does not exist."""
    host: str = "127.0.0.1"
    """Address to listen at; 0.0.0.0 for all of this computer's."""
    port: int = 8080
    """Port to listen at."""
    workers: int = 2
    """Processes that do the jobs, some 1.5 GB each; 0 for none, where others on this database do
    them."""
    studio: bool = False
    """Also serve the studio at /studio to the browser of this computer; prints its address."""
    only_workers: bool = False
    """Do jobs of this folder and database, but answer no requests."""
    open: bool = False
    """Take requests without an API key; only where no other computer can reach the address."""
    database: str | None = None
    """postgresql://… for jobs that several computers do, or the path of a SQLite file; by default
    jobs.sqlite in the folder. Or set PORTRAITURE_DATABASE."""
    max_upload_mb: float = 20.0
    """Largest photo, in megabytes."""
    max_queued: int = 200
    """Jobs that may wait; more are refused with 429."""
    max_own: int = 50
    """The same, of one tenant."""
    rate: float = 20.0
    """Requests a second that one tenant may make in the long run."""
    photo_hours: float = 0.0
    """How long a photo is kept after its job has ended; 0 deletes it then."""
    memory_gb: float = 4.0
    """Memory above which a worker ends after its job and starts anew."""
    origins: tuple[str, ...] = ()
    """Web pages that may embed the avatar maker and call the service from a browser, such as
    https://example.com."""
    webhooks: Mapping[str, str] = field(default_factory=dict)
    """Tenants and the addresses that are told of their ended jobs: --webhooks acme
    https://acme.example/hook."""


@dataclass(frozen=True)
class Keys:
    """Add, list or revoke API keys of a service.

    A key is shown once, when it is added; the service keeps only its hash.

    Example: portraiture keys add acme --folder avatars
    """

    verb: Positional[Literal["add", "list", "revoke", "webhook-secret"]]
    """add: a new key. list: what keys there are. revoke: make one useless. webhook-secret: what the
    tenant checks webhooks with."""
    tenant: Positional[str]
    """Whose key it is."""
    folder: Path
    """The service's folder."""
    id: str | None = None
    """Of the key to revoke; portraiture keys list shows it."""
    name: str = ""
    """A note to know the key by."""
    database: str | None = None
    """The service's database, where it is not in the folder."""


def serve(command: Serve) -> None:
    """Serve until a signal. Raises PortraitureError."""
    from portraiture.jobs.worker import WorkerConfig
    from portraiture.service.run import serve, work_only
    from portraiture.studio.guard import Guard

    check_folder(command.folder)
    settings = _settings(command)
    config = WorkerConfig(memory=int(command.memory_gb * 1e9))
    if command.only_workers:
        work_only(settings, workers=command.workers, config=config)
        return
    guard = Guard() if command.studio else None
    serve(
        settings, host=command.host, port=command.port, workers=command.workers, config=config,
        studio=guard, listening=lambda: _say_where(command, guard),
    )  # fmt: skip


def _say_where(command: Serve, studio: Guard | None) -> None:
    where, console = f"http://{command.host}:{command.port}", Console(stderr=True)
    console.print(f"Serving {where}/v1/avatars; its routes: {where}/docs. Ctrl-C ends it.")
    if studio is not None:
        page = f"http://127.0.0.1:{command.port}/studio/#token={studio.token}"
        console.print(f"Portraiture Studio: {page}", highlight=False, soft_wrap=True, markup=False)


def keys(command: Keys) -> None:
    """Add, list or revoke API keys. Raises JobError."""
    from portraiture.jobs.open import open_jobs
    from portraiture.service.settings import ServiceSettings
    from portraiture.service.signatures import load_secret, webhook_secret

    check_folder(command.folder)
    command.folder.mkdir(parents=True, exist_ok=True)
    database = command.database or os.environ.get(DATABASE)
    table = open_jobs(ServiceSettings(command.folder, database).jobs)
    match command.verb:
        case "add":
            print(table.add_key(command.tenant, name=command.name))
        case "list":
            Console().print(_table(table.keys(tenant=command.tenant)))
        case "revoke":
            if command.id is None:
                raise JobError("Say which key to revoke by --id; portraiture keys list shows ids.")
            if not table.revoke(command.id, tenant=command.tenant):
                raise JobError(f"{command.tenant} has no key {command.id} that could be revoked.")
        case "webhook-secret":
            print(webhook_secret(load_secret(command.folder), command.tenant))
    table.close()


def _settings(command: Serve):  # type: ignore[no-untyped-def]
    """Raises JobError for settings that nobody should serve with."""
    from portraiture.service.settings import ServiceSettings

    if command.open and command.host not in ("127.0.0.1", "localhost", "::1"):
        raise JobError("--open is for this computer alone; listen at 127.0.0.1, or use API keys.")
    if command.workers < 0 or (command.only_workers and command.workers == 0):
        raise JobError("Give at least one worker, or 0 without --only-workers.")
    for name in ("max_upload_mb", "max_queued", "max_own", "rate", "memory_gb"):
        if not getattr(command, name) > 0:
            raise JobError(f"--{name.replace('_', '-')} must be more than 0.")
    if not (command.photo_hours >= 0 and 0 < command.port < 65536):
        raise JobError("--photo-hours must not be negative, --port from 1 to 65535.")
    return ServiceSettings(
        folder=command.folder,
        database=command.database or os.environ.get(DATABASE),
        open=command.open,
        max_upload=int(command.max_upload_mb * 1e6),
        max_queued=command.max_queued,
        max_own=command.max_own,
        rate=command.rate,
        photo_hours=command.photo_hours,
        origins=command.origins,
        webhooks=dict(command.webhooks),
    )


def _table(keys) -> Table:  # type: ignore[no-untyped-def]
    table = Table("Id", "Name", "Added", "Revoked")
    for key in keys:
        table.add_row(key.id, key.name, _day(key.created), _day(key.revoked))
    return table


def _day(seconds: float | None) -> str:
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
