"""Clients are told at public addresses, whatever their names lead to."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from plugins.auth.leaving.options import LogoutOptions
from plugins.auth.leaving.reach import Reach

WITHIN = (
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "::1",
    "::",
    "fe80::1%eth0",
    "fd00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a9fe:a9fe",
    "2002:0a01:0203::1",
    "::127.0.0.1",
    "fec0::1",
)


@pytest.mark.parametrize("address", WITHIN)
def test_an_address_within_is_out_of_reach(address: str) -> None:
    assert not Reach((), here=False).allows(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"])
def test_a_public_address_is_in_reach(address: str) -> None:
    assert Reach((), here=False).allows(address)


def test_what_the_operator_names_is_in_reach_too() -> None:
    reach = Reach(LogoutOptions(["10.0.0.0/8"]).networks, here=True)
    assert [reach.allows(each) for each in ("10.9.9.9", "127.0.0.1", "::1")] == [True] * 3
    assert not reach.allows("192.168.1.1")
    with pytest.raises(ValueError, match="not appear to be"):
        LogoutOptions(["inside.example.org"])


async def test_a_name_is_judged_by_what_it_leads_to() -> None:
    async with TestServer(web.Application()) as server:
        for host in ("localhost", "127.0.0.1"):
            url = f"http://{host}:{server.port}/"
            for here in (False, True):
                async with aiohttp.ClientSession(connector=Reach((), here=here).connector()) as one:
                    if here:
                        async with one.post(url) as answer:
                            assert answer.status == 404
                    else:
                        with pytest.raises(aiohttp.ClientConnectorError) as caught:
                            await one.post(url)
                        assert "not public" in str(caught.value.os_error)
