import asyncio
import json
import logging
from collections import Counter

import pytest

from gateway.jose.keys import KeyReader, KeysUnavailable
from gateway.jose.ring import KeyRing
from gateway.jose.sources import Fetched, KeyAddress, KeyFile
from gateway.jose.verify import UnknownKey, Verifier
from tests.gateway.jose.signing import Issuer, Signer, eventually, jwks, serving, signer

READER = KeyReader(["ES256"])
TWO = Signer("ES256", "two")
LOG = logging.getLogger("gateway.test_ring")


@pytest.fixture
def outcomes():
    return Counter()


@pytest.fixture
async def ring(outcomes):
    """Retries at once, so that a test need not wait."""
    made = KeyRing(
        LOG,
        changed=lambda keys: outcomes.update(["changed"]),
        counted=lambda outcome: outcomes.update([outcome]),
        first_retry=0.01,
    )
    yield made
    await made.stop()


def knows(ring, kid):
    return ring.keys is not None and bool(ring.keys.candidates("ES256", kid))


async def test_keys_come_in_the_background(ring, outcomes):
    async with serving(Issuer(signer("ES256"))) as issuer:
        await ring.start(KeyAddress(f"{issuer.url}/keys", READER))
        assert ring.keys is None
        await asyncio.wait([ring.flight])
        assert knows(ring, "one")
        assert outcomes == {"ok": 1, "changed": 1}


async def test_one_fetch_is_under_way_whoever_asks(ring):
    async with serving(Issuer(signer("ES256"))) as issuer:
        await ring.start(KeyAddress(f"{issuer.url}/keys", READER))
        assert ring.flight is ring.refetch() is ring.refetch()
        await asyncio.wait([ring.flight])
        assert issuer.fetches == 1


async def test_an_unknown_kid_is_asked_for_once_and_then_cools_down(ring):
    async with serving(Issuer(signer("ES256"))) as issuer:
        await ring.start(KeyAddress(f"{issuer.url}/keys", READER))
        await asyncio.wait([ring.flight])
        issuer.document = jwks(signer("ES256"), TWO)
        await asyncio.wait([ring.refetch()])
        assert knows(ring, "two")
        assert [ring.refetch() for _ in range(1000)] == [None] * 1000
        assert issuer.fetches == 2


async def test_a_cool_down_ends():
    ring = KeyRing(LOG, changed=lambda keys: None, counted=lambda outcome: None, cool_down=0.02)
    async with serving(Issuer(signer("ES256"))) as issuer:
        await ring.start(KeyAddress(f"{issuer.url}/keys", READER))
        await asyncio.wait([ring.flight])
        await asyncio.wait([ring.refetch()])
        await eventually(ring.refetch)
        await ring.stop()


async def test_it_comes_up_when_the_issuer_does(ring, outcomes, caplog):
    issuer = Issuer(signer("ES256"))
    issuer.status = 500
    async with serving(issuer):
        await ring.start(KeyAddress(f"{issuer.url}/keys", READER))
        await eventually(lambda: outcomes["failed"] >= 3)
        assert ring.keys is None
        assert ring.retry_after() == 1
        issuer.status = 200
        await eventually(lambda: knows(ring, "one"))
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert "none are known yet" in messages[0]
    assert "answered 500" in messages[0]
    assert "fetched again" in messages[1]


async def test_old_keys_serve_on_while_the_issuer_is_down(ring, outcomes, caplog):
    async with serving(Issuer(signer("ES256"))) as issuer:
        await ring.start(KeyAddress(f"{issuer.url}/keys", READER))
        await asyncio.wait([ring.flight])
    await asyncio.wait([ring.refetch()])
    assert outcomes["failed"] == 1
    assert knows(ring, "one")
    assert "the known ones serve on" in caplog.text


async def test_keys_are_refreshed_before_anybody_misses_them(ring, outcomes, tmp_path):
    class Restless(KeyFile):
        async def fetch(self):
            return Fetched((await super().fetch()).keys, 0.01)

    path = tmp_path / "keys.json"
    path.write_text(json.dumps(jwks(signer("ES256"))))
    await ring.start(Restless(path, READER))
    assert knows(ring, "one")
    path.write_text(json.dumps(jwks(TWO)))
    await eventually(lambda: knows(ring, "two"))
    assert not knows(ring, "one")
    path.write_text("{")
    await eventually(lambda: outcomes["failed"])
    assert knows(ring, "two")
    assert outcomes["changed"] == 2


async def test_a_file_that_cannot_be_used_stops_the_start(ring, tmp_path):
    with pytest.raises(KeysUnavailable):
        await ring.start(KeyFile(tmp_path / "none.json", READER))


async def test_an_issuer_that_withdraws_all_its_keys_is_believed(ring, caplog):
    async with serving(Issuer(signer("ES256"))) as issuer:
        await ring.start(KeyAddress(f"{issuer.url}/keys", READER))
        await asyncio.wait([ring.flight])
        issuer.document = jwks()
        await asyncio.wait([ring.refetch()])
    assert not knows(ring, "one")
    assert "no key that fits" in caplog.text


async def test_stopping_ends_a_fetch_and_whoever_waits_for_it(ring):
    released = asyncio.Event()

    class Hanging(Issuer):
        async def keys(self, request):
            await released.wait()
            return await super().keys(request)

    async with serving(Hanging()) as issuer:
        await ring.start(KeyAddress(f"{issuer.url}/keys", READER))
        flight = ring.flight
        waiting = asyncio.create_task(asyncio.wait([flight]))
        await asyncio.sleep(0)
        await ring.stop()
        await waiting
        assert flight.cancelled()
        assert ring.flight is None
        released.set()


async def test_a_ring_that_never_started_can_be_stopped(ring):
    await ring.stop()


async def test_who_keeps_nothing_fresh_fetches_when_it_is_time(ring):
    class Aging(KeyAddress):
        again_in = 60.0

        async def fetch(self):
            return Fetched((await super().fetch()).keys, self.again_in)

    async with serving(Issuer(signer("ES256"))) as issuer:
        source = Aging(f"{issuer.url}/keys", READER)
        await asyncio.gather(*(ring.refresh(source) for _ in range(5)))
        assert knows(ring, "one")
        await ring.refresh(source)
        assert issuer.fetches == 1
        issuer.document = jwks(TWO)
        source.again_in = 0.0
        await asyncio.wait([ring.refetch()])
        assert knows(ring, "two")
        issuer.document = jwks(signer("ES256"))
        await ring.refresh(source)
        assert knows(ring, "one")
        assert issuer.fetches == 3


async def test_a_token_waits_for_a_key_that_is_new_and_for_none_that_is_not(ring):
    verifier = Verifier(["ES256"])
    with pytest.raises(KeysUnavailable):
        await ring.verified(verifier, TWO.token())
    async with serving(Issuer(signer("ES256"))) as issuer:
        await ring.start(KeyAddress(f"{issuer.url}/keys", READER))
        await asyncio.wait([ring.flight])
        issuer.document = jwks(TWO)
        assert (await ring.verified(verifier, TWO.token())).identity.subject == "ada"
        with pytest.raises(UnknownKey):
            await ring.verified(verifier, signer("ES256").token())
        assert issuer.fetches == 2
