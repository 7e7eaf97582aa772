"""Upstreams without a network: targets whose requests in flight are set by hand."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from gateway.config.model import Target as TargetConfig
from gateway.config.model import Upstream as UpstreamConfig
from gateway.telemetry.metrics import Metrics
from gateway.upstream.pool import Upstream
from gateway.wheel import Wheel


@dataclass
class Request:
    """What a balance looks at."""

    lines: list[bytes] = field(default_factory=list)
    path: bytes = b"/"
    client_ip: str = "192.0.2.1"


ANY = Request()


def by_user(user: object) -> Request:
    return Request([b"Host: a", b"X-User:  %b " % str(user).encode()])


def described(*weights: int, **options: Any) -> UpstreamConfig:
    """Targets `http://t0`, `http://t1`, ... with these weights."""
    targets = [TargetConfig(url=f"http://t{at}", weight=each) for at, each in enumerate(weights)]
    return UpstreamConfig(targets=targets, **options)


def group(
    config: UpstreamConfig, previous: Upstream | None = None, metrics: Metrics | None = None
) -> Upstream:
    loop = asyncio.get_running_loop()
    wheel = previous.wheel if previous is not None else Wheel(loop)
    made = Upstream("up", config, loop, wheel, metrics or Metrics(), previous=previous)
    made.start()
    return made


def chosen(upstream: Upstream, asked: Request = ANY) -> str:
    """The name of the next target; it has one more request in its books."""
    target = upstream.choose(asked)
    assert target is not None
    target.requests += 1
    return target.host


def counts(upstream: Upstream, times: int) -> Counter[str]:
    return Counter(chosen(upstream) for _ in range(times))


def names(upstream: Upstream) -> list[str]:
    return [target.host for target in upstream.fit]
