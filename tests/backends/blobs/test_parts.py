from __future__ import annotations

import asyncio

import pytest

from backends.blobs.parts import MOST_OF_ONE, Cut, Part, Slots, parts, send_all
from backends.errors import BackendUnavailable
from tests.conformance.blobs import broken, stream


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 20, 35])
@pytest.mark.parametrize("piece", [1, 7, 10, 100])
async def test_all_parts_but_the_last_are_of_one_size(size: int, piece: int) -> None:
    body = bytes(range(size))
    for given in (body, stream(body, piece)):
        cut = [part async for part in parts(given, 10)]
        assert b"".join(data for data, _ in cut) == body
        assert [last for _, last in cut] == [False] * (len(cut) - 1) + [True]
        assert {len(data) for data, last in cut if not last} <= {10}
        assert len(cut[-1][0]) > 0 or size == 0


async def test_parts_come_back_in_order_and_few_are_under_way() -> None:
    slots = Slots(100, 5)
    under_way = most = 0

    async def send(part: Part) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02 / part.number)
        under_way -= 1
        return part.number

    cut = Cut(bytes(100), 10, slots)
    assert await send_all(cut, await cut.part(), send) == list(range(1, 11))
    assert most == MOST_OF_ONE
    assert cut.size == 100


@pytest.mark.parametrize("fails", ["body", "send", "cancelled"])
async def test_slots_are_given_back_and_nothing_is_under_way_when_it_fails(fails: str) -> None:
    slots = Slots(3, 5)

    async def send(part: Part) -> None:
        if fails == "send" and part.number == 3:
            raise ZeroDivisionError
        await asyncio.sleep(0.001)

    async def put() -> None:
        cut = Cut(broken(bytes(100)) if fails == "body" else bytes(1000), 10, slots)
        await send_all(cut, await cut.part(), send)

    if fails == "cancelled":
        putting = asyncio.create_task(put())
        await asyncio.sleep(0.01)
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
    else:
        with pytest.raises(ZeroDivisionError):
            await put()
    assert len(asyncio.all_tasks()) == 1
    await asyncio.sleep(0)
    for _ in range(3):
        await slots.take()


async def test_who_finds_no_slot_in_time_is_told() -> None:
    slots = Slots(1, 0.05)
    first = await Cut(b"x", 10, slots).part()
    with pytest.raises(BackendUnavailable, match="too many"):
        await Cut(b"y", 10, slots).part()
    slots.give_back()
    assert (await Cut(b"y", 10, slots).part()).data == b"y" != first.data
