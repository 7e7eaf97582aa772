"""What is to be mailed, written within the block that promises it."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from plugins.auth.mail.tables import outbox

ADD = outbox.insert()


async def enqueue(
    connection: AsyncConnection,
    letter: str,
    email: str,
    locale: str,
    now: int,
    *,
    account_id: str | None = None,
) -> None:
    """letter: a name of mail/letters.py."""
    values = {
        "letter": letter,
        "email": email,
        "account_id": account_id,
        "locale": locale,
        "tries": 0,
        "next_at": now,
    }
    await connection.execute(ADD, values)
