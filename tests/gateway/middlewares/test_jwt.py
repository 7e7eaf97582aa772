import asyncio
import inspect
import json
import logging
import os
import time

import pytest

from gateway.errors import LoadError, Problem
from gateway.exchange import Exchange
from gateway.middlewares.jwt import Jwt
from gateway.plugin import Context
from gateway.telemetry.metrics import Metrics
from tests.gateway.jose.signing import (
    ISSUER,
    Issuer,
    Signer,
    encoded,
    eventually,
    good_claims,
    jwks,
    serving,
    signer,
)

ONE = signer("ES256")
TWO = Signer("ES256", "two")
BARE_CHALLENGE = 'Bearer realm="gateway"'


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


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
async def guarded(tmp_path, metrics):
    """Starts a guard of the given options, and stops it in the end."""
    started = []

    async def start(offers=None, **options):
        context = Context(
            name="signed_in",
            folder=tmp_path,
            metrics=metrics,
            limits=None,
            plugin=(offers or {}).get,
            plugins=lambda: offers or {},
        )
        guard = Jwt(Jwt.Options(**options), context)
        started.append(guard)
        await guard.start()
        return guard

    yield start
    for guard in started:
        await guard.stop()


@pytest.fixture
async def by_file(guarded, tmp_path):
    """A guard whose keys lie in a file."""
    (tmp_path / "keys.json").write_text(json.dumps(jwks(ONE)))

    async def start(**options):
        return await guarded(jwks="keys.json", **options)

    return start


def exchange_with(*authorizations):
    exchange = Exchange()
    fields = [b"Authorization: " + each.encode("latin-1") for each in authorizations]
    exchange.lines = [b"Accept: */*", *fields]
    return exchange


async def ask(guard, *authorizations):
    """What the guard answers, waiting if it must, and whom it found."""
    exchange = exchange_with(*authorizations)
    answer = guard.request(exchange)
    if inspect.isawaitable(answer):
        answer = await answer
    return answer, exchange.identity


def at_once(guard, *authorizations):
    answer = guard.request(exchange_with(*authorizations))
    assert not inspect.isawaitable(answer)
    return answer


def challenge(problem):
    assert isinstance(problem, Problem)
    return dict(problem.headers).get("WWW-Authenticate")


def error(problem):
    return problem.status, challenge(problem).removeprefix(f"{BARE_CHALLENGE}, ")


def count(metrics, name, **labels):
    return metrics.registry.get_sample_value(name, {"middleware": "signed_in", **labels}) or 0


def bearer(token):
    return f"Bearer {token}"


async def test_a_good_token_passes_and_says_who_it_is(by_file):
    guard = await by_file(issuer=ISSUER, audience="api", scopes=["read"], roles=["admin"])
    token = ONE.token(scope="read write", roles=["admin", "staff"])
    answer, identity = await ask(guard, bearer(token))
    assert answer is None
    assert (identity.subject, identity.kind) == ("ada", "jwt")
    assert identity.scopes == {"read", "write"}
    assert identity.roles == {"admin", "staff"}
    assert identity.claims["aud"] == "api"


async def test_the_second_request_of_a_token_is_answered_from_memory(by_file):
    guard = await by_file()
    _, first = await ask(guard, bearer(ONE.token()))
    token = bearer(ONE.token())
    (_, first), (_, second) = await ask(guard, token), await ask(guard, token)
    assert first is second


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR"])
async def test_the_scheme_is_read_in_any_case(by_file, scheme):
    guard = await by_file()
    assert at_once(guard, f"{scheme}  {ONE.token()}") is None


@pytest.mark.parametrize("name", [b"authorization", b"AUTHORIZATION", b"aUTHORIZATIOn"])
async def test_the_field_is_found_in_any_case_and_however_it_is_spaced(by_file, name):
    guard = await by_file()
    line = name + b":\tBearer " + ONE.token().encode() + b" "
    exchange = Exchange()
    exchange.lines = [line]
    assert guard.request(exchange) is None
    exchange.lines = [line, b"Authorization: Bearer x"]
    assert guard.request(exchange).status == 400


@pytest.mark.parametrize("fields", [[], ["Basic YTpi"], ["Bearer"], [""], ["Bearertoken"]])
async def test_without_a_bearer_token_the_challenge_names_no_error(by_file, fields, metrics):
    answer = at_once(await by_file(), *fields)
    assert (answer.status, challenge(answer)) == (401, BARE_CHALLENGE)
    assert count(metrics, "gateway_jwt_refused_total", reason="missing") == 1


