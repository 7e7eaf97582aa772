"""Requests to providers end, whatever those do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from plugins.auth.social.egress import ask, basic
from plugins.auth.social.errors import Unreachable
from tests.engines.engine import HOST

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[object]]


@asynccontextmanager
async def talking(talk: Talk) -> AsyncIterator[str]:
    """The URL of a server that answers one connection, and has closed it in the end."""
    gone = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await talk(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        gone.set()

    server = await asyncio.start_server(answer, HOST, 0)
    async with server:
        yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
        await gone.wait()


async def test_a_provider_that_never_answers_is_given_up() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with talking(silent) as url:
        with pytest.raises(Unreachable, match=r"no answer in 0\.2 s") as raised:
            await ask(f"{url}/token?secret=1", {}, "a=b", patience=0.2)
    assert "secret" not in str(raised.value)


async def test_an_answer_that_never_ends_is_given_up() -> None:
    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
            await writer.drain()

    async with talking(endless) as url:
        with pytest.raises(Unreachable, match="more than 262144 bytes"):
            await ask(f"{url}/", {})


async def test_what_is_no_http_is_unreachable() -> None:
    async def noise(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\x01\x02\r\n\r\n")

    async with talking(noise) as url:
        with pytest.raises(Unreachable):
            await ask(f"{url}/", {})


def test_both_parts_are_encoded_before_they_are_joined() -> None:
    """RFC 6749 section 2.3.1."""
    assert basic("a:b", "c d") == "Basic YSUzQWI6YyUyMGQ="
