"""A chain is folded once: requests go down it, answers come up as far as they got."""

from __future__ import annotations

from gateway.chain import Chain, fold
from gateway.errors import Response
from gateway.exchange import Exchange
from gateway.middleware import AnyMiddleware, Middleware, NoOptions
from tests.gateway.middlewares.passing import context


class Noting(Middleware[NoOptions]):
    """Notes each phase that it is asked for."""

    def __init__(self, name: str, notes: list[str]) -> None:
        super().__init__(NoOptions(), context(name))
        self.name = name
        self.notes = notes


class Full(Noting):
    def request(self, exchange: Exchange) -> Response | None:
        self.notes.append(f"{self.name} request")
        return None

    def response(self, exchange: Exchange) -> None:
        self.notes.append(f"{self.name} response")

    def done(self, exchange: Exchange) -> None:
        self.notes.append(f"{self.name} done")


class RequestOnly(Noting):
    def request(self, exchange: Exchange) -> Response | None:
        self.notes.append(f"{self.name} request")
        return None


class ResponseOnly(Noting):
    def response(self, exchange: Exchange) -> None:
        self.notes.append(f"{self.name} response")


class DoneOnly(Full):
    """What a parent overrides counts as overridden."""


class Idle(Noting):
    """Overrides nothing."""


def folded(*kinds: type[Noting]) -> tuple[Chain, list[str]]:
    notes: list[str] = []
    named: list[tuple[str, AnyMiddleware]] = []
    for number, kind in enumerate(kinds, 1):
        named.append((f"m{number}", kind(str(number), notes)))
    return fold(named), notes


def test_no_middleware_is_no_work() -> None:
    chain = fold([])
    assert (chain.names, chain.steps, chain.response, chain.done) == ((), (), (), ())
    assert not chain.transforms


def test_requests_go_down_and_answers_come_up() -> None:
    chain, notes = folded(Full, Full)
    exchange = Exchange()
    for step in chain.steps:
        step.request(exchange)
    for phase in (*chain.response, *chain.done):
        phase(exchange)
    assert notes == [
        *("1 request", "2 request"),
        *("2 response", "1 response"),
        *("2 done", "1 done"),
    ]
    assert chain.names == ("m1", "m2")


def test_the_one_that_answers_unwinds_what_was_reached_itself_included() -> None:
    chain, notes = folded(Full, ResponseOnly, Full, Full)
    step = chain.steps[1]
    for phase in (*step.response, *step.done):
        phase(Exchange())
    assert notes == ["3 response", "2 response", "1 response", "3 done", "1 done"]


def test_a_phase_that_is_not_overridden_is_not_there() -> None:
    chain, _ = folded(Idle, RequestOnly, ResponseOnly, Idle)
    assert len(chain.steps) == len(chain.response) == 1
    assert chain.steps[0].response == chain.steps[0].done == chain.done == ()
    assert chain.names == ("m1", "m2", "m3", "m4")


def test_what_a_parent_overrides_is_overridden() -> None:
    chain, _ = folded(DoneOnly)
    assert (len(chain.steps), len(chain.response), len(chain.done)) == (1, 1, 1)


def test_a_middleware_that_overrides_nothing_lets_everything_pass() -> None:
    idle = Idle("1", [])
    exchange = Exchange()
    assert idle.request(exchange) is None
    idle.response(exchange)
    idle.done(exchange)
