"""The audit log: rows are added, and nothing in the program changes or deletes one."""

from __future__ import annotations

import time

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from plugins.auth.audit.tables import events

ADD = events.insert()


async def record(
    connection: AsyncConnection,
    event: str,
    *,
    account: str | None = None,
    client: str | None = None,
    session: str | None = None,
    address: str | None = None,
    actor: str | None = None,
    **details: str | int | bool | None,
) -> None:
    """Within the `write` block of what it tells of, so that there is never one without the other.

    actor: who did it, when it is an operator: `account:ID`, `client:ID` or `command`.
    details: no secrets and no passwords; the address of a mailbox only where it is the matter.
    """
    await connection.execute(
        ADD,
        {
            "at": int(time.time()),
            "event": event,
            "account_id": account,
            "client_id": client,
            "session_id": session,
            "address": address,
            "actor": actor,
            "details": orjson.dumps(details).decode(),
        },
    )
