"""CONTRACT: a worker's place among the workers of its host, and what they tell each other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

PAYLOAD_LIMIT = 64 * 1024
"""Bytes of one message."""

Callback = Callable[[bytes], None]
Cancel = Callable[[], None]

log = logging.getLogger(__name__)


class Broadcast(Protocol):
    """**Protocol:** messages to every worker of this host, the publishing one included.

    They arrive within a second, in the order in which a worker published them, on the event
    loop and never from inside `publish`. A worker misses none while it lives: one that cannot
    keep up is ended. One that starts knows nothing of what was said before: whoever relies on
    it reads the state from where it is kept, after it has subscribed.
    """

    def publish(self, topic: str, payload: bytes) -> None:
        """Never waits. ValueError for more than PAYLOAD_LIMIT bytes."""

    def subscribe(self, topic: str, callback: Callback) -> Cancel:
        """Have `callback` called with each payload, until the answer is called."""


class Subscribers:
    """The Broadcast of one worker; `outward` takes what is meant for the others, if any."""

    def __init__(self, outward: Callable[[str, bytes], None] | None = None) -> None:
        self._outward = outward
        self._topics: dict[str, list[tuple[Callback]]] = {}

    def publish(self, topic: str, payload: bytes) -> None:
        if len(payload) > PAYLOAD_LIMIT:
            raise ValueError(f"a message has at most {PAYLOAD_LIMIT} bytes")
        if self._outward is not None:
            self._outward(topic, payload)
        asyncio.get_running_loop().call_soon(self.deliver, topic, payload)

    def subscribe(self, topic: str, callback: Callback) -> Cancel:
        self._topics[topic] = [*self._topics.get(topic, ()), key := (callback,)]

        def cancel() -> None:
            left = [each for each in self._topics.get(topic, ()) if each is not key]
            self._topics[topic] = left
            if not left:
                del self._topics[topic]

        return cancel

    def deliver(self, topic: str, payload: bytes) -> None:
        """Call this worker's own subscribers. One that fails keeps nothing from the others."""
        for (callback,) in self._topics.get(topic, ()):
            try:
                callback(payload)
            except Exception:
                log.exception("a subscriber of %s failed", topic)


class Leadership:
    """Held by one worker of a host, which does what is to be done once: checks of health, say.

    It is held alone or not at all for a moment, and moves when its holder ends.
    """

    def __init__(self, held: bool = True) -> None:
        self.held = held
        self._watchers: list[Callable[[bool], None]] = []

    def watch(self, callback: Callable[[bool], None]) -> Cancel:
        """Have `callback` called at each change, until the answer is called."""
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback) if callback in self._watchers else None

    def turn(self, held: bool) -> None:
        """For the gateway alone: from now on it is held here, or it is not."""
        if held == self.held:
            return
        self.held = held
        for callback in tuple(self._watchers):
            try:
                callback(held)
            except Exception:
                log.exception("a watcher of the leadership failed")


class Seat:
    """number: from 0, one a worker; a restarted worker has the number of the one before."""

    def __init__(
        self,
        number: int = 0,
        outward: Callable[[str, bytes], None] | None = None,
        leads: bool = True,
    ) -> None:
        self.number = number
        self.broadcast = Subscribers(outward)
        self.leadership = Leadership(leads)


broadcast: type[Broadcast] = Subscribers
