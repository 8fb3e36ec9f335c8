"""How fast one tenant may ask: a token bucket each."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from math import ceil

from portraiture.service.problems import ProblemError

REMEMBERED = 10_000
"""Tenants whose buckets are kept; the one that asked the longest ago is forgotten first."""


class RateLimit:
    """rate: requests a second in the long run; burst: at once. clock: seconds, monotonic. Safe to
    share between threads; one a process."""

    def __init__(
        self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, tenant: str) -> None:
        """One request of a tenant. Raises ProblemError 429 where it is one too many."""
        now = self._clock()
        with self._lock:
            tokens, since = self._buckets.pop(tenant, (float(self._burst), now))
            tokens = min(float(self._burst), tokens + (now - since) * self._rate)
            enough = tokens >= 1.0
            self._buckets[tenant] = (tokens - 1.0 if enough else tokens, now)
            if len(self._buckets) > REMEMBERED:
                self._buckets.popitem(last=False)
        if not enough:
            seconds = max(1, ceil((1.0 - tokens) / self._rate))
            raise ProblemError(429, "Too many requests; slow down.", {"Retry-After": str(seconds)})
