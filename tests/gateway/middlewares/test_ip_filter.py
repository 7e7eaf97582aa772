from __future__ import annotations

import pytest

from gateway.errors import Problem
from gateway.middlewares.ip_filter import IpFilter, IpFilterOptions, Networks
from tests.gateway.middlewares.passing import context, request


def welcome(ip: str, allow: list[str] | None = None, deny: list[str] | None = None) -> bool:
    chosen = IpFilterOptions(allow=allow or [], deny=deny or [])
    return IpFilter(chosen, context()).request(request(ip=ip)) is None


def test_a_filter_that_filters_nothing_is_refused_at_load() -> None:
    with pytest.raises(ValueError, match="allow or deny is missing: a filter that filters nothing"):
        IpFilterOptions()


def test_a_refusal_is_a_403_problem() -> None:
    filtering = IpFilter(IpFilterOptions(deny=["192.0.2.1"]), context())
    for _ in range(2):
        refusal = filtering.request(request(ip="192.0.2.1"))
        assert isinstance(refusal, Problem)
        assert refusal.status == 403


@pytest.mark.parametrize(
    ("ip", "expected"),
    [
        ("10.1.2.3", True),
        ("11.0.0.1", False),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("2001:db8:ffff::1", True),
        ("2001:db9::1", False),
        ("::1", False),
    ],
)
def test_a_list_of_the_allowed_refuses_everybody_else(ip: str, expected: bool) -> None:
    assert welcome(ip, allow=["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]) is expected


def test_deny_wins_over_allow() -> None:
    assert not welcome("10.0.0.1", allow=["10.0.0.0/8"], deny=["10.0.0.1"])
    assert welcome("10.0.0.2", allow=["10.0.0.0/8"], deny=["10.0.0.1"])
    assert not welcome("10.0.0.1", allow=["10.0.0.1"], deny=["10.0.0.0/8"])


@pytest.mark.parametrize("denied", ["10.0.0.0/8", "::ffff:10.0.0.0/104"])
@pytest.mark.parametrize("ip", ["10.0.0.1", "::ffff:10.0.0.1", "::ffff:a00:1"])
def test_a_mapped_address_is_the_ipv4_address(ip: str, denied: str) -> None:
    assert not welcome(ip, deny=[denied])
    assert welcome(ip.replace("10.0", "11.0").replace("a00", "b00"), deny=[denied])


def test_all_of_ipv6_is_not_all_of_ipv4() -> None:
    assert not welcome("2001:db8::1", deny=["::/0"])
    assert welcome("192.0.2.1", deny=["::/0"])
    assert not welcome("192.0.2.1", deny=["0.0.0.0/0"])


def test_a_scoped_address_is_judged_without_its_scope() -> None:
    assert not welcome("fe80::1%eth0", deny=["fe80::/10"])


@pytest.mark.parametrize("ip", ["", "unix"])
def test_a_client_on_a_unix_socket_is_on_no_list(ip: str) -> None:
    assert welcome(ip, deny=["0.0.0.0/0", "::/0"])
    assert not welcome(ip, allow=["0.0.0.0/0", "::/0"])


@pytest.mark.parametrize("bad", ["10.0.0.1/8", "10.0.0.0/33", "localhost", "", "unix"])
def test_what_is_no_network_is_refused_at_load(bad: str) -> None:
    with pytest.raises(ValueError, match="deny: "):
        IpFilterOptions(deny=[bad])
    with pytest.raises(ValueError, match="allow: "):
        IpFilterOptions(allow=[bad])


def test_a_set_of_networks_knows_its_size() -> None:
    assert len(Networks(["10.0.0.0/8", "::1"])) == 2
    assert not Networks([])
