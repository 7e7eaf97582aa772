"""The same key to the same target, few moves when one leaves, and none is overloaded."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from gateway.config.model import HashBy
from gateway.upstream.pool import Upstream
from tests.gateway.upstream.groups import ANY, Request, by_user, chosen, described, group

USERS = range(2000)


def hashed(*weights: int, by: str = "header:x-user", **options: Any) -> Upstream:
    return group(described(*weights, balance=HashBy(consistent_hash=by), **options))


def homes(upstream: Upstream) -> dict[int, str]:
    return {user: chosen(upstream, by_user(user)) for user in USERS}


async def test_a_key_stays_at_its_target_and_in_every_gateway() -> None:
    assert homes(hashed(1, 1, 1)) == homes(hashed(1, 1, 1))


async def test_keys_are_spread_by_weight() -> None:
    seen = Counter(homes(hashed(2, 1, 1)).values())
    assert 800 < seen["t0"] < 1200
    assert min(seen["t1"], seen["t2"]) > 350


async def test_a_target_that_fails_moves_its_own_keys_alone() -> None:
    up = hashed(1, 1, 1, 1)
    before = homes(up)
    up.judge("http://t2", False, "down")
    after = homes(up)
    assert {before[user] for user in USERS if before[user] != after[user]} == {"t2"}
    assert set(after.values()) == {"t0", "t1", "t3"}
    up.judge("http://t2", True, "up")
    assert homes(up) == before


async def test_a_target_taken_out_of_the_table_moves_its_own_keys_alone() -> None:
    before, after = homes(hashed(1, 1, 1, 1)), homes(hashed(1, 1, 1))
    assert {before[user] for user in USERS if before[user] != after[user]} == {"t3"}


async def test_no_target_takes_much_more_than_its_share() -> None:
    up = hashed(1, 1, 1, 1)
    for _ in range(100):
        target = up.choose(by_user("the only one"))
        assert target is not None
        target.open += 1
    assert max(target.open for target in up.targets) <= 1.25 * 100 / 4 + 1
    assert sorted(target.open for target in up.targets)[-2] > 25


async def test_where_everything_is_full_the_least_loaded_is_taken() -> None:
    up = hashed(1, 1)
    for target in up.targets:
        target.health.share = 0.1
        target.open = 10
    up.targets[1].open = 9
    assert {chosen(up, by_user(user)) for user in range(20)} <= {"t0", "t1"}


async def test_without_the_key_the_fewest_in_flight_decide() -> None:
    up = hashed(1, 1, 1)
    up.targets[0].open = up.targets[2].open = 1
    for asked in (ANY, Request([b"X-User:  "]), Request([b"X-Users: a", b"Cookie: x-user=a"])):
        assert chosen(up, asked) == "t1"
        assert up.explain(asked).next == "http://t1"


async def test_another_try_goes_to_the_next_one_on_the_ring() -> None:
    up = hashed(1, 1, 1)
    for user in range(50):
        first = up.choose(by_user(user))
        assert first is not None
        second = up.choose(by_user(user), (first,))
        assert second is not first
        first.weight = 1
        up.judge(first.url, False, "down")
        assert up.choose(by_user(user)) is second
        up.judge(first.url, True, "up")


async def test_another_try_of_all_that_were_tried_takes_the_least_loaded() -> None:
    up = hashed(1, 1)
    up.targets[0].open = 3
    assert up.choose(by_user(1), tuple(up.targets)) is up.targets[1]
    assert up.choose(ANY, (up.targets[1],)) is up.targets[0]


async def test_looking_ahead_tells_the_home_of_a_key() -> None:
    up = hashed(1, 1, 1)
    seen = up.explain(by_user("a"))
    assert seen.balance == "consistent_hash header:x-user"
    assert seen.next == f"http://{chosen(up, by_user('a'))}"


@pytest.mark.parametrize(
    ("by", "one", "other"),
    [
        ("header:X-User", Request([b"x-user: 1"]), Request([b"x-user: 2"])),
        ("cookie:id", Request([b"cookie: a=1; id=7"]), Request([b"Cookie: id=8;a=1"])),
        ("ip", Request(client_ip="192.0.2.1"), Request(client_ip="2001:db8::5")),
        ("path", Request(path=b"/a"), Request(path=b"/b/c")),
    ],
)
async def test_what_may_be_a_key(by: str, one: Request, other: Request) -> None:
    up = hashed(*[1] * 50, by=by)
    home = chosen(up, one)
    assert {chosen(up, one) for _ in range(5)} == {home}
    assert chosen(up, other) != home


async def test_a_cookie_that_only_looks_alike_is_no_key() -> None:
    up = hashed(1, 1, by="cookie:id")
    up.targets[0].open = 1
    for line in (b"Cookie: xid=1; ID=2", b"Cookie: id", b"X-Cookie: id=1"):
        assert chosen(up, Request([line])) == "t1"
