from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import Problem
from gateway.middlewares.maintenance import Maintenance, MaintenanceOptions
from tests.gateway.middlewares.passing import ask, context, request


def maintenance(**options: Any) -> Maintenance:
    return Maintenance(MaintenanceOptions(**options), context())


async def test_everybody_gets_a_503_problem_that_says_when_to_come_back() -> None:
    refusal = await ask(maintenance(message="Back at noon.", retry_after=90.2), request())
    assert isinstance(refusal, Problem)
    assert refusal.status == 503
    assert refusal.detail == "Back at noon."
    assert ("Retry-After", "91") in refusal.headers


async def test_switched_off_it_lets_everybody_pass() -> None:
    assert await ask(maintenance(enabled=False), request()) is None


@pytest.mark.parametrize(
    ("ip", "passes"),
    [
        ("192.0.2.9", True),
        ("::ffff:192.0.2.9", True),
        ("2001:db8::1", True),
        ("198.51.100.1", False),
        ("2001:db9::1", False),
        ("unix", False),
    ],
)
async def test_those_who_are_allowed_pass(ip: str, passes: bool) -> None:
    middleware = maintenance(allow=["192.0.2.0/24", "2001:db8::/32"])
    assert (await ask(middleware, request(ip=ip)) is None) is passes


def test_what_is_no_network_is_refused_at_load() -> None:
    with pytest.raises(ValueError, match=r"allow: .*office"):
        MaintenanceOptions(allow=["office"])
