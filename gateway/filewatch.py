"""Whether the table or the code has changed, for `--watch`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path

Stamp = tuple[int, int]

EVERY = 0.5
"""Seconds between two looks."""

CODE = (".py", ".so")


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


async def code_changes(roots: Callable[[], Awaitable[Iterable[str]]]) -> AsyncIterator[None]:
    """Each time code below the `roots` (files, or folders) differs, and has settled. Never ends.

    Settled: two looks in a row saw the same. A root that came or went is no change. The first
    look is at once and blocks: what is changed from then on is seen.
    """
    seen = before = _code(await roots())
    while True:
        await asyncio.sleep(EVERY)
        now = await asyncio.to_thread(_code, await roots())
        changed = any(seen.get(root, state) != state for root, state in now.items())
        if changed and now == before:
            seen = now
            yield
        seen = {root: seen.get(root, state) for root, state in now.items()}
        before = now


def _code(roots: Iterable[str]) -> dict[str, int]:
    return {root: hash(frozenset(_stamps(root))) for root in roots}


def _stamps(root: str) -> Iterator[tuple[str, Stamp | None]]:
    if os.path.isfile(root):
        yield root, stamp(Path(root))
    for folder, _, names in os.walk(root):
        for name in names:
            if name.endswith(CODE):
                file = os.path.join(folder, name)
                yield file, stamp(Path(file))
