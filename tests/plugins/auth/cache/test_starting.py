"""What could not begin, as the database was away, hears of nothing any more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from backends.errors import BackendError
from backends.sql import Sql
from gateway.seat import Broadcast, Cancel, Subscribers
from plugins.auth.cache.epoch import Epochs
from plugins.auth.cache.tables import epochs
from plugins.auth.oauth.revoked import Revoked
from plugins.auth.oauth.tables import revoked


class Listened(Subscribers):
    """How many listen."""

    count = 0

    def subscribe(self, topic: str, callback: Callable[[bytes], None]) -> Cancel:
        end = super().subscribe(topic, callback)
        self.count += 1

        def ended() -> None:
            self.count -= 1
            end()

        return ended


def start_of_revoked(sql: Sql, broadcast: Broadcast) -> Awaitable[Cancel]:
    return Revoked(sql, broadcast, 900).start()


def start_of_epochs(sql: Sql, broadcast: Broadcast) -> Awaitable[Cancel]:
    return Epochs(sql, broadcast).start()


@pytest.mark.parametrize(
    ("start", "table", "listeners"),
    [(start_of_revoked, revoked, 1), (start_of_epochs, epochs, 2)],
)
async def test_who_cannot_read_what_was_said_before_listens_no_more(
    sql: Sql, start: Callable[..., Awaitable[Cancel]], table: object, listeners: int
) -> None:
    host = Listened()
    end = await start(sql, host)
    assert host.count == listeners
    end()
    assert host.count == 0
    async with sql.write() as connection:
        await connection.run_sync(table.drop)  # type: ignore[attr-defined]  # of either's own
    with pytest.raises(BackendError):
        await start(sql, host)
    assert host.count == 0
