"""Each proof is for one request of now, once, on every process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from backends.sql import Sql
from plugins.auth.dpop.options import DpopOptions
from plugins.auth.dpop.proofs import Proofs
from plugins.auth.keys.at_rest import AtRest
from plugins.auth.oauth.clients import Client
from plugins.auth.oauth.errors import OAuthError
from plugins.auth.oauth.token_endpoint import CNF
from plugins.auth.once.tables import used
from plugins.auth.pruning import Pruning
from tests.plugins.auth.dpop.holder import Holder

ISSUER = "http://localhost/auth"
TOKEN = f"{ISSUER}/token"


def made(sql: Sql, clock: Callable[[], float] = time.time, **options: Any) -> Proofs:
    return Proofs(sql, ISSUER, AtRest("s" * 40), DpopOptions(**options), clock)


def request(*sent: str, method: str = "POST") -> web.Request:
    return make_mocked_request(method, "/token", CIMultiDict([("DPoP", each) for each in sent]))


async def error(known: Proofs, *sent: str, **more: Any) -> OAuthError:
    with pytest.raises(OAuthError) as raised:
        await known.presented(request(*sent), "/token", **more)
    return raised.value


async def test_a_proof_gets_through_once_whoever_races(sql: Sql) -> None:
    holder = Holder()
    proof = holder.proof("POST", TOKEN)
    processes = [made(sql), made(sql)]
    calls = [processes[n % 2].presented(request(proof), "/token") for n in range(20)]
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert len([each for each in found if isinstance(each, str)]) == 1
    refused = [each for each in found if isinstance(each, OAuthError)]
    assert {each.code for each in refused} == {"invalid_dpop_proof"}
    assert len(refused) == 19
    assert await processes[0].presented(request(), "/token") is None


async def test_a_proof_is_for_its_request_alone(sql: Sql) -> None:
    known, holder = made(sql), Holder()
    wrong = [
        holder.proof("GET", TOKEN),
        holder.proof("post", TOKEN),
        holder.proof("POST", f"{ISSUER}/par"),
        holder.proof("POST", "http://127.0.0.1/token"),
        holder.proof("POST", TOKEN, iat=int(time.time()) - 70),
        holder.proof("POST", TOKEN, iat=int(time.time()) + 70),
    ]
    for proof in wrong:
        assert (await error(known, proof)).code == "invalid_dpop_proof"
    good = holder.proof("POST", TOKEN)
    assert (await error(known, good, holder.proof("POST", TOKEN))).code == "invalid_dpop_proof"
    assert await known.presented(request(good), "/token")


async def test_a_proof_goes_with_its_access_token(sql: Sql) -> None:
    known, holder = made(sql), Holder()
    for other in ("", "b"):
        proof = holder.proof("POST", TOKEN, token=other)
        assert (await error(known, proof, token="a")).code == "invalid_dpop_proof"
    proof = holder.proof("POST", TOKEN, token="a")
    assert await known.presented(request(proof), "/token", token="a")


async def test_a_nonce_of_ours_is_asked_for_and_lasts_five_minutes(sql: Sql) -> None:
    ahead = [0.0]
    known, holder = made(sql, lambda: time.time() + ahead[0], nonce=True, window=600), Holder()
    told = await error(known, holder.proof("POST", TOKEN))
    assert (told.code, told.response().status) == ("use_dpop_nonce", 400)
    nonce = told.response().headers["DPoP-Nonce"]
    other = made(sql, nonce=True)
    assert await other.presented(request(holder.proof("POST", TOKEN, nonce=nonce)), "/token")
    for wrong in ("", "A" * 48, nonce[:-4] + "AAAA", "ñ", nonce * 3, "%"):
        assert (await error(known, holder.proof("POST", TOKEN, nonce=wrong))).code == (
            "use_dpop_nonce"
        )
    ahead[0] = 301
    proof = holder.proof("POST", TOKEN, nonce=nonce, iat=int(time.time()) + 301)
    assert (await error(known, proof)).code == "use_dpop_nonce"


async def test_used_proofs_are_pruned_when_they_are_too_old_to_be_used(sql: Sql) -> None:
    await made(sql).presented(request(Holder().proof("POST", TOKEN)), "/token")
    count = sa.select(sa.func.count()).select_from(used)
    for seconds, left in ((115, 1), (125, 0)):  # by a host whose clock may be early
        await Pruning(sql, lambda ahead=seconds: time.time() + ahead).prune()  # type: ignore[misc]  # the default is bound here
        async with sql.read() as connection:
            assert (await connection.execute(count)).scalar() == left


async def test_where_proofs_are_required_no_client_has_tokens_without(sql: Sql) -> None:
    """ASVS 5.0 10.4.14."""
    client, bare = Client("app", "app", "none", frozenset(), ()), request()
    await made(sql).bind(bare, client)
    assert CNF not in bare
    known, proved = made(sql, required=True), request(Holder().proof("POST", TOKEN))
    with pytest.raises(OAuthError, match="a proof is needed"):
        await known.bind(bare, client)
    await known.bind(proved, client)
    assert len(proved[CNF]["jkt"]) == 43
