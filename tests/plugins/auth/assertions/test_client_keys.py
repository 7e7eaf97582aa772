"""Keys of clients are fetched when they come, from where they may be, and no more than needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from gateway.jose.keys import KeysUnavailable
from gateway.jose.verify import Refused, UnknownKey, Verifier
from plugins.auth.assertions import client_keys
from plugins.auth.assertions.client_keys import ClientKeys
from plugins.auth.leaving.reach import Reach
from plugins.auth.oauth.clients import Client
from tests.gateway.jose.signing import Issuer, serving
from tests.plugins.auth.assertions.asserting import Asserting, client_of

VERIFIER = Verifier(["ES256"], types={"jwt"})


class Published(Issuer):
    """A client's key where its metadata says."""

    def __init__(self, holder: Asserting) -> None:
        super().__init__()
        self.holder = holder
        self.document = holder.jwks

    def client(self, host: str = "127.0.0.1", path: str = "keys") -> Client:
        root = self.url.replace("127.0.0.1", host)
        return client_of(self.holder, jwks_uri=f"{root}/{path}")


@pytest.fixture
async def known() -> AsyncIterator[ClientKeys]:
    made = ClientKeys(Reach((), here=True))
    yield made
    await made.stop()


@pytest.fixture
async def place() -> AsyncIterator[Published]:
    async with serving(Published(Asserting())) as made:
        assert isinstance(made, Published)
        yield made


async def verify(known: ClientKeys, client: Client, text: str) -> str:
    return (await known.verified(client, VERIFIER, text)).identity.subject


async def test_of_many_who_come_at_once_one_asks_and_the_answer_is_kept(
    known: ClientKeys, place: Published
) -> None:
    client = place.client()
    calls = [verify(known, client, place.holder.assertion("a")) for _ in range(20)]
    assert await asyncio.gather(*calls) == ["a"] * 20
    assert await verify(known, client, place.holder.assertion("a")) == "a"
    assert place.fetches == 1


async def test_a_new_key_is_found_at_once_and_a_made_up_one_is_looked_for_once(
    known: ClientKeys, place: Published
) -> None:
    client, old, new = place.client(), place.holder, Asserting(kid="two")
    await verify(known, client, old.assertion("a"))
    place.document = new.jwks
    assert await verify(known, client, new.assertion("a")) == "a"
    with pytest.raises(UnknownKey):
        await verify(known, client, old.assertion("a"))
    calls = [verify(known, client, Asserting(kid=f"{n}").assertion("a")) for n in range(20)]
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(each) for each in found} == {UnknownKey}
    assert place.fetches == 2


async def test_a_key_of_another_name_is_not_tried(known: ClientKeys, place: Published) -> None:
    with pytest.raises(Refused, match="signature"):
        await verify(known, place.client(), Asserting(kid="one").assertion("a"))
    assert place.fetches == 1


async def test_known_keys_serve_on_while_their_place_is_down(
    known: ClientKeys, place: Published, caplog: pytest.LogCaptureFixture
) -> None:
    client = place.client()
    await verify(known, client, place.holder.assertion("a"))
    place.status = 500
    with pytest.raises(UnknownKey):
        await verify(known, client, Asserting(kid="two").assertion("a"))
    assert await verify(known, client, place.holder.assertion("a")) == "a"
    assert "the known ones serve on" in caplog.text
    assert place.fetches == 2


@pytest.mark.parametrize("document", [{}, "x", {"keys": [1] * 65}])
async def test_what_is_no_key_set_is_none(
    known: ClientKeys, place: Published, document: object
) -> None:
    place.document = document
    with pytest.raises(KeysUnavailable):
        await verify(known, place.client(), place.holder.assertion("a"))


async def test_a_place_that_failed_is_not_asked_by_each_who_comes(
    known: ClientKeys, place: Published
) -> None:
    place.status = 503
    for _ in range(3):
        with pytest.raises(KeysUnavailable):
            await verify(known, place.client(), place.holder.assertion("a"))
    assert place.fetches == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_no_address_within_is_asked(
    place: Published, host: str, caplog: pytest.LogCaptureFixture
) -> None:
    known = ClientKeys(Reach((), here=False))
    with pytest.raises(KeysUnavailable):
        await verify(known, place.client(host), place.holder.assertion("a"))
    assert "its address is not public, nor of `logout.networks`" in caplog.text
    assert place.fetches == 0
    opened = ClientKeys(Reach(("127.0.0.0/8",), here=False))
    assert await verify(opened, place.client("127.0.0.1"), place.holder.assertion("a")) == "a"
    for each in (known, opened):
        await each.stop()


async def test_no_redirect_leads_within(
    known: ClientKeys, caplog: pytest.LogCaptureFixture
) -> None:
    class Leading(Published):
        async def keys(self, request: web.Request) -> web.StreamResponse:
            raise web.HTTPFound("https://10.0.0.1/keys?code=hidden")

    async with serving(Leading(Asserting())) as place:
        assert isinstance(place, Leading)
        with pytest.raises(KeysUnavailable):
            await verify(known, place.client(), place.holder.assertion("a"))
    assert "https://10.0.0.1/keys: ClientConnectorError: its address is not public" in caplog.text
    assert "hidden" not in caplog.text


async def test_as_many_are_held_as_there_is_room_for(
    known: ClientKeys, place: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_keys, "MOST", 2)
    first, second, third = [place.client(path=f"keys?{n}") for n in range(3)]
    for client in (first, second, first, third, first, second):
        await verify(known, client, place.holder.assertion("a"))
    assert place.fetches == 4
    for n in range(3):
        holder = Asserting()
        await verify(known, client_of(holder, f"{n}"), holder.assertion("a"))
