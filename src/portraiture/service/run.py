"""`portraiture serve`: the application, and beside it the processes that do its jobs.

serve ─┬─ uvicorn: requests, no heavy work
       ├─ workers: one process each, started anew when one dies
       └─ housekeeping: photos whose jobs have ended go, webhooks are sent, old jobs forgotten
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import uvicorn

from portraiture.errors import OutputError
from portraiture.jobs.supervisor import Workers, run_workers
from portraiture.jobs.worker import Work as DoesJobs
from portraiture.jobs.worker import WorkerConfig
from portraiture.paths import reason
from portraiture.service.access import Service
from portraiture.service.app import make_app, open_service
from portraiture.service.housekeeping import Housekeeping
from portraiture.service.settings import ServiceSettings
from portraiture.service.work import KINDS, Work
from portraiture.studio.guard import Guard

GRACE_SECONDS = 10
"""That requests get to end after a signal."""
WS_MAX_BYTES = 65_536
"""Of a message to the studio."""


def serve(
    settings: ServiceSettings,
    *,
    host: str,
    port: int,
    workers: int,
    config: WorkerConfig | None = None,
    work: DoesJobs | None = None,
    listening: Callable[[], None] = lambda: None,
    studio: Guard | None = None,
) -> None:
    """Answer requests, and do jobs in `workers` processes, until a signal. work: what they do, by
    default `Work`. listening: called when the address is ours. studio: see `make_app`. Raises
    PortraitureError where the folder, the database or the address cannot be used."""
    settings = _absolute(settings)
    app = make_app(settings, studio=studio)
    service: Service = app.state.service
    listener = _listen(host, port)
    options = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
        ws_max_size=WS_MAX_BYTES,
    )
    with ExitStack() as stack:
        stack.callback(listener.close)
        if workers:
            processes = Workers(
                settings.jobs,
                workers,
                work or Work(settings),
                results=service.store.results,
                config=config,
            )
            stack.enter_context(processes)
            app.state.working = lambda: processes.running
        stack.enter_context(Housekeeping(settings, service.table, service.store))
        listening()
        uvicorn.Server(options).run(sockets=[listener])


def work_only(settings: ServiceSettings, *, workers: int, config: WorkerConfig) -> None:
    """Do the jobs of a service that answers elsewhere, until a signal. Raises PortraitureError."""
    settings = _absolute(settings)
    results = open_service(settings).store.results
    if not settings.webhooks:  # another one knows where they go
        config = replace(config, kinds=tuple(kind for kind in KINDS if kind != "webhook"))
    run_workers(settings.jobs, workers, Work(settings), config=config, results=results)


def _absolute(settings: ServiceSettings) -> ServiceSettings:
    """Whatever the folder of a worker process is."""
    return replace(settings, folder=Path(settings.folder).resolve())


def _listen(host: str, port: int) -> socket.socket:
    """Bound before anything starts, so that a wrong address is one sentence."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise OutputError(
            f"Nothing can listen at {host}:{port} ({reason(error)}); choose another --port."
        ) from error
    listener.set_inheritable(False)
    return listener
