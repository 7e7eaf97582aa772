"""Letters: sent once, kept while they cannot be, with links that are nowhere at rest."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.accounts import links
from plugins.auth.accounts.tables import links as link_rows
from plugins.auth.mail.letters import ENGLISH, SPANISH, written
from plugins.auth.mail.options import MailOptions
from plugins.auth.mail.outbox import enqueue
from plugins.auth.mail.postman import TRIES, Postman, transport
from plugins.auth.mail.tables import outbox
from tests.plugins.auth.people import Clock, People

ISSUER = "https://id.example.org/auth"


class Mailbox:
    """A transport that refuses while `closed`."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.closed = False

    async def __call__(self, message: EmailMessage) -> None:
        await asyncio.sleep(0)
        if self.closed:
            raise ConnectionRefusedError
        self.letters.append(message)


async def write(sql: Sql, letter: str, *, account: str | None = "ada", locale: str = "en") -> None:
    async with sql.write() as connection:
        await enqueue(connection, letter, "ada@example.org", locale, 0, account_id=account)


async def waiting(sql: Sql) -> int:
    async with sql.read() as connection:
        query = sa.select(sa.func.count()).select_from(outbox)
        return int((await connection.execute(query)).scalar_one())


def postman(sql: Sql, mailbox: Mailbox, clock: Clock | None = None) -> Postman:
    return Postman(sql, ISSUER, "id@example.org", mailbox, clock or Clock(), place="The Place")


async def test_a_letter_is_sent_once_by_many_postmen(sql: Sql) -> None:
    await write(sql, "password")
    mailbox = Mailbox()
    await asyncio.gather(*(postman(sql, mailbox).deliver() for _ in range(10)))
    assert [letter["Subject"] for letter in mailbox.letters] == ["Your password has changed"]
    assert await waiting(sql) == 0


async def test_its_link_works_and_is_at_rest_only_as_a_hash(sql: Sql) -> None:
    await write(sql, "verify")
    mailbox, clock = Mailbox(), Clock()
    await postman(sql, mailbox, clock).deliver()
    found = re.search(r"/verify\?token=(\S+)", mailbox.letters[0].get_content())
    assert found is not None
    token = found[1]
    async with sql.read() as connection:
        assert (
            token.encode()
            not in repr((await connection.execute(sa.select(link_rows))).all()).encode()
        )
    now = int(clock())
    async with sql.write() as connection:
        assert await links.take(connection, "reset", token, now) is None
        assert await links.take(connection, "verify", token, now + 86401) is None
        assert await links.take(connection, "verify", token, now) == ("ada", "ada@example.org")
        assert await links.take(connection, "verify", token, now) is None


async def test_how_to_choose_a_password_is_told_to_the_address_that_the_account_has(
    sql: Sql,
) -> None:
    people, mailbox = People(sql), Mailbox()
    ada = await people.ada()
    async with sql.write() as connection:
        await connection.execute(outbox.delete())
        for typed in ("ADA@example.org", "nobody@example.org"):
            await enqueue(connection, "reset", typed, "en", 0)
    while await postman(sql, mailbox).deliver():
        pass
    assert {each["To"]: each["Subject"] for each in mailbox.letters} == {
        "ada@example.org": ENGLISH["reset"].subject,
        "nobody@example.org": ENGLISH["nobody"].subject,
    }
    async with sql.read() as connection:
        assert (await connection.execute(sa.select(link_rows))).one().account_id == ada
    people.hashing.stop()


async def test_a_letter_whose_link_was_taken_back_is_not_sent(sql: Sql) -> None:
    mailbox = Mailbox()
    mailbox.closed = True
    await write(sql, "change")
    await write(sql, "password")
    clock = Clock()
    while await postman(sql, mailbox, clock).deliver():
        pass
    async with sql.write() as connection:
        await links.drop(connection, "ada")
    mailbox.closed = False
    clock.ahead += 3600
    while await postman(sql, mailbox, clock).deliver():
        pass
    assert [each["Subject"] for each in mailbox.letters] == [ENGLISH["password"].subject]


