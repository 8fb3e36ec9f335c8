"""Prometheus metrics and health."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from portraiture.jobs.table import JobTable
from portraiture.service.access import ThisService
from portraiture.service.problems import ProblemError
from portraiture.version import __version__

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS")
MIN_FREE_BYTES = 200_000_000
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
router = APIRouter(tags=["operation"])


class Metrics:
    """Of one process. table: whose jobs are counted when somebody asks."""

    def __init__(self, table: JobTable) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "portraiture_requests", "Answered requests.", ("method", "route", "status"),
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "portraiture_request_seconds", "Until the answer begins.", ("method", "route"),
            buckets=BUCKETS, registry=self.registry,
        )  # fmt: skip
        self.registry.register(_Jobs(table))

    def note(self, scope: Scope, status: int, seconds: float) -> None:
        """One answered request. seconds: until its answer began."""
        route = getattr(scope.get("route"), "path", None)
        route = "other" if route is None else scope.get("root_path", "") + route
        method = scope["method"] if scope["method"] in METHODS else "other"
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(method, route).observe(seconds)


class Counted:
    """Middleware that notes every request."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status, seconds = time.perf_counter(), 500, None

        async def pass_on(message: Message) -> None:
            nonlocal status, seconds
            if message["type"] == "http.response.start":
                status, seconds = message["status"], time.perf_counter() - start
            await send(message)

        try:
            await self._app(scope, receive, pass_on)
        finally:
            taken = time.perf_counter() - start if seconds is None else seconds
            self._metrics.note(scope, status, taken)


class _Jobs(Collector):
    def __init__(self, table: JobTable) -> None:
        self._table = table

    def collect(self) -> Iterator[GaugeMetricFamily]:
        counts = self._table.counts()
        jobs = GaugeMetricFamily("portraiture_jobs", "Jobs by state.", labels=("state",))
        for state, number in counts.by_state.items():
            jobs.add_metric([state], number)
        yield jobs
        yield GaugeMetricFamily(
            "portraiture_oldest_wait_seconds", "Of the oldest job that waits.",
            counts.oldest_wait,
        )  # fmt: skip


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
def get_metrics(request: Request) -> Response:
    """Requests, their seconds, jobs by state and the longest wait."""
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE)


@router.get("/health", summary="Whether the service works")
def get_health(request: Request, service: ThisService) -> dict[str, str]:
    """503 where the database cannot be read, the workers are gone or the disk is nearly full."""
    service.table.tenant_of("")
    if not request.app.state.working():
        raise ProblemError(503, "The service's workers have ended; restart it.")
    if shutil.disk_usage(service.settings.folder).free < MIN_FREE_BYTES:
        raise ProblemError(503, "The service's disk is nearly full.")
    return {"status": "ok", "version": __version__}
