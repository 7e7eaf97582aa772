"""Keys and values in this process: bounded by bytes, the least recently used goes first."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import islice
from typing import NamedTuple

import msgspec

from backends.address import Address, size
from backends.errors import BackendError, Refused
from backends.keyvalue import LONGEST_KEY
from backends.keyvalue.bounds import INT64, check_step, check_value, encoded, milliseconds
from backends.keyvalue.expiry import Expiry

OVERHEAD = 600
"""Bytes that an entry costs beside its key and value: in CPython 3.11, measured, with a ttl."""

SWEPT_AT_ONCE = 8
LOOKED_AT = 1000
NUMBER = re.compile(rb"0|-?[1-9][0-9]{0,18}")


class Options(msgspec.Struct):
    max: str = "64MiB"


def open_memory(url: str) -> MemoryKeyValue:
    address = Address.parse("keyvalue", url)
    if address.hosts or address.path or address.tls:
        raise BackendError("keyvalue: expected memory:// or memory://?max=64MiB")
    try:
        most = size(address.options(Options).max)
    except ValueError:
        most = 0
    if most < 1:
        raise BackendError("keyvalue: max is a size such as 64MiB")
    return MemoryKeyValue(most)


class Entry(NamedTuple):
    value: bytes
    expires: float
    cost: int


class MemoryKeyValue:
    """most: bytes for keys, values and what holding them costs. clock: seconds, never back.

    What has expired is let go a few at a time whenever something is written, before anything
    that still lives is evicted.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._expiry = Expiry()
        self._closed = False
        self.size = 0

    def __len__(self) -> int:
        return len(self._entries)

    async def check(self) -> None:
        self._open()

    async def close(self) -> None:
        self._closed = True
        self._entries = OrderedDict()
        self._expiry = Expiry()
        self.size = 0

    async def get(self, key: str) -> bytes | None:
        entry = self._find(key)
        return None if entry is None else entry.value

    async def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        found = ((key, self._find(key)) for key in keys)
        return {key: entry.value for key, entry in found if entry is not None}

    async def set(self, key: str, value: bytes, ttl: float | None = None) -> None:
        cost, expires = self._checked(key, value, ttl)
        self._put(key, Entry(value, expires, cost))

    async def add(self, key: str, value: bytes, ttl: float | None = None) -> bool:
        return await self.swap(key, None, value, ttl)

    async def take(self, key: str) -> bytes | None:
        entry = self._find(key)
        if entry is None:
            return None
        self._drop(key)
        return entry.value

    async def delete(self, key: str) -> bool:
        return await self.take(key) is not None

    async def ttl(self, key: str) -> float | None:
        entry = self._find(key)
        return None if entry is None else entry.expires - self._clock()

    async def expire(self, key: str, ttl: float | None) -> bool:
        expires = self._expires(ttl)
        entry = self._find(key)
        if entry is None:
            return False
        self._put(key, entry._replace(expires=expires))
        return True

    async def increment(self, key: str, by: int = 1, ttl: float | None = None) -> int:
        check_step(by)
        expires = self._expires(ttl)
        entry = self._find(key)
        if entry is None:
            number = 0
        elif NUMBER.fullmatch(entry.value) and (number := int(entry.value)) in INT64:
            expires = entry.expires
        else:
            raise Refused("keyvalue: the value is not a number")
        if (number := number + by) not in INT64:
            raise Refused("keyvalue: a number has at most 64 bits")
        value = b"%d" % number
        cost, _ = self._checked(key, value, None)
        self._put(key, Entry(value, expires, cost))
        return number

    async def swap(
        self, key: str, expected: bytes | None, value: bytes | None, ttl: float | None = None
    ) -> bool:
        cost, expires = self._checked(key, value or b"", ttl)
        entry = self._find(key)
        if (None if entry is None else entry.value) != expected:
            return False
        if value is not None:
            self._put(key, Entry(value, expires, cost))
        elif entry is not None:
            self._drop(key)
        return True

    async def delete_prefix(self, prefix: str) -> int:
        self._open()
        encoded(prefix)
        deleted = 0
        keys = iter(list(self._entries))
        while batch := list(islice(keys, LOOKED_AT)):
            for key in batch:
                if key.startswith(prefix) and key in self._entries:
                    deleted += self._entries[key].expires > self._clock()
                    self._drop(key)
            await asyncio.sleep(0)
        return deleted

    def _open(self) -> None:
        if self._closed:
            raise BackendError("keyvalue: memory:// is closed")

    def _checked(self, key: str, value: bytes, ttl: float | None) -> tuple[int, float]:
        """What it costs and when it expires. Raises Refused."""
        check_value(value)
        cost = len(encoded(key)) + len(value) + OVERHEAD
        if cost > self._most:
            raise Refused(f"keyvalue: a value is at most {self._most} bytes with max as it is")
        return cost, self._expires(ttl)

    def _expires(self, ttl: float | None) -> float:
        return math.inf if ttl is None else self._clock() + milliseconds(ttl) / 1000

    def _find(self, key: str) -> Entry | None:
        """Unless expired; from now on the most recently used."""
        self._open()
        entry = self._entries.get(key)
        if entry is None:
            if len(key) > LONGEST_KEY // 4:
                encoded(key)
            return None
        if entry.expires <= self._clock():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry

    def _put(self, key: str, entry: Entry) -> None:
        self._open()
        for expired in self._expiry.due(self._clock(), SWEPT_AT_ONCE):
            self._drop(expired)
        old = self._entries.get(key)
        self.size += entry.cost - (0 if old is None else old.cost)
        self._entries[key] = entry
        self._entries.move_to_end(key)
        self._expiry.note(key, entry.expires)
        while self.size > self._most:
            key, evicted = self._entries.popitem(last=False)
            self._expiry.forget(key)
            self.size -= evicted.cost

    def _drop(self, key: str) -> None:
        self.size -= self._entries.pop(key).cost
        self._expiry.forget(key)
