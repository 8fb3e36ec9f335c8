"""`portraiture serve`: the application, and beside it the processes that do its jobs.

serve ─┬─ uvicorn: requests, no heavy work
       ├─ workers: one process each, started anew when one dies
       └─ housekeeping: photos whose jobs have ended go, webhooks are sent, old jobs forgotten
"""

from __future__ import annotations

import socket
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
from portraiture.service.app import make_app
from portraiture.service.housekeeping import Housekeeping
from portraiture.service.settings import ServiceSettings
from portraiture.service.store import Store
from portraiture.service.work import Work

GRACE_SECONDS = 10
"""That requests get to end after a signal."""


def serve(
    settings: ServiceSettings,
    *,
    host: str,
    port: int,
    workers: int,
    memory_bytes: int | None = None,
    work: DoesJobs | None = None,
) -> None:
    """Answer requests, and do jobs in `workers` processes, until a signal. memory_bytes: of a
    worker, above which it ends after its job. work: what they do, by default `Work`. Raises
    PortraitureError where the folder, the database or the address cannot be used."""
    settings = _absolute(settings)
    app = make_app(settings)
    service: Service = app.state.service
    listener = _listen(host, port)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            server_header=False,
        )
    )
    with ExitStack() as stack:
        stack.callback(listener.close)
        if workers:
            stack.enter_context(
                Workers(
                    settings.jobs,
                    workers,
                    work or Work(settings),
                    results=service.store.results,
                    config=WorkerConfig(memory=memory_bytes),
                )
            )
        stack.enter_context(Housekeeping(settings, service.table, service.store))
        server.run(sockets=[listener])


def work_only(settings: ServiceSettings, *, workers: int, memory_bytes: int) -> None:
    """Do the jobs of a service that answers elsewhere, until a signal. Raises PortraitureError."""
    settings = _absolute(settings)
    store = Store(settings.folder)
    store.prepare()
    config = WorkerConfig(memory=memory_bytes)
    run_workers(settings.jobs, workers, Work(settings), config=config, results=store.results)


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
    except OSError as error:
        listener.close()
        raise OutputError(
            f"Nothing can listen at {host}:{port} ({reason(error)}); choose another --port."
        ) from error
    listener.set_inheritable(False)
    return listener
