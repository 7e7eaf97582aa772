"""Tokens that a plugin in process has bound to a key, as a jwt guard takes them (RFC 9449)."""

import inspect

import pytest

from backends.errors import BackendUnavailable
from gateway.errors import LoadError
from gateway.jose.possession import ProvingIssuer, Unproved
from tests.gateway.jose.signing import ISSUER, jwks
from tests.gateway.middlewares.jwt_guard import ONE, bearer, count, exchange_with

ORIGIN = "https://api.example.org"
BOUND = {"jkt": "ada's"}


class Plugin:
    """What a plugin offers that signs tokens and checks proofs: here their text is the key."""

    issuer = ISSUER
    proof_algorithms = ("ES256", "EdDSA")

    def __init__(self):
        self.error = None
        self.asked = []

    async def jwks(self):
        return jwks(ONE)

    async def holder(self, proofs, method, url, token):
        self.asked.append((method, url, token))
        if self.error is not None:
            raise self.error
        return proofs[0]


@pytest.fixture
def plugin():
    return Plugin()


@pytest.fixture
async def guard(guarded, plugin):
    assert isinstance(plugin, ProvingIssuer)
    return await guarded(offers={"auth": plugin}, issuer=ISSUER, dpop=f"{ORIGIN}/")


async def ask(guard, field, *proofs):
    exchange = exchange_with(field)
    exchange.lines += [b"DPoP: " + each.encode() for each in proofs]
    exchange.method, exchange.path = "GET", b"/orders/%C3%A9"
    answer = guard.request(exchange)
    return (await answer if inspect.isawaitable(answer) else answer), exchange.identity


async def test_whoever_proves_to_hold_the_key_passes_each_time_anew(guard, plugin):
    token = ONE.token(cnf=BOUND)
    for times in (1, 2):
        answer, identity = await ask(guard, f"DPoP {token}", "ada's")
        assert (answer, identity.subject) == (None, "ada")
        assert plugin.asked == [("GET", f"{ORIGIN}/orders/%C3%A9", token)] * times


async def test_another_key_or_a_bad_proof_is_refused_by_name(guard, plugin, metrics):
    token = ONE.token(cnf=BOUND)
    answer, identity = await ask(guard, f"DPoP {token}", "eve's")
    assert (answer.status, identity) == (401, None)
    assert dict(answer.headers)["WWW-Authenticate"] == (
        'DPoP realm="gateway", algs="ES256 EdDSA", error="invalid_token",'
        ' error_description="the token is bound to another key"'
    )
    plugin.error = Unproved("use_dpop_nonce", "a nonce is needed", "n1")
    answer, _ = await ask(guard, f"DPoP {token}", "ada's")
    assert (answer.status, dict(answer.headers)["DPoP-Nonce"]) == (401, "n1")
    assert count(metrics, "gateway_jwt_refused_total", reason="unproved") == 2


async def test_proofs_that_cannot_be_checked_are_a_failure_of_ours(guard, plugin, metrics):
    plugin.error = BackendUnavailable("sql: away")
    answer, identity = await ask(guard, f"DPoP {ONE.token(cnf=BOUND)}", "ada's")
    assert (answer.status, identity) == (503, None)
    assert count(metrics, "gateway_jwt_refused_total", reason="no_proofs") == 1


async def test_bearers_pass_as_ever_and_schemes_are_not_mixed(guard, plugin, metrics):
    plain, bound = ONE.token(), ONE.token(cnf=BOUND)
    assert (await ask(guard, bearer(plain)))[0] is None
    for field, reason in (
        (f"DPoP {plain}", "unbound"),
        (f"DPoP {ONE.token(cnf={'x5t#S256': 'a'})}", "unbound"),
        (bearer(bound), "bound"),
        ("DPoP", "missing"),
    ):
        answer, identity = await ask(guard, field, "ada's")
        assert (answer.status, identity) == (401, None)
        assert count(metrics, "gateway_jwt_refused_total", reason=reason) >= 1
    assert plugin.asked == []


async def test_scopes_are_asked_before_the_proof_is_spent(guarded, plugin):
    guard = await guarded(offers={"auth": plugin}, issuer=ISSUER, dpop=ORIGIN, scopes=["write"])
    answer, _ = await ask(guard, f"DPoP {ONE.token(cnf=BOUND, scope='read')}", "ada's")
    assert (answer.status, plugin.asked) == (403, [])


async def test_an_issuer_that_checks_no_proofs_stops_the_start(guarded):
    with pytest.raises(LoadError, match="no plugin checks proofs"):
        await guarded(issuer="https://elsewhere.example", dpop=ORIGIN)
