"""Argon2id: parameters, and how much of it there is at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from plugins.auth.accounts.errors import Overloaded
from plugins.auth.accounts.hashing import AT_ONCE, AT_ONCE_OF_A_CLIENT, Hashing
from plugins.auth.accounts.options import AccountOptions


@pytest.fixture
def hashing() -> Iterator[Hashing]:
    hashing = Hashing(memory=64, passes=1)
    yield hashing
    hashing.stop()


async def test_the_default_is_what_owasp_asks_for_at_least() -> None:
    options = AccountOptions()
    hashing = Hashing(options.hash_memory, options.hash_passes)
    encoded = await hashing.hash("violet harbour", "me")
    hashing.stop()
    assert encoded.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_nobody_s_password_matches_nothing(hashing: Hashing) -> None:
    encoded = await hashing.hash("violet harbour", "me")
    assert await hashing.matches(encoded, "violet harbour", "me")
    assert not await hashing.matches(encoded, "violet harbou", "me")
    assert not await hashing.matches(None, "violet harbour", "me")
    assert not await hashing.matches("not a hash", "violet harbour", "me")


async def test_a_client_has_a_few_under_way_and_all_together_have_no_more_than_fit(
    hashing: Hashing,
) -> None:
    gate = threading.Event()
    under_way = [asyncio.ensure_future(hashing.run(gate.wait, "greedy")) for _ in range(8)]
    await asyncio.sleep(0)
    assert len(under_way) == AT_ONCE_OF_A_CLIENT
    with pytest.raises(Overloaded):
        await hashing.run(gate.wait, "greedy")
    others = [
        asyncio.ensure_future(hashing.run(gate.wait, str(number)))
        for number in range(AT_ONCE - AT_ONCE_OF_A_CLIENT)
    ]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await hashing.run(gate.wait, "late")
    gate.set()
    assert all(await asyncio.gather(*under_way, *others))
    assert await hashing.run(lambda: 1, "greedy") == 1
