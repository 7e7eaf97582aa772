"""Whom sentinels say to be the primary."""

from __future__ import annotations

import asyncio
from typing import Any

from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.exceptions import RedisError


class Sentinels(Sentinel):
    """Asks one after the other, each for `share` seconds at most.

    Not by their sockets' timeout: redis-py would use asyncio.wait_for for it, which in Python
    3.11 may swallow a cancellation, and with it the timeout of the whole call.
    """

    def __init__(
        self, hosts: list[tuple[str, int]], share: float, settings: dict[str, Any]
    ) -> None:
        super().__init__(hosts, sentinel_kwargs=settings | {"socket_timeout": None})  # type: ignore[no-untyped-call]  # redis-py's
        self._share = share

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """Raises a redis-py error when none knows it."""
        for sentinel in list(self.sentinels):
            try:
                async with asyncio.timeout(self._share):
                    known = await sentinel.sentinel_masters()
            except (RedisError, OSError):
                continue
            state = known.get(service_name) if isinstance(known, dict) else None
            if state and self.check_master_state(state, service_name):
                self.sentinels.remove(sentinel)
                self.sentinels.insert(0, sentinel)  # the one to ask first, next time
                return state["ip"], state["port"]
        raise MasterNotFoundError
