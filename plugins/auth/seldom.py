"""Warnings of what goes wrong again and again, such as a database that is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

EVERY = 60.0


class Seldom:
    """Of one thing, a line a minute however often it happens. text: with a place for the error."""

    def __init__(
        self, log: logging.Logger, text: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._text = text
        self._clock = clock
        self._next = float("-inf")

    def warn(self, error: Exception) -> None:
        if (now := self._clock()) >= self._next:
            self._next = now + EVERY
            self._log.warning(self._text, error)
