"""What the contracts of blobs have in common: bodies, and how to read them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncIterator
from itertools import count as counter

import pytest

from backends.blobs import Blobs, Item

LARGE = 11 * (1 << 20) + 12345
numbers = counter()
noise = random.Random(4).randbytes(LARGE)


async def stream(body: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


async def broken(body: bytes) -> AsyncIterator[bytes]:
    yield body
    raise ZeroDivisionError


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


async def read(blobs: Blobs, key: str, start: int = 0, end: int | None = None) -> bytes:
    async with blobs.get(key, start, end) as reading:
        return await reading.read()


async def listed(blobs: Blobs, prefix: str, limit: int = 1000) -> list[Item]:
    items: list[Item] = []
    cursor = None
    while True:
        page = await blobs.list(prefix, cursor=cursor, limit=limit)
        assert len(page.items) <= limit
        items += page.items
        if (cursor := page.cursor) is None:
            return items


class InAPlace:
    """Fixture to give: `blobs`, the driver, on an engine of which it may use any key."""

    @pytest.fixture
    def at(self) -> str:
        """Begins all keys of one test."""
        return f"conformance-{next(numbers)}-{random.getrandbits(40):x}/"
