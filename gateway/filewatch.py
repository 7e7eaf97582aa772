"""Whether a file has changed, for `--watch`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

Stamp = tuple[int, int]

EVERY = 0.5
"""Seconds between two looks."""


def stamp(path: Path) -> Stamp | None:
    """What differs after the file was written or replaced; None while there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


async def changes(path: Path, seen: Stamp | None) -> AsyncIterator[None]:
    """Each time the file is there and not as it was last seen. Never ends."""
    while True:
        await asyncio.sleep(EVERY)
        now = stamp(path)
        if now is not None and now != seen:
            seen = now
            yield
