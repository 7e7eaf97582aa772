from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.explain import NotARequest, as_text, explain
from gateway.cli.routes import router_of
from gateway.config import Resolved
from tests.gateway.cli.test_routes import STATUS
from tests.gateway.config.files import resolved

TABLE = """\
version: 1
plugins: {status: {use: ./status.py}}
upstreams:
  users:
    targets: [{url: "http://10.0.0.5:8080"}, {url: "https://h/base/"}, {url: "unix:/run/u.sock"}]
middlewares:
  guard: {use: body_limit, max: 1KiB}
  browsers: {use: cors, origins: ["https://example.com"]}
routes:
  - id: users
    match: {path: /users/**, hosts: [api.example.com], methods: [GET], headers: {x-v: "${V}"}}
    middlewares: [guard, browsers]
    upstream: users
    strip_prefix: /users
  - {id: old, match: {path: /old/**}, redirect: {to: "/new/{1}"}}
  - {id: search, match: {path: /search}, redirect: {to: "https://h/?q=1"}}
  - {id: posts, match: {path: "/posts/{id}", methods: [POST]}, upstream: users, rewrite: "/v2/{id}"}
  - {id: ping, match: {path: /ping}, respond: {}}
  - {id: status, match: {path: /status/**}, plugin: status, strip_prefix: /status}
  - {id: any, match: {path: /users/**}, upstream: users}
"""

GUARDED = """\
version: 1
upstreams:
  users:
    targets: [{url: "http://t0", weight: 3}, {url: "http://t1"}]
    balance: {consistent_hash: header:x-user}
middlewares:
  small: {use: body_limit, max: 1KiB}
  per_user: {use: rate_limit, rate: 30/s, key: jwt.sub}
  few: {use: concurrency_limit, max: 5}
  guard: {use: circuit_breaker, error_ratio: 30%}
routes:
  - {id: all, match: {path: /**}, middlewares: [small, per_user, few, guard], upstream: users}
"""


@pytest.fixture
def table(tmp_path: Path) -> Resolved:
    (tmp_path / "status.py").write_text(STATUS)
    return resolved(tmp_path, TABLE, {"V": "hunter2"})


def test_the_route_is_named_with_what_it_does_to_the_request(table: Resolved) -> None:
    url = "http://API.example.com:4003/users/5?x=1#top"
    found = explain(table, "GET", url, [("X-V", "hunter2")])
    assert found.route == "users"
    assert found.status is None
    assert [(guard.name, guard.use) for guard in found.middlewares] == [
        ("guard", "body_limit"),
        ("browsers", "cors"),
    ]
    assert str(found.endpoint) == "upstream users"
    assert found.sent_to == [
        "http://10.0.0.5:8080/5?x=1",
        "https://h/base/5?x=1",
        "unix:/run/u.sock /5?x=1",
    ]


def test_the_routes_that_lost_are_told_with_the_reason(table: Resolved) -> None:
    won = explain(table, "GET", "http://api.example.com/users/5", [("x-v", "hunter2")])
    assert [each.id for each in won.considered] == ["users", "any"]
    assert won.considered[0].verdict == "chosen"
    assert won.considered[1].verdict.startswith("less specific")
    lost = explain(table, "GET", "http://api.example.com/users/5", [])
    assert lost.route == "any"
    assert lost.considered[0].verdict == "header x-v is not ***"


def test_it_reads_as_a_short_text(table: Resolved) -> None:
    found = explain(table, "GET", "http://api.example.com/users/5", [("x-v", "hunter2")])
    assert as_text(found).splitlines() == [
        "route        users",
        "because      users (api.example.com/users/**): chosen",
        f"             any (/users/**): {found.considered[1].verdict}",
        "middlewares  guard (body_limit) -> browsers (cors)",
        "endpoint     upstream users",
        "sent to      http://10.0.0.5:8080/5",
        "             https://h/base/5",
        "             unix:/run/u.sock /5",
        "balance      round_robin",
    ]


