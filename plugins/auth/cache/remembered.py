"""A worker's bounded memory of what was read lately, which a change empties."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from plugins.auth.cache.epoch import Epoch

V = TypeVar("V")
LONGEST = 60.0
"""Seconds that anything is believed, though no change was heard of."""


class Remembered(Generic[V]):
    """Two halves: what is asked for is in the recent one; when that is full it becomes the older
    one, and the one before it is forgotten. So a hit costs one or two look-ups."""

    def __init__(self, epoch: Epoch, entries: int, clock: Callable[[], float] = time.time) -> None:
        self._epoch = epoch
        self._entries = entries // 2
        self._clock = clock
        self._recent: dict[object, tuple[float, V]] = {}
        self._older: dict[object, tuple[float, V]] = {}
        epoch.on_move(self.clear)

    def __len__(self) -> int:
        return len(self._recent) + len(self._older)

    def get(self, key: object) -> V | None:
        found = self._recent.get(key)
        if found is None:
            found = self._older.pop(key, None)
            if found is None:
                return None
            self._keep(key, found)
        return found[1] if found[0] > self._clock() else None

    def put(self, key: object, value: V, turn: int, until: float | None = None) -> None:
        """turn: the epoch's, before it was read: what has changed since is not kept.

        until: UTC seconds, if it ends by itself.
        """
        if turn == self._epoch.turn:
            longest = self._clock() + LONGEST
            self._keep(key, (longest if until is None else min(until, longest), value))

    def clear(self) -> None:
        self._recent.clear()
        self._older.clear()

    def _keep(self, key: object, entry: tuple[float, V]) -> None:
        if len(self._recent) >= self._entries:
            self._older = self._recent
            self._recent = {}
        self._recent[key] = entry
