from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from gateway.neighbours import Neighbours, closure


class Offers:
    def __init__(self, **offered: Any) -> None:
        self.offered = offered

    def offers(self) -> Mapping[str, Any]:
        return self.offered


def asking(*names: str) -> Neighbours:
    seen = Neighbours(Offers())
    for name in names:
        seen.plugin(name)
    return seen


def test_what_is_offered_is_that_of_the_table_of_the_moment() -> None:
    seen = Neighbours(Offers(auth=1))
    assert (seen.plugin("auth"), seen.plugin("mail"), seen.plugins()) == (1, None, {"auth": 1})
    seen.table = Offers(auth=2)
    assert (seen.plugin("auth"), seen.plugins()) == (2, {"auth": 2})


@pytest.mark.parametrize(
    ("changed", "concerned"), [([], False), (["mail"], False), (["mail", "auth"], True)]
)
def test_who_asked_for_a_plugin_is_concerned_by_its_change(
    changed: list[str], concerned: bool
) -> None:
    assert asking("auth").concerned_by(changed) is concerned
    assert asking().concerned_by(changed) is False


def test_who_looked_at_all_is_concerned_by_each_change() -> None:
    seen = asking()
    seen.plugins()
    assert not seen.concerned_by([])
    assert seen.concerned_by(["mail"])


def test_a_change_goes_on_to_who_asked_and_to_who_asked_them() -> None:
    kept = {
        "a": asking("b"),
        "b": asking("c"),
        "d": asking("e"),
        "x": asking("y"),
        "y": asking("x"),
    }
    assert closure([], kept) == frozenset()
    assert closure(["c"], kept) == {"a", "b", "c"}
    assert closure(["y"], kept) == {"x", "y"}
