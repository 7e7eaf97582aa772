"""Drivers for a test, closed when it is over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

from backends.jobs import DRIVERS, Jobs
from tests.conformance.jobs import Opened


def with_options(url: str, **options: object) -> str:
    if not options:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(options)}"


@asynccontextmanager
async def opening(url: str) -> AsyncIterator[Opened]:
    drivers: list[Jobs] = []

    def opened(**options: object) -> Jobs:
        drivers.append(DRIVERS.open(with_options(url, **options)))
        return drivers[-1]

    try:
        yield opened
    finally:
        for driver in drivers:
            await driver.close()
