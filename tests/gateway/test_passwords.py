from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator
from typing import Any

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from gateway import passwords
from gateway.passwords import AT_ONCE, AT_ONCE_OF_A_CLIENT, Busy, Comparisons, Crowding, cost_of

CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
HASH = CHEAP.hash("right").encode()
HUNGRY = b"$argon2id$v=19$m=1048576,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"


@pytest.fixture
async def comparisons() -> Any:
    comparisons = Comparisons()
    yield comparisons
    comparisons.stop()


@pytest.fixture
def no_memory() -> Iterator[None]:
    """Half a gigabyte more than is used now, and no byte further."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


async def test_a_password_matches_its_hash_and_no_other_does(comparisons: Comparisons) -> None:
    assert await comparisons.compare(b"1", "192.0.2.1", HASH, b"right")
    assert not await comparisons.compare(b"2", "192.0.2.1", HASH, b"wrong")


async def test_the_same_credentials_are_compared_once_at_a_time(comparisons: Comparisons) -> None:
    first = comparisons.compare(b"seal", "192.0.2.1", HASH, b"right")
    assert comparisons.compare(b"seal", "192.0.2.2", HASH, b"right") is first
    await first
    await asyncio.sleep(0)
    assert comparisons.compare(b"seal", "192.0.2.1", HASH, b"right") is not first


async def ask(comparisons: Comparisons, addresses: list[str]) -> list[asyncio.Future[bool]]:
    return [
        comparisons.compare(f"{number} {address}".encode(), address, HASH, b"wrong")
        for number, address in enumerate(addresses)
    ]


@pytest.mark.parametrize(
    ("addresses", "another"),
    [
        (["192.0.2.1"], "192.0.2.1"),
        (["2001:db8::1", "2001:db8::ffff:2"], "2001:db8:0:0:1::1"),
        (["::ffff:192.0.2.1"], "192.0.2.1"),
    ],
)
async def test_a_client_has_only_so_many_under_way(
    comparisons: Comparisons, addresses: list[str], another: str
) -> None:
    of_the_client = (addresses * AT_ONCE_OF_A_CLIENT)[:AT_ONCE_OF_A_CLIENT]
    pending = await ask(comparisons, of_the_client)
    with pytest.raises(Crowding):
        comparisons.compare(b"one more", another, HASH, b"right")
    somebody_else = comparisons.compare(b"else", "2001:db8:0:1::1", HASH, b"right")
    assert await somebody_else
    await asyncio.gather(*pending)
    await asyncio.sleep(0)
    assert await comparisons.compare(b"one more", another, HASH, b"right")


async def test_only_so_many_are_under_way_altogether(comparisons: Comparisons) -> None:
    pending = await ask(comparisons, [f"192.0.2.{number}" for number in range(AT_ONCE)])
    with pytest.raises(Busy):
        comparisons.compare(b"one more", "198.51.100.1", HASH, b"right")
    await asyncio.gather(*pending)
    await asyncio.sleep(0)
    assert await comparisons.compare(b"one more", "198.51.100.1", HASH, b"right")


async def test_the_event_loop_goes_on_while_a_hash_is_computed(comparisons: Comparisons) -> None:
    slow = PasswordHasher(time_cost=2, memory_cost=65536, parallelism=1).hash("right").encode()
    comparison = comparisons.compare(b"1", "192.0.2.1", slow, b"right")
    turns = 0
    while not comparison.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 10


async def test_what_is_not_begun_when_it_stops_is_cancelled(comparisons: Comparisons) -> None:
    pending = await ask(comparisons, [f"192.0.2.{number}" for number in range(AT_ONCE)])
    comparisons.stop()
    done, _ = await asyncio.wait(pending)
    assert any(comparison.cancelled() for comparison in done)


@pytest.mark.usefixtures("no_memory")
async def test_want_of_memory_is_an_error_and_no_answer(comparisons: Comparisons) -> None:
    with pytest.raises(VerificationError):
        await comparisons.compare(b"1", "192.0.2.1", HUNGRY, b"right")


def test_a_hash_costs_its_memory_and_passes() -> None:
    assert cost_of(CHEAP.hash("x")) == 64
    assert cost_of(PasswordHasher(time_cost=3, memory_cost=128, parallelism=4).hash("x")) == 384
    assert cost_of(HUNGRY.decode()) == passwords.MOST_MEMORY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hunter2",
        "$2b$12$abcdefghijklmnopqrstuv",
        "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=16$m=64,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAA",
        "$argon2id$v=19$m=64,t=1,p=1$c29t$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$hunter2!",
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$",
        "$argon2id$v=19$m=8,t=1,p=4$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=64,t=0,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=64,t=1,p=0$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=1048577,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA\n",
        "hunter2$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
    ],
)
def test_what_is_no_hash_or_could_not_be_computed_is_refused_unshown(text: str) -> None:
    with pytest.raises(ValueError, match=r"Argon2id|m is in KiB") as refused:
        cost_of(text)
    assert "hunter2" not in str(refused.value)
