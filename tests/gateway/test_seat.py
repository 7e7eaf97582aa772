"""What workers of one host tell each other, as one of them sees it."""

from __future__ import annotations

import asyncio

import pytest

from gateway.seat import PAYLOAD_LIMIT, Leadership, Seat, Subscribers


async def turn() -> None:
    """Let the loop deliver what was published."""
    await asyncio.sleep(0)


async def test_what_is_published_reaches_all_subscribers_of_the_topic_later() -> None:
    broadcast = Subscribers()
    heard: list[tuple[str, bytes]] = []
    broadcast.subscribe("a", lambda word: heard.append(("one", word)))
    broadcast.subscribe("a", lambda word: heard.append(("two", word)))
    broadcast.subscribe("b", lambda word: heard.append(("other", word)))
    broadcast.publish("a", b"x")
    assert heard == [], "never from inside publish"
    await turn()
    assert heard == [("one", b"x"), ("two", b"x")]


async def test_the_others_are_told_through_the_way_out() -> None:
    told: list[tuple[str, bytes]] = []
    Seat(3, lambda topic, word: told.append((topic, word))).broadcast.publish("a", b"x")
    assert told == [("a", b"x")]


async def test_who_has_cancelled_hears_no_more() -> None:
    broadcast = Subscribers()
    heard: list[bytes] = []
    cancels = [broadcast.subscribe("a", heard.append) for _ in range(2)]
    cancels[0]()
    cancels[0]()
    broadcast.publish("a", b"x")
    await turn()
    assert heard == [b"x"], "a callback given twice is called twice, and cancelled one by one"
    cancels[1]()
    broadcast.publish("a", b"y")
    await turn()
    assert heard == [b"x"]


async def test_a_subscriber_that_fails_is_logged_and_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broadcast = Subscribers()
    heard: list[bytes] = []

    def fails(_: bytes) -> None:
        raise RuntimeError("no")

    broadcast.subscribe("a", fails)
    broadcast.subscribe("a", heard.append)
    broadcast.publish("a", b"x")
    await turn()
    assert heard == [b"x"]
    assert "a subscriber of a failed" in caplog.text


async def test_a_message_has_a_longest_size() -> None:
    broadcast = Subscribers()
    broadcast.publish("a", bytes(PAYLOAD_LIMIT))
    with pytest.raises(ValueError, match="at most 65536 bytes"):
        broadcast.publish("a", bytes(PAYLOAD_LIMIT + 1))


def test_leadership_tells_its_watchers_of_changes_only(caplog: pytest.LogCaptureFixture) -> None:
    leadership = Leadership(False)
    seen: list[bool] = []

    def fails(_: bool) -> None:
        raise RuntimeError("no")

    leadership.watch(fails)
    cancel = leadership.watch(seen.append)
    for held in (False, True, True, False):
        leadership.turn(held)
    assert seen == [True, False]
    assert "a watcher of the leadership failed" in caplog.text
    cancel()
    cancel()
    leadership.turn(True)
    assert seen == [True, False]


def test_alone_a_worker_is_the_first_and_leads() -> None:
    seat = Seat()
    assert seat.number == 0
    assert seat.leadership.held
