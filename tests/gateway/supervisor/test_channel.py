"""Messages over a pair of sockets, both ends of which may misbehave."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from gateway.errors import GatewayError
from gateway.supervisor.channel import BEHIND, Channel, Refused, Unanswered


class Ends:
    """A channel that answers, one that asks, and what the first was told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.release = asyncio.Event()

    async def open(self) -> None:
        one, two = socket.socketpair()
        self.answering = await Channel.over(
            one,
            {"note": lambda body: self.told.append(msgspec.msgpack.decode(body))},
            {"echo": self.echo, "refuse": self.refuse, "fail": self.fail, "wait": self.wait},
        )
        self.asking = await Channel.over(two, {}, {})

    async def echo(self, body: Any) -> Any:
        return body

    async def refuse(self, body: Any) -> Any:
        raise GatewayError("the moon is full")

    async def fail(self, body: Any) -> Any:
        raise RuntimeError("no")

    async def wait(self, body: Any) -> Any:
        await self.release.wait()


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    ends = Ends()
    await ends.open()
    yield ends
    ends.asking.close()
    ends.answering.close()
    await asyncio.wait([ends.asking.ended, ends.answering.ended], timeout=5)


async def echo(ends: Ends, body: Any) -> Any:
    return msgspec.msgpack.decode(await ends.asking.ask("echo", body, within=5))


@pytest.mark.parametrize("body", [None, b"\0\xff", float("inf"), ["a", {"b": 1}], "x" * 3_000_000])
async def test_a_call_is_answered(ends: Ends, body: Any) -> None:
    assert await echo(ends, body) == body


async def test_calls_run_side_by_side(ends: Ends) -> None:
    waiting = asyncio.create_task(ends.asking.ask("wait", within=5))
    assert await echo(ends, 1) == 1
    assert not waiting.done()
    ends.release.set()
    assert msgspec.msgpack.decode(await waiting) is None


async def test_notes_come_in_order_and_before_what_is_asked_later(ends: Ends) -> None:
    for number in range(1000):
        assert ends.asking.tell("note", number)
    await echo(ends, None)
    assert ends.told == list(range(1000))


async def test_a_refusal_tells_why(ends: Ends, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Refused, match="the moon is full"):
        await ends.asking.ask("refuse", within=5)
    assert not caplog.records


async def test_a_failure_is_logged_where_it_happens(
    ends: Ends, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("fail", "unheard-of"):
        with pytest.raises(Refused):
            await ends.asking.ask(name, within=5)
        assert f"{name} failed" in caplog.text


async def test_an_answer_that_does_not_come_is_not_waited_for(ends: Ends) -> None:
    with pytest.raises(Unanswered, match=r"wait: no answer within 0\.05 s"):
        await ends.asking.ask("wait", within=0.05)
    ends.release.set()
    assert await echo(ends, "the late one is nobody's") == "the late one is nobody's"


async def test_who_asks_hears_of_the_end(ends: Ends) -> None:
    asked = asyncio.create_task(ends.asking.ask("wait", within=5))
    await echo(ends, None)
    ends.answering.close()
    with pytest.raises(Unanswered, match="it has ended"):
        await asked
    await ends.asking.ended
    assert not ends.asking.tell("note")
    with pytest.raises(Unanswered, match="does not listen"):
        await ends.asking.ask("echo", within=5)


async def test_nothing_is_sent_to_who_does_not_read() -> None:
    ours, theirs = socket.socketpair()
    channel = await Channel.over(ours, {}, {})
    told = 0
    while channel.tell("note", bytes(1_000_000)):
        told += 1
        assert told < 2 * BEHIND / 1_000_000
    with pytest.raises(Unanswered):
        await channel.ask("echo", within=5)
    theirs.close()
    await asyncio.wait_for(channel.ended, 5)


async def test_what_is_no_message_is_logged_and_passed_over(
    ends: Ends, caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = socket.socketpair()
    told: list[Any] = []
    channel = await Channel.over(ours, {"note": lambda body: told.append(bytes(body))}, {})
    good = msgspec.msgpack.encode((0, 0, "note", 5))
    for frame in (b"rubbish", msgspec.msgpack.encode((0, 0, "unheard-of", 5)), good):
        theirs.sendall(len(frame).to_bytes(4, "big"))
        for at in range(len(frame)):
            theirs.sendall(frame[at : at + 1])
            await asyncio.sleep(0)
    theirs.close()
    await asyncio.wait_for(channel.ended, 5)
    assert told == [b"\x05"]
    assert caplog.text.count("was not understood") == 2


async def test_a_frame_that_is_too_long_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    ours, theirs = socket.socketpair()
    channel = await Channel.over(ours, {}, {})
    theirs.sendall(b"\xff\xff\xff\xff")
    await asyncio.wait_for(channel.ended, 5)
    assert "is no frame" in caplog.text
    theirs.close()