async def test_two_authorization_fields_are_refused_even_when_both_are_good(by_file):
    guard = await by_file()
    token = bearer(ONE.token())
    assert at_once(guard, token) is None
    status, words = error(at_once(guard, token, token))
    assert status == 400
    assert words.startswith('error="invalid_request"')


@pytest.mark.parametrize(
    ("fault", "words", "reason"),
    [
        ({"exp": 1}, "The token has expired", "expired"),
        ({"nbf": 2**33}, "The token is not valid yet", "immature"),
        ({"aud": "other"}, "The token is not meant for this service", "audience"),
        ({"iss": "https://other"}, "The token is not meant for this service", "issuer"),
        ({"header": {"typ": "logout+jwt"}}, "The token is not valid", "malformed"),
        ({"header": {"crit": ["exp"], "exp": 1}}, "The token is not valid", "malformed"),
    ],
)
async def test_a_bad_token_is_told_its_kind_of_fault_and_no_more(
    by_file, metrics, fault, words, reason
):
    guard = await by_file(issuer=ISSUER, audience="api")
    token = ONE.token(**fault)
    answer, identity = await ask(guard, bearer(token))
    assert error(answer) == (401, f'error="invalid_token", error_description="{words}"')
    assert answer.detail == words
    assert identity is None
    assert count(metrics, "gateway_jwt_refused_total", reason=reason) == 1
    assert token not in answer.render("id").decode() + challenge(answer)


@pytest.mark.parametrize(
    "token", ["a.b.c", "x" * 100_000, "é.é.é", f"{encoded({'alg': 'none'})}.e30."]
)
async def test_what_is_no_token_is_refused(by_file, token):
    status, words = error(at_once(await by_file(), bearer(token)))
    assert status == 401
    assert words.startswith('error="invalid_token"')


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA", "PS256", "HS256"])
async def test_each_algorithm_works_with_keys_in_a_file(guarded, tmp_path, algorithm):
    by = signer(algorithm)
    (tmp_path / "keys.json").write_text(json.dumps(jwks(by)))
    guard = await guarded(jwks="keys.json", algorithms=[algorithm])
    assert at_once(guard, bearer(by.token())) is None
    answer, _ = await ask(guard, bearer(Signer(algorithm).token()))
    assert answer.status == 401


async def test_a_secret_verifies_hs256(guarded):
    by = signer("HS256", None)
    guard = await guarded(secret=by.private, algorithms=["HS256"])
    assert at_once(guard, bearer(by.token())) is None
    assert at_once(guard, bearer(signer("HS256").token())).status == 401
    named = by.raw({"alg": "HS256", "kid": "whatever"}, good_claims())
    assert at_once(guard, bearer(named)) is None


async def test_every_scope_is_required(by_file):
    guard = await by_file(scopes=["read", "write"])
    status, words = error(at_once(guard, bearer(ONE.token(scope="read"))))
    assert status == 403
    assert 'error="insufficient_scope"' in words
    assert words.endswith('scope="read write"')


async def test_every_role_is_required(by_file):
    guard = await by_file(roles=["admin", "staff"])
    status, words = error(at_once(guard, bearer(ONE.token(roles=["admin"]))))
    assert status == 403
    assert 'error="insufficient_scope"' in words
    assert "scope=" not in words
    assert at_once(guard, bearer(ONE.token(roles=["admin", "staff"]))) is None


async def test_a_token_in_memory_ends_when_it_expires(by_file):
    guard = await by_file()
    token = bearer(ONE.token(exp=int(time.time()) + 2))
    assert at_once(guard, token) is None
    await eventually(lambda: at_once(guard, token) is not None)
    assert "expired" in challenge(at_once(guard, token))


async def test_memory_of_tokens_is_bounded_and_the_forgotten_are_verified_again(guarded):
    by = signer("HS256", None)
    guard = await guarded(secret=by.private, algorithms=["HS256"])
    tokens = [bearer(by.token(jti=str(number))) for number in range(5001)]
    assert all(at_once(guard, token) is None for token in tokens)
    assert at_once(guard, tokens[0]) is None
    assert at_once(guard, tokens[0]) is None


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


async def test_no_secret_and_no_token_is_logged(guarded, caplog):
    caplog.set_level(logging.DEBUG)
    by = signer("HS256", None)
    guard = await guarded(secret=by.private, algorithms=["HS256"])
    token = by.token(exp=1)
    assert at_once(guard, bearer(token)).status == 401
    assert by.private not in caplog.text
    assert token not in caplog.text


async def test_a_refusal_may_be_changed_without_changing_the_next(by_file):
    guard = await by_file()
    at_once(guard).headers.clear()
    assert challenge(at_once(guard)) == BARE_CHALLENGE
