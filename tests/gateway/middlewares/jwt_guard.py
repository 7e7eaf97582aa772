"""Asks a jwt guard, and reads what it answers."""

import inspect

from gateway.errors import Problem
from gateway.exchange import Exchange
from tests.gateway.jose.signing import Signer, signer

ONE = signer("ES256")
TWO = Signer("ES256", "two")
BARE_CHALLENGE = 'Bearer realm="gateway"'


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