async def test_of_twenty_who_take_a_link_one_has_it(sql: Sql) -> None:
    async with sql.write() as connection:
        token = await links.make(connection, "reset", "ada", "ada@example.org", 0)

    async def take() -> bool:
        async with sql.write() as connection:
            return await links.take(connection, "reset", token, 1) is not None

    assert sum(await asyncio.gather(*(take() for _ in range(20)))) == 1


async def test_a_letter_waits_while_it_is_refused_and_is_given_up_in_the_end(
    sql: Sql, caplog: pytest.LogCaptureFixture
) -> None:
    await write(sql, "password")
    mailbox, clock = Mailbox(), Clock()
    mailbox.closed = True
    sender = postman(sql, mailbox, clock)
    assert await sender.deliver()
    assert not await sender.deliver()
    assert await waiting(sql) == 1
    clock.ahead += 61
    mailbox.closed = False
    assert await sender.deliver()
    assert len(mailbox.letters) == 1
    await write(sql, "password")
    mailbox.closed = True
    with caplog.at_level(logging.WARNING):
        for _ in range(TRIES):
            assert await sender.deliver()
            clock.ahead += 86400
    assert await waiting(sql) == 0
    assert "given up" in caplog.text
    assert "ada@example.org" not in caplog.text


async def test_a_letter_claimed_by_a_process_that_died_is_sent_by_another(sql: Sql) -> None:
    await write(sql, "password")
    clock, mailbox = Clock(), Mailbox()
    stuck = asyncio.Event()

    async def hang(_: EmailMessage) -> None:
        stuck.set()
        await asyncio.Event().wait()

    dying = asyncio.create_task(Postman(sql, ISSUER, "x@y.z", hang, clock, place="P").deliver())
    await stuck.wait()
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    assert not await postman(sql, mailbox, clock).deliver()
    clock.ahead += 121
    assert await postman(sql, mailbox, clock).deliver()
    assert len(mailbox.letters) == 1


def test_both_languages_have_the_same_letters_and_no_header_can_be_smuggled_in() -> None:
    assert set(ENGLISH) == set(SPANISH)
    assert "contraseña" in written("password", "es", "x", "a@b.c", "d@e.f", place="P").get_content()
    with pytest.raises(ValueError, match="linefeed"):
        written("password", "en", "x", "a@b.c\r\nBcc: x@y.z", "d@e.f", place="P")


class Server:
    """As much of RFC 5321 as takes a mail."""

    def __init__(self) -> None:
        self.data = b""
        self.said: list[bytes] = []
        self.over = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        async for line in reader:
            self.said.append(line.strip())
            verb = line[:4].upper()
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                self.data = await reader.readuntil(b"\r\n.\r\n")
            writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 fine\r\n")
            if verb == b"QUIT":
                break
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        self.over.set()


@asynccontextmanager
async def listening(server: Server) -> AsyncIterator[int]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    async with listener:
        yield listener.sockets[0].getsockname()[1]
        await server.over.wait()


async def test_a_letter_goes_by_smtp() -> None:
    server = Server()
    async with listening(server) as port:
        send = transport(MailOptions(host="127.0.0.1", port=port, tls="none"))
        sender = "The Place <id@place.example>"
        await send(
            written("reset", "es", "https://x.y/z", "ada@example.org", sender, place="Pláce {x}")
        )
    assert b"RCPT TO:<ada@example.org>" in [line[:26] for line in server.said]
    received = message_from_bytes(server.data, policy=default)
    assert "https://x.y/z" in received.get_content()
    assert received["Subject"] == SPANISH["reset"].subject
    assert received.get_content().rstrip().endswith("\nPláce {x}")
    assert re.fullmatch(r"<\S+@place\.example>", received["Message-ID"])
    assert received["Date"].datetime.utcoffset() is not None
    assert received["Auto-Submitted"] == "auto-generated"


async def test_nothing_is_said_to_a_server_without_tls_unless_that_is_asked_for() -> None:
    server = Server()
    async with listening(server) as port:
        options = MailOptions(host="127.0.0.1", port=port, username="me", password="hidden-one")
        with pytest.raises(Exception, match=r"STARTTLS"):
            await transport(options)(written("reset", "en", "x", "a@b.c", "d@e.f", place="P"))
    assert not [line for line in server.said if line[:4] in {b"AUTH", b"MAIL"}]
    assert "hidden-one" not in repr(options)
