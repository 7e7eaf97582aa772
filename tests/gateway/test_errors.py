"""Errors, and the answers they become (RFC 9457)."""

from __future__ import annotations

import json
from http import HTTPStatus

import pytest

from gateway import errors
from gateway.errors import GatewayError, Problem, Response, UpstreamError


def test_a_problem_says_what_how_and_which_request() -> None:
    problem = Problem(429, "Too many requests.", [("Retry-After", "1")], close=True)
    assert json.loads(problem.render("r-1")) == {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "Too many requests.",
        "request_id": "r-1",
    }
    assert problem.headers == [("Content-Type", "application/problem+json"), ("Retry-After", "1")]
    assert problem.close
    assert problem.body == b""
    assert repr(problem) == "<Problem 429>"


@pytest.mark.parametrize(
    "status", [400, 401, 403, 404, 405, 408, 413, 414, 417, 429, 431, 500, 502, 503, 504]
)
def test_every_status_of_the_gateway_has_a_title(status: int) -> None:
    assert json.loads(Problem(status, "").render(""))["title"] == HTTPStatus(status).phrase


def test_a_request_id_is_quoted_as_json() -> None:
    assert json.loads(Problem(400, "x").render('"\\\n</script>\xe9'))["request_id"] == (
        '"\\\n</script>\xe9'
    )


def test_a_response_is_its_own_body_and_headers() -> None:
    given = [("A", "1"), ("A", "2")]
    response = Response(200, b"pong", given)
    given.clear()
    assert response.render("r-1") == b"pong"
    assert response.headers == [("A", "1"), ("A", "2")]
    assert not response.close
    assert repr(response) == "<Response 200>"


def test_two_responses_share_no_headers() -> None:
    first, second = Response(200), Response(200)
    first.headers.append(("A", "1"))
    assert second.headers == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.ConnectFailed, 502),
        (errors.ConnectionLost, 502),
        (errors.UpstreamProtocolError, 502),
        (errors.PoolExhausted, 503),
        (errors.UpstreamTimeout, 504),
    ],
)
def test_what_goes_wrong_upstream_has_a_status(error: type[UpstreamError], status: int) -> None:
    assert error("why").status == status
    assert isinstance(error("why"), GatewayError)
