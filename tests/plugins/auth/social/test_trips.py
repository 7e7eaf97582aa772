"""A trip to a provider ends once, in the browser it began in, in time."""

from __future__ import annotations

import asyncio
import re

from backends.sql import Sql
from plugins.auth.social.trips import LASTS, Trips
from tests.plugins.auth.people import Clock

HOLDER = "h" * 43


async def test_a_trip_comes_back_as_it_left(sql: Sql) -> None:
    trips = Trips(sql)
    left = await trips.leave(HOLDER, "there", "/account", "session")
    back = await trips.arrive(HOLDER, "there", left.state)
    assert back is not None
    assert (back.nonce, back.verifier) == (left.nonce, left.verifier)
    assert (back.provider, back.onward, back.session_id) == ("there", "/account", "session")
    assert await trips.arrive(HOLDER, "there", left.state) is None


async def test_each_trip_has_secrets_of_its_own(sql: Sql) -> None:
    """ASVS 5.0 10.1.2."""
    trips = Trips(sql)
    one, two = [await trips.leave(HOLDER, "there", "/") for _ in range(2)]
    assert len({*one, *two}) == 6
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", one.verifier)


async def test_no_other_browser_provider_or_state_ends_it(sql: Sql) -> None:
    """ASVS 5.0 10.1.2."""
    trips = Trips(sql)
    left = await trips.leave(HOLDER, "there", "/")
    for holder, provider, state in (
        ("x" * 43, "there", left.state),
        ("", "there", left.state),
        (HOLDER, "elsewhere", left.state),
        (HOLDER, "there", ""),
        (HOLDER, "there", "\ud800"),
    ):
        assert await trips.arrive(holder, provider, state) is None
    assert await trips.arrive(HOLDER, "there", left.state) is not None


async def test_it_is_over_after_ten_minutes(sql: Sql) -> None:
    clock = Clock()
    trips = Trips(sql, clock)
    left = await trips.leave(HOLDER, "there", "/")
    clock.ahead = LASTS + 1
    assert await trips.arrive(HOLDER, "there", left.state) is None


async def test_of_many_who_end_it_at_once_one_does(sql: Sql) -> None:
    trips = Trips(sql)
    left = await trips.leave(HOLDER, "there", "/")
    ends = await asyncio.gather(*(trips.arrive(HOLDER, "there", left.state) for _ in range(20)))
    assert sum(each is not None for each in ends) == 1
