"""What a worker remembers, and finds in keyvalue if another has read it already."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from types import GenericAlias
from typing import Any, TypeVar

import msgspec

from plugins.auth.cache.epoch import Epoch
from plugins.auth.cache.remembered import LONGEST, Remembered
from plugins.auth.keys.at_rest import SealedOtherwise

V = TypeVar("V")


class Cached(Remembered[V]):
    """kind: of what it holds, one of few. of: its type, for msgspec. ends: UTC seconds at which a
    value ends by itself.

    Its name in keyvalue has the epoch's number, so that nothing there needs to be deleted: what
    was read before a change is not asked for after it.
    """

    def __init__(
        self,
        epoch: Epoch,
        entries: int,
        kind: str,
        of: Any,
        *,
        clock: Callable[[], float] = time.time,
        ends: Callable[[V], float] = lambda _: math.inf,
    ) -> None:
        super().__init__(epoch, entries, clock)
        self._kind = kind
        self._decoder = msgspec.json.Decoder(GenericAlias(tuple, (float, of)))
        self._ends = ends

    async def find(
        self, key: object, name: str, read: Callable[[], Awaitable[V | None]]
    ) -> V | None:
        """For what `get` has not. name: the key as text, the same in every process. None from
        `read` is not kept. Raises what it raises."""
        turn = self._epoch.turn
        at, found = await self._elsewhere(name, read)
        if found is not None:
            self.put(key, found, turn, min(at + LONGEST, self._ends(found)))
        return found

    async def _elsewhere(
        self, name: str, read: Callable[[], Awaitable[V | None]]
    ) -> tuple[float, V | None]:
        """With when it was read of the database."""
        now, shared = self._clock(), self._epoch.shared
        if shared is None:
            return now, await read()

        async def written() -> bytes | None:
            found = await read()
            return None if found is None else msgspec.json.encode((now, found))

        try:
            kept = await shared.get_or_load(f"{self._kind} {self._epoch.number} {name}", written)
            at, found = (now, None) if kept is None else self._decoder.decode(kept)
        except (SealedOtherwise, msgspec.DecodeError):
            return now, await read()
        return (at, found) if at > now - LONGEST else (now, await read())
