"""Keys and values in Redis 6.2 or newer, Valkey, or a cluster of either."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from itertools import islice

from backends.address import Address
from backends.keyvalue.bounds import check_step, check_value, encoded, milliseconds
from backends.redis.address import PORT, SECURE, SENTINEL_PORT, Options, RedisAddress
from backends.redis.cluster import ClusterLink
from backends.redis.link import Link, Script, ServerLink, Word

READ_AT_ONCE = 500
SPECIAL = re.compile(rb"([*?\[\]\\])")

SWAP = Script("""
local now = redis.call('GET', KEYS[1])
if ARGV[1] == 'absent' then
  if now then return 0 end
elseif now ~= ARGV[2] then
  return 0
end
if ARGV[3] == 'delete' then
  redis.call('DEL', KEYS[1])
elseif ARGV[3] == 'keep' then
  redis.call('SET', KEYS[1], ARGV[4])
else
  redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[3])
end
return 1
""")

# The number is read again as text: Lua's own have 53 bits.
INCREMENT = Script("""
local made = redis.call('EXISTS', KEYS[1]) == 0
redis.call('INCRBY', KEYS[1], ARGV[1])
if made then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('GET', KEYS[1])
""")

PERSIST = Script("""
redis.call('PERSIST', KEYS[1])
return redis.call('EXISTS', KEYS[1])
""")


def open_redis(url: str) -> RedisKeyValue:
    return RedisKeyValue(ServerLink(_address(url, PORT)))


def open_sentinel(url: str) -> RedisKeyValue:
    return RedisKeyValue(ServerLink(_address(url, SENTINEL_PORT)))


def open_cluster(url: str) -> RedisKeyValue:
    return RedisKeyValue(ClusterLink(_address(url, PORT)))


def _address(url: str, port: int) -> RedisAddress:
    address = Address.parse("keyvalue", url, port=port, secure=SECURE)
    return RedisAddress.of(address, address.options(Options))


class RedisKeyValue:
    """What expires does so in Redis, whose clock counts."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._prefix = link.address.prefix.encode("utf-8", "surrogatepass") + b"keyvalue:"

    async def check(self) -> None:
        """By reading a key that need not be there: a cluster knows whom to ask, then."""
        await self._link.call("GET", self._key(""), reads=True)

    async def close(self) -> None:
        await self._link.close()

    async def get(self, key: str) -> bytes | None:
        value: bytes | None = await self._link.call("GET", self._key(key), reads=True)
        return value

    async def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        names = {key: self._key(key) for key in keys}
        found: dict[str, bytes] = {}
        rest = iter(names)
        while some := list(islice(rest, READ_AT_ONCE)):
            values = await self._link.values([names[key] for key in some])
            pairs = zip(some, values, strict=True)
            found.update((key, value) for key, value in pairs if value is not None)
        return found

    async def set(self, key: str, value: bytes, ttl: float | None = None) -> None:
        await self._link.call("SET", *self._stored(key, value, ttl))

    async def add(self, key: str, value: bytes, ttl: float | None = None) -> bool:
        return bool(await self._link.call("SET", *self._stored(key, value, ttl), "NX"))

    async def take(self, key: str) -> bytes | None:
        value: bytes | None = await self._link.call("GETDEL", self._key(key))
        return value

    async def delete(self, key: str) -> bool:
        return bool(await self._link.call("DEL", self._key(key)))

    async def ttl(self, key: str) -> float | None:
        left = int(await self._link.call("PTTL", self._key(key), reads=True))
        if left < 0:
            return math.inf if left == -1 else None
        return left / 1000

    async def expire(self, key: str, ttl: float | None) -> bool:
        name = self._key(key)
        if ttl is None:
            return bool(await self._link.run(PERSIST, name))
        return bool(await self._link.call("PEXPIRE", name, milliseconds(ttl)))

    async def increment(self, key: str, by: int = 1, ttl: float | None = None) -> int:
        name = self._key(key)
        check_step(by)
        if ttl is None:
            return int(await self._link.call("INCRBY", name, by))
        return int(await self._link.run(INCREMENT, name, by, milliseconds(ttl)))

    async def swap(
        self, key: str, expected: bytes | None, value: bytes | None, ttl: float | None = None
    ) -> bool:
        name = self._key(key)
        if value is not None:
            check_value(value)
        life: Word = "keep" if ttl is None else milliseconds(ttl)
        words = (
            *("absent" if expected is None else "there", expected or b""),
            *("delete" if value is None else life, value or b""),
        )
        return bool(await self._link.run(SWAP, name, *words))

    async def delete_prefix(self, prefix: str) -> int:
        """It reads every key of the database, also those of others that share it."""
        deleted = 0
        async for keys in self._link.scan(SPECIAL.sub(rb"\\\1", self._key(prefix)) + b"*"):
            deleted += await self._link.unlink(keys)
        return deleted

    def _key(self, key: str) -> bytes:
        """Raises Refused."""
        return self._prefix + encoded(key)

    def _stored(self, key: str, value: bytes, ttl: float | None) -> Sequence[Word]:
        """Raises Refused."""
        check_value(value)
        life = () if ttl is None else ("PX", milliseconds(ttl))
        return (self._key(key), value, *life)
