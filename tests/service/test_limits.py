"""A tenant may ask `burst` times at once and `rate` times a second after that; others notice
nothing."""

from __future__ import annotations

import pytest

from portraiture.service.limits import RateLimit
from portraiture.service.problems import ProblemError


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def refused(limit: RateLimit, tenant: str) -> ProblemError | None:
    try:
        limit.take(tenant)
    except ProblemError as problem:
        return problem
    return None


def test_a_burst_then_the_rate() -> None:
    clock = Clock()
    limit = RateLimit(2.0, 3, clock)
    assert [refused(limit, "a") is None for _ in range(4)] == [True, True, True, False]
    clock.now += 0.5
    assert [refused(limit, "a") is None for _ in range(2)] == [True, False]
    clock.now += 60.0
    assert [refused(limit, "a") is None for _ in range(4)] == [True, True, True, False]


def test_it_says_when_to_come_back() -> None:
    clock = Clock()
    limit = RateLimit(0.1, 1, clock)
    limit.take("a")
    problem = refused(limit, "a")
    assert problem is not None and problem.status == 429
    clock.now += float(problem.headers["Retry-After"])
    assert refused(limit, "a") is None


def test_refused_requests_cost_nothing() -> None:
    clock = Clock()
    limit = RateLimit(1.0, 1, clock)
    limit.take("a")
    for _ in range(50):
        with pytest.raises(ProblemError):
            limit.take("a")
    clock.now += 1.0
    assert refused(limit, "a") is None


def test_tenants_have_their_own() -> None:
    limit = RateLimit(1.0, 1, Clock())
    limit.take("a")
    assert refused(limit, "a") is not None
    assert refused(limit, "b") is None
