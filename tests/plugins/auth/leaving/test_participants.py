"""Whom the end of a session is told: part of what is held about a person."""

from __future__ import annotations

from backends.sql import Sql
from plugins.auth.accounts.tables import sessions
from plugins.auth.leaving.participants import Participants

ADA, BOB, SHOP, MAIL = "a" * 32, "b" * 32, "c" * 32, "d" * 32


async def signed_in(sql: Sql, session: str, account: str) -> None:
    row = dict.fromkeys(("auth_time", "created_at", "seen_at"), 0) | {"expires_at": 2**40}
    words = {"id": session, "account_id": account, "amr": "pwd", "address": "", "agent": ""}
    async with sql.write() as connection:
        adding = sessions.insert().values(**row, **words, hash=session.encode(), waiting=False)
        await connection.execute(adding)


async def test_they_are_exported_and_leave_with_the_person_once_told(sql: Sql) -> None:
    known = Participants(sql)
    for session, account, client in (("s1", ADA, SHOP), ("s2", ADA, MAIL), ("s3", BOB, SHOP)):
        await signed_in(sql, session, account)
        await known.note(session, client, account)
    async with sql.write() as connection:
        await known.ended(connection, ["s1"])
    shop, mail = {"client_id": SHOP, "session_id": "s1"}, {"client_id": MAIL, "session_id": "s2"}
    assert await known.exported(ADA) == {"to_tell": [mail], "being_told": [shop]}
    async with sql.write() as connection:
        await known.forget(connection, ADA)
    assert await known.exported(ADA) == {"to_tell": [], "being_told": [shop]}
    assert len((await known.exported(BOB))["to_tell"]) == 1
