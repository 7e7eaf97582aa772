"""People for tests, with a clock that can be moved."""

from __future__ import annotations

import time

from backends.sql import Sql
from plugins.auth.accounts.directory import Directory
from plugins.auth.accounts.hashing import Hashing
from plugins.auth.accounts.options import AccountOptions

PASSWORD = "violet-harbour-93-lantern"
ADDRESS = "192.0.2.7"


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class People:
    """Argon2 is cheap here; test_hashing.py is about the real one."""

    def __init__(self, sql: Sql, options: AccountOptions | None = None) -> None:
        self.sql = sql
        self.clock = Clock()
        self.hashing = Hashing(memory=64, passes=1)
        self.options = options or AccountOptions()
        self.directory = Directory(sql, self.options, self.hashing, self.clock)

    async def ada(self) -> str:
        made = await self.directory.register("ada@example.org", PASSWORD, ADDRESS)
        assert made is not None
        return made
