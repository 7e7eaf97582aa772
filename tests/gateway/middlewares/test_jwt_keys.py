"""Where the keys of a jwt guard come from, and what becomes of tokens when they change."""

import asyncio
import json
import os

import pytest

from gateway.errors import LoadError
from tests.gateway.jose.signing import ISSUER, Issuer, eventually, good_claims, jwks, serving
from tests.gateway.middlewares.jwt_guard import (
    ONE,
    TWO,
    ask,
    at_once,
    bearer,
    count,
    error,
    exchange_with,
)


class Signing:
    """What a plugin offers that signs and revokes tokens."""

    issuer = ISSUER

    def __init__(self, *signers):
        self.document = jwks(*signers)
        self.gone = set()

    async def jwks(self):
        return self.document

    def revoked(self, claims):
        return claims.get("jti") in self.gone


async def test_a_missing_or_bad_key_file_stops_the_start(guarded, tmp_path):
    with pytest.raises(LoadError, match=r"middleware 'signed_in': .*keys\.json: No such file"):
        await guarded(jwks="keys.json")
    (tmp_path / "keys.json").write_text("{}")
    with pytest.raises(LoadError, match="no list of keys"):
        await guarded(jwks="keys.json")


async def test_a_changed_key_file_is_taken_up_and_tokens_of_a_removed_key_die(by_file, tmp_path):
    guard = await by_file()
    old = bearer(ONE.token())
    assert at_once(guard, old) is None
    (tmp_path / "keys.json").write_text(json.dumps(jwks(TWO)))
    os.utime(tmp_path / "keys.json", ns=(1, 1))
    answer, _ = await ask(guard, bearer(TWO.token()))
    assert answer is None
    assert (await ask(guard, old))[0].status == 401


async def test_keys_come_from_the_issuers_discovery_document(guarded, metrics):
    async with serving(Issuer(ONE)) as issuer:
        guard = await guarded(issuer=issuer.url)
        answer, identity = await ask(guard, bearer(ONE.token(iss=issuer.url)))
        assert answer is None
        assert identity.subject == "ada"
        assert count(metrics, "gateway_jwks_fetch_total", outcome="ok") == 1


async def test_a_rotated_key_is_found_at_its_first_token_and_the_old_one_dies(guarded):
    async with serving(Issuer(ONE)) as issuer:
        guard = await guarded(jwks=f"{issuer.url}/keys")
        old = bearer(ONE.token())
        assert (await ask(guard, old))[0] is None
        issuer.document = jwks(TWO)
        assert (await ask(guard, bearer(TWO.token())))[0] is None
        assert at_once(guard, old).status == 401
        assert issuer.fetches == 2


async def test_a_storm_of_unknown_kids_asks_the_issuer_once(guarded, metrics):
    async with serving(Issuer(ONE)) as issuer:
        guard = await guarded(jwks=f"{issuer.url}/keys")
        assert (await ask(guard, bearer(ONE.token())))[0] is None
        header = {"alg": "ES256", "typ": "JWT"}
        storm = [
            bearer(ONE.raw({**header, "kid": f"random-{number}"}, good_claims()))
            for number in range(500)
        ]
        answers = await asyncio.gather(*(ask(guard, token) for token in storm))
        assert {error(answer)[0] for answer, _ in answers} == {401}
        assert all(at_once(guard, token).status == 401 for token in storm)
        assert issuer.fetches == 2
        assert at_once(guard, bearer(ONE.token())) is None


async def test_without_any_keys_the_answer_is_503_until_the_issuer_is_back(guarded, metrics):
    issuer = Issuer(ONE)
    issuer.status = 500
    async with serving(issuer):
        guard = await guarded(jwks=f"{issuer.url}/keys")
        token = bearer(ONE.token())
        answer, _ = await ask(guard, token)
        assert answer.status == 503
        assert int(dict(answer.headers)["Retry-After"]) >= 1
        assert at_once(guard, token).status == 503
        assert count(metrics, "gateway_jwt_refused_total", reason="no_keys") == 2
        assert count(metrics, "gateway_jwks_fetch_total", outcome="failed") == 1
        issuer.status = 200
        await eventually(lambda: count(metrics, "gateway_jwks_fetch_total", outcome="ok"))
        assert at_once(guard, token) is None


async def test_known_keys_serve_on_while_the_issuer_is_down(guarded):
    async with serving(Issuer(ONE)) as issuer:
        guard = await guarded(jwks=f"{issuer.url}/keys")
        assert (await ask(guard, bearer(ONE.token())))[0] is None
    answer, _ = await ask(guard, bearer(TWO.token()))
    assert answer.status == 401
    assert at_once(guard, bearer(ONE.token(sub="somebody else"))) is None


async def test_keys_come_from_the_plugin_that_offers_the_issuer(guarded):
    plugins = {"docs": None, "auth": Signing(ONE)}
    guard = await guarded(plugins, issuer=ISSUER)
    assert (await ask(guard, bearer(ONE.token())))[0] is None
    plugins["auth"].document = jwks(TWO)
    assert (await ask(guard, bearer(TWO.token())))[0] is None


async def test_a_revoked_token_is_refused_first_and_last(guarded, metrics):
    auth = Signing(ONE)
    guard = await guarded({"auth": auth}, issuer=ISSUER)
    token = bearer(ONE.token(jti="7"))
    assert (await ask(guard, token))[0] is None
    auth.gone.update({"7", "8"})
    assert error(at_once(guard, token))[0] == 401
    assert at_once(guard, bearer(ONE.token(jti="8"))).detail == "The token is not valid"
    assert count(metrics, "gateway_jwt_refused_total", reason="revoked") == 2
    auth.gone.clear()
    assert at_once(guard, token) is None


async def test_the_issuer_in_process_revokes_even_when_keys_come_from_a_file(guarded, tmp_path):
    (tmp_path / "keys.json").write_text(json.dumps(jwks(ONE)))
    auth = Signing()
    guard = await guarded({"auth": auth}, issuer=ISSUER, jwks="keys.json")
    token = bearer(ONE.token(jti="7"))
    assert at_once(guard, token) is None
    auth.gone.add("7")
    assert at_once(guard, token).status == 401


async def test_a_check_for_revocation_that_fails_lets_nobody_in(guarded):
    auth = Signing(ONE)
    guard = await guarded({"auth": auth}, issuer=ISSUER)
    token = bearer(ONE.token())
    assert (await ask(guard, token))[0] is None
    auth.gone = None
    with pytest.raises(TypeError):
        guard.request(exchange_with(token))


async def test_a_guard_that_stops_lets_go_of_those_who_wait(guarded):
    class Hanging(Signing):
        async def jwks(self):
            await asyncio.Event().wait()

    guard = await guarded({"auth": Hanging()}, issuer=ISSUER)
    waiting = asyncio.ensure_future(guard.request(exchange_with(bearer(ONE.token()))))
    await asyncio.sleep(0)
    await guard.stop()
    assert (await waiting).status == 503


async def test_one_request_that_goes_away_does_not_end_the_fetch_of_the_others(guarded):
    async with serving(Issuer(ONE)) as issuer:
        guard = await guarded(jwks=f"{issuer.url}/keys")
        gone, stays = (
            asyncio.ensure_future(guard.request(exchange_with(bearer(ONE.token()))))
            for _ in range(2)
        )
        await asyncio.sleep(0)
        gone.cancel()
        assert await stays is None
        assert gone.cancelled()


async def test_keys_over_plain_http_from_elsewhere_are_warned_of(guarded, caplog):
    await guarded(issuer="http://issuer.invalid")
    assert "plain http from issuer.invalid" in caplog.text