def test_what_limits_breakers_and_balances_are_set_to_is_shown_and_where_their_state_is(
    tmp_path: Path,
) -> None:
    found = explain(resolved(tmp_path, GUARDED), "GET", "/", [])
    assert as_text(found, "127.0.0.1:9901").splitlines()[2:] == [
        "middlewares  small (body_limit) -> per_user (rate_limit) -> few (concurrency_limit)"
        " -> guard (circuit_breaker)",
        "options      per_user: rate 30/1s, burst 30, key jwt.sub, scope worker, on_error open",
        "             few: max 5, queue 0, key none",
        "             guard: error_ratio 0.3, min_requests 20, window 10, open_for 10, probes 1",
        "endpoint     upstream users",
        "sent to      http://t0/",
        "             http://t1/",
        "balance      consistent_hash header:x-user, weights 3:1",
        "state        told by GET /explain on the admin listener, 127.0.0.1:9901",
    ]
    assert found.middlewares[0].options is None, "nobody said that these are fit to be shown"


@pytest.mark.parametrize(
    ("url", "sent_to"),
    [
        ("/old/x?b=1", ["/new/x?b=1"]),
        ("/search?b=1", ["https://h/?q=1"]),
        ("/ping?b=1", []),
        ("/status/a/b?c", ["/a/b?c"]),
        ("http://host?a=1", None),
    ],
)
def test_every_kind_of_endpoint_tells_what_it_gets(
    table: Resolved, url: str, sent_to: list[str] | None
) -> None:
    found = explain(table, "GET", url, [])
    assert (found.sent_to if found.route else None) == sent_to


def test_a_preflight_reaches_the_route_whose_cors_answers_it(table: Resolved) -> None:
    headers = [("host", "api.example.com"), ("x-v", "hunter2")]
    assert explain(table, "OPTIONS", "/users/5", headers).route == "users"


@pytest.mark.parametrize(
    ("method", "url", "text"),
    [
        ("GET", "/nowhere", "route  none: 404 Not Found"),
        ("GET", "http://host", "route  none: 404 Not Found"),
        ("GET", "/a/../b", "route  none: 400 Bad Request (The path holds a dot segment)"),
    ],
)
def test_a_request_that_no_route_takes_has_its_status_and_reason(
    table: Resolved, method: str, url: str, text: str
) -> None:
    found = explain(table, method, url, [])
    assert found.route is None
    assert as_text(found) == text


def test_a_wrong_method_is_told_the_right_ones(table: Resolved) -> None:
    found = explain(table, "GET", "/posts/5", [])
    assert (found.status, list(found.allow)) == (405, ["POST"])
    assert as_text(found).splitlines() == [
        "route    none: 405 Method Not Allowed (allowed: POST)",
        "because  posts (/posts/{id}): method GET not in POST",
    ]


def test_a_host_header_goes_before_the_url(table: Resolved) -> None:
    headers = [("Host", "API.example.com:80"), ("x-v", "hunter2")]
    assert explain(table, "GET", "http://other/users", headers).route == "users"
    headers[0] = ("Host", "api.example.com.:80")
    assert explain(table, "GET", "/users", headers).route == "users"
    headers[0] = ("host", "[::1]:80")
    assert explain(table, "GET", "/users", headers).route == "any"


@pytest.mark.parametrize("host", ["api.example.com.", "API.example.com.:4003"])
def test_a_dot_at_the_end_of_a_host_is_none_of_its_name(table: Resolved, host: str) -> None:
    found = explain(table, "GET", f"http://{host}/users", [("x-v", "hunter2")])
    assert found.route == "users"


def test_a_router_that_is_there_already_can_be_asked(table: Resolved) -> None:
    assert explain(table, "GET", "/ping", [], router_of(table)).route == "ping"


@pytest.mark.parametrize("url", ["", "users", "api.example.com/users"])
def test_what_is_no_url_is_refused(table: Resolved, url: str) -> None:
    with pytest.raises(NotARequest, match="neither a path nor a URL"):
        explain(table, "GET", url, [])


def test_a_header_that_is_none_is_refused(table: Resolved) -> None:
    with pytest.raises(ValueError, match="line break"):
        explain(table, "GET", "/", [("x", "a\r\nb: c")])


def test_bytes_that_no_request_may_have_are_refused_by_the_router(table: Resolved) -> None:
    assert explain(table, "GET", "/\udcff", []).status == 400
    assert explain(table, "GET", "/é", []).status == 400
