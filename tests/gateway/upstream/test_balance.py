"""Each balance shares requests out as it says, and looks ahead without consequences."""

from __future__ import annotations

from collections import Counter

import pytest

from gateway.config.model import Health
from tests.gateway.upstream.groups import ANY, chosen, counts, described, group, names

BALANCES = ["round_robin", "least_requests", "random_two"]


@pytest.mark.parametrize(
    ("weights", "turns"),
    [
        ([1], "0000"),
        ([1, 1], "0101"),
        ([1, 3], "1011"),
        ([0, 1], "1111"),
        ([2, 0, 1], "0200"),
        ([5, 1, 1], "0010200"),
    ],
)
async def test_round_robin_is_smooth(weights: list[int], turns: str) -> None:
    up = group(described(*weights))
    assert "".join(chosen(up)[1:] for _ in turns) == turns
    assert "".join(chosen(up)[1:] for _ in range(sum(weights) * 3)).count("0") == weights[0] * 3


async def test_equal_weights_are_as_good_as_none() -> None:
    up = group(described(7, 7, 7))
    assert [chosen(up) for _ in range(4)] == ["t0", "t1", "t2", "t0"]


@pytest.mark.parametrize("balance", BALANCES)
async def test_without_a_load_requests_are_shared_by_weight(balance: str) -> None:
    up = group(described(3, 1, balance=balance))
    share = counts(up, 4000)["t0"]
    assert share == 3000 or (balance == "random_two" and 1000 < share < 4000)


@pytest.mark.parametrize("balance", BALANCES)
async def test_weight_0_takes_no_traffic(balance: str) -> None:
    up = group(described(1, 0, 1, balance=balance))
    assert set(counts(up, 100)) == {"t0", "t2"}


async def test_least_requests_goes_where_the_fewest_are_in_flight() -> None:
    up = group(described(1, 1, 1, balance="least_requests"))
    up.targets[0].open = 5
    up.targets[1].open = 1
    up.targets[2].open = 2
    assert [chosen(up), chosen(up)] == ["t1", "t1"]


async def test_least_requests_counts_by_weight() -> None:
    up = group(described(4, 1, balance="least_requests"))
    up.targets[0].open = 3
    up.targets[1].open = 1
    assert chosen(up) == "t0"
    up.targets[0].open = 5
    assert chosen(up) == "t1"


async def test_of_two_draws_the_less_loaded_one_is_taken() -> None:
    up = group(described(1, 1, balance="random_two"))
    up.targets[0].open = 9
    assert counts(up, 100) == Counter(t1=100)


async def test_random_two_never_asks_the_most_loaded_of_many() -> None:
    up = group(described(1, 1, 1, 1, balance="random_two"))
    up.targets[2].open = 9
    seen = counts(up, 1000)
    assert set(seen) == {"t0", "t1", "t3"}
    assert min(seen.values()) > 150


@pytest.mark.parametrize("balance", BALANCES)
async def test_another_try_goes_to_the_least_loaded_target_not_yet_tried(balance: str) -> None:
    up = group(described(1, 1, 1, balance=balance))
    first, second, third = up.targets
    second.open = 2
    assert up.choose(ANY, (first,)) is third
    assert up.choose(ANY, (first, third)) is second
    assert up.choose(ANY, (first, second, third)) in (first, third)


@pytest.mark.parametrize("balance", BALANCES)
async def test_looking_ahead_changes_nothing(balance: str) -> None:
    up = group(described(2, 1, 1, balance=balance))
    for _ in range(20):
        ahead = [up.explain(ANY).next for _ in range(3)]
        now = chosen(up)
        assert ahead == [None if balance == "random_two" else f"http://{now}"] * 3


async def test_a_target_that_came_back_keeps_its_turn_among_the_others() -> None:
    up = group(described(1, 1, 1, health=Health(slow_start=0.0)))
    up.judge("http://t1", False, "down")
    assert names(up) == ["t0", "t2"]
    assert counts(up, 10) == Counter(t0=5, t2=5)
    up.judge("http://t1", True, "up")
    assert counts(up, 30) == Counter(t0=10, t1=10, t2=10)
