"""Webhooks: a tenant's server is told of ended jobs, at least once each.

A job ends ─▶ a "webhook" job, one for each job ─▶ POST to the address that the operator gave
                                ▲                      │ nobody takes it: again after seconds, then
                                └──────────────────────┘ minutes, then every hour, for a day
Only the operator names addresses (`ServiceSettings.webhooks`); requests never do.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

from portraiture.errors import JobError, PostponedError
from portraiture.jobs.table import Job, JobTable
from portraiture.service.links import job_json
from portraiture.service.settings import ServiceSettings
from portraiture.service.signatures import sign_webhook, webhook_secret

TOLD_OF = ("avatar", "head", "edit")
TIMEOUT_SECONDS = 10.0
PAUSE_SECONDS = 2.0, 3600.0
"""The shortest and the longest between two attempts."""
GIVE_UP_SECONDS = 24 * 3600.0
HEADER = "Portraiture-Signature"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """An address that answers with another one is not followed."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects, urllib.request.ProxyHandler({}))


def announce(table: JobTable, settings: ServiceSettings, job: Job) -> Job | None:
    """Queue the webhook of a job that has ended; None where its tenant wants none. Called twice, it
    is one webhook."""
    if job.tenant not in settings.webhooks or job.kind not in TOLD_OF:
        return None
    return table.enqueue("webhook", {"job": job.id}, tenant=job.tenant, key=f"webhook:{job.id}")


def deliver(job: Job, address: str, secret: bytes, timestamp: int) -> None:
    """POST the ended job to an address. Raises OSError, to be tried again, where nobody took it,
    JobError where the address is none that a webhook goes to."""
    if not address.startswith(("https://", "http://")):
        raise JobError("A webhook's address must begin with https:// or http://.")
    body = json.dumps({"event": f"{job.kind}.{job.state}", "job": job_json(job)}).encode()
    signature = sign_webhook(webhook_secret(secret, job.tenant), timestamp, body)
    headers = {"Content-Type": "application/json", HEADER: signature}
    request = urllib.request.Request(address, body, headers, method="POST")
    try:
        with _OPENER.open(request, timeout=TIMEOUT_SECONDS) as response:
            if not 200 <= response.status < 300:
                raise urllib.error.URLError(f"status {response.status}")
    except http.client.HTTPException as error:
        raise urllib.error.URLError("no answer that HTTP allows") from error


def try_later(job: Job, timestamp: float) -> PostponedError | JobError:
    """What to raise where nobody took a webhook at this time, in seconds since 1970: it waits as
    long again as it has been tried, within `PAUSE_SECONDS`, and for a day in all."""
    tried = max(0.0, timestamp - job.created)
    if tried > GIVE_UP_SECONDS:
        return JobError("Nobody took this webhook for a day.")
    shortest, longest = PAUSE_SECONDS
    return PostponedError("Nobody took this webhook.", min(max(tried, shortest), longest))
