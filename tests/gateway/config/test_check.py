from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.config import load
from tests.gateway.config.files import all_mistakes, mistakes, written

SAMPLE = """\
version: 1
server:
  listen: ["0.0.0.0:4003", {address: "[::1]:0"}, "unix:/run/gateway.sock"]
  admin: "127.0.0.1:9901"
  workers: 1
  trusted_proxies: [10.0.0.0/8, "::1", 192.0.2.7]
  access_log: off
  log_level: info
defaults:
  timeout: {connect: 500ms, request: 30s, idle: 60s, headers: 10s}
  limits: {body: 10MiB, headers: 16KiB, connections: 10000}
backends:
  limits: memory://
upstreams:
  users:
    targets:
      - {url: "http://10.0.0.5:8080", weight: 1}
      - {url: "https://example.com/base/"}
      - {url: "http://[::1]:80"}
      - {url: unix:/run/users.sock}
    retries: {attempts: 2, on: [connect, reset], max_body: 64KiB}
    max_connections: 256
middlewares:
  signed_in: {use: jwt, issuer: "http://localhost:4003/auth", audience: api, scopes: [read]}
  per_user: {use: rate_limit, rate: 30/s, burst: 10, key: jwt.sub, scope: shared}
  guard: {use: circuit_breaker, error_ratio: 0.5, min_requests: 20, window: 10s, open_for: 10s}
routes:
  - id: users
    match: {path: /users/**, methods: [GET], hosts: ["api.example.com"], headers: {x-version: "2"}, query: {}}
    middlewares: [signed_in, per_user, guard]
    upstream: users
    strip_prefix: /users
    timeout: {request: 2s}
  - {id: posts, match: {path: "/posts/{id}", hosts: ["*.example.com"]}, upstream: users, rewrite: "/v2/{id}"}
  - {id: old, match: {path: /old/**}, redirect: {to: "https://example.com/new/{1}", status: 301}}
  - {id: ping, match: {path: /ping}, respond: {status: 200, body: pong, headers: {x-a: b}}}
"""  # noqa: E501 -- as in the design


def test_a_file_without_mistakes_is_taken(tmp_path: Path) -> None:
    assert all_mistakes(tmp_path, SAMPLE) == []
    config = load(written(tmp_path, SAMPLE), {}).config
    assert config.server.access_log == "off"
    assert config.defaults.timeout.connect == 0.5
    assert config.routes[0].timeout.request == 2
    assert config.routes[0].timeout.idle is None


def test_a_version_is_all_a_file_needs(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "version: 1") == []


def test_the_defaults_that_are_not_given_stay(tmp_path: Path) -> None:
    path = written(tmp_path, "version: 1\ndefaults: {timeout: {request: 5s}}")
    timeout = load(path, {}).config.defaults.timeout
    assert (timeout.request, timeout.connect, timeout.idle) == (5, 0.5, 60)


def test_a_missing_version_does_not_hide_other_mistakes(tmp_path: Path) -> None:
    text = "routes:\n  - {id: a, match: {path: /a}, upstream: nowhere}"
    assert mistakes(tmp_path, text) == [
        "1:1: the key 'version' is missing",
        "2:42: routes[0].upstream: 'nowhere': unknown upstream",
    ]
    assert mistakes(tmp_path, "version: 2") == ["1:10: version: expected 1, got 2"]


def test_sections_of_the_wrong_kind_are_told_once(tmp_path: Path) -> None:
    text = """\
    version: 1
    server: x
    backends: 5
    upstreams: []
    routes: {}
    middlewares:
    """
    assert mistakes(tmp_path, text) == [
        "2:9: server: expected a mapping, got 'x'",
        "3:11: backends: expected a mapping, got 5",
        "4:12: upstreams: expected a mapping, got a list",
        "5:9: routes: expected a list, got a mapping",
        "6:13: middlewares: expected a mapping, got nothing",
    ]


def test_backends_without_a_driver_are_refused(tmp_path: Path) -> None:
    text = "version: 1\nbackends: {limts: memory://, blobs: fil:///x, limits: redsi://me:secret@x}"
    assert mistakes(tmp_path, text) == [
        "2:12: backends.limts: unknown backend 'limts', did you mean 'limits'?",
        "2:37: backends.blobs: no driver has such a URL, did you mean 'file'?",
        "2:55: backends.limits: no driver has such a URL, did you mean 'redis'?",
    ]


@pytest.mark.parametrize(
    "address",
    ["4003", ":4003", "host", "host:x", "host:65536", "::1:80", "[::1]", "[x]:1", "unix:relative",
     "unix:/", "unix:/" + "x" * 107, "a b:1", "http://x:1"],
)  # fmt: skip
def test_an_address_that_nobody_can_listen_on_is_refused(tmp_path: Path, address: str) -> None:
    text = f'version: 1\nserver:\n  listen: ["{address}", {{address: "{address}"}}]'
    listed, mapped = mistakes(tmp_path, text)
    assert listed.startswith("3:12: server.listen[0]: ")
    assert ": server.listen[1].address: " in mapped
    assert mistakes(tmp_path, f'version: 1\nserver: {{admin: "{address}"}}') != []


def test_there_is_something_to_listen_on(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "version: 1\nserver: {listen: [], admin: null}") == [
        "2:18: server.listen: must not be empty"
    ]


def test_the_files_of_tls_have_to_exist_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").touch()
    text = """\
    version: 1
    server:
      listen: [{address: "localhost:1", tls: {cert: cert.pem, key: key.pem, client_ca: .}}]
    upstreams:
      a: {targets: [{url: "https://a"}], tls: {ca: no.pem, cert: cert.pem}}
    """
    assert mistakes(tmp_path, text) == [
        "3:64: server.listen[0].tls.key: 'key.pem': there is no such file",
        "3:84: server.listen[0].tls.client_ca: '.': there is no such file",
        "5:43: upstreams.a.tls: cert and key go together",
        "5:48: upstreams.a.tls.ca: 'no.pem': there is no such file",
    ]


def test_the_files_of_tls_are_known_by_their_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cert.pem").touch()
    path = written(
        tmp_path,
        """\
        version: 1
        server: {listen: [{address: "localhost:1", tls: {cert: cert.pem, key: "${KEY}"}}]}
        upstreams: {a: {targets: [{url: "https://a"}], tls: {ca: cert.pem}}}
        """,
    )
    monkeypatch.chdir(tmp_path)
    config = load(Path(path.name), {"KEY": str(tmp_path / "cert.pem")}).config
    tls = config.upstreams["a"].tls
    assert tls is not None
    assert tls.ca == str(tmp_path / "cert.pem")
    (listen,) = config.server.listen
    assert not isinstance(listen, str)
    assert listen.tls is not None
    assert listen.tls.cert == listen.tls.key == str(tmp_path / "cert.pem")


def test_trusted_proxies_are_addresses_and_networks(tmp_path: Path) -> None:
    text = 'version: 1\nserver: {trusted_proxies: [10.0.0.1/8, localhost, "::/129"]}'
    assert mistakes(tmp_path, text) == [
        "2:28: server.trusted_proxies[0]: '10.0.0.1/8': has bits set beyond its prefix, "
        "did you mean 10.0.0.0/8?",
        "2:40: server.trusted_proxies[1]: 'localhost': "
        "expected an address or network such as 10.0.0.0/8",
        "2:51: server.trusted_proxies[2]: '::/129': "
        "expected an address or network such as 10.0.0.0/8",
    ]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("localhost:80", "expected http://host:port"),
        ("ftp://host", "expected http://host:port"),
        ("http:host", "expected http://host:port"),
        ("http://", "the host is missing"),
        ("http://:80", "the host is missing"),
        ("http://host:", "the port is missing"),
        ("http://host:0", "the port is missing"),
        ("http://host:99999", "not a URL"),
        ("http://[::1", "not a URL"),
        ("http://[:::]", "not a URL"),
        ("http://user:hunter2@host", "no user or password"),
        ("http://host/?a", "no query"),
        ("http://host/#a", "no query"),
        ("http://ho st/", "cannot hold spaces"),
        ("http://hóst/", "cannot hold spaces"),
        ("http://h%st/", "no host name"),
        ("unix:run/x", "expected unix:/path"),
        ("unix://run/x", "expected unix:/path"),
    ],
)
def test_the_url_of_a_target_is_plain(tmp_path: Path, url: str, words: str) -> None:
    text = f'version: 1\nupstreams: {{a: {{targets: [{{url: "{url}"}}]}}}}'
    (mistake,) = mistakes(tmp_path, text)
    assert mistake.startswith("2:33: upstreams.a.targets[0].url: ")
    assert words in mistake
    assert "hunter2" not in mistake


def test_an_upstream_has_a_target_that_may_be_chosen(tmp_path: Path) -> None:
    text = """\
    version: 1
    upstreams:
      a: {targets: []}
      b: {targets: [{url: "http://b", weight: 0}]}
      c: {}
    """
    assert mistakes(tmp_path, text) == [
        "3:16: upstreams.a.targets: must not be empty",
        "4:16: upstreams.b.targets: every target has weight 0",
        "5:6: upstreams.c: the key 'targets' is missing",
    ]


def test_upstreams_are_balanced_and_checked_by_what_there_is(tmp_path: Path) -> None:
    text = """\
    version: 1
    upstreams:
      a: {targets: [{url: "http://a"}], balance: {consistent_hash: "header:x y"}}
      b: {targets: [{url: "http://a"}], balance: {consistent_hash: user}}
      c: {targets: [{url: "http://a"}], balance: round_robbin}
      d: {targets: [{url: "http://a"}], health: {active: {path: "health z"}}}
      e: {targets: [{url: "http://a"}], deadline_header: "x: y"}
      f: {targets: [{url: "http://a"}], retries: {on: [connect, 505]}}
      g: {targets: [{url: "http://a"}], deadline_header: Content-Length}
    """
    expected = "expected header:NAME, cookie:NAME, ip or path"
    no_name = "this is not a name of a header or cookie"
    found = [each.split(": ", 1)[1] for each in mistakes(tmp_path, text)]
    assert sorted(found) == [
        f"upstreams.a.balance.consistent_hash: 'header:x y': {no_name}",
        f"upstreams.b.balance.consistent_hash: 'user': {expected}",
        "upstreams.c.balance: expected one of least_requests, random_two, round_robin, "
        "got 'round_robbin', did you mean 'round_robin'?",
        "upstreams.d.health.active.path: 'health z': expected a path such as /healthz",
        f"upstreams.e.deadline_header: 'x: y': {no_name}",
        "upstreams.f.retries.on[1]: expected one of 502, 503, 504, connect, reset, timeout, "
        "got 505",
        "upstreams.g.deadline_header: 'Content-Length': this header has a meaning of its own",
    ]


def test_every_way_to_balance_and_check_is_accepted(tmp_path: Path) -> None:
    text = """\
    version: 1
    upstreams:
      a: {targets: [{url: "http://a"}], balance: random_two, health: {active: {}, passive: null}}
      b: {targets: [{url: "http://a"}], balance: {consistent_hash: "cookie:id"}}
      c: {targets: [{url: "http://a"}], balance: {consistent_hash: ip}, health: {panic: 0%}}
      d:
        targets: [{url: "http://a"}]
        balance: {consistent_hash: path}
        deadline_header: X-Left
        health: {active: {path: "/h?a=1"}, passive: {on: [5xx]}, slow_start: 0s}
        retries: {on: [timeout, 502, 503, 504], per_try: 1s, backoff: 10ms, budget: 5%}
    """
    assert mistakes(tmp_path, text) == []


@pytest.mark.parametrize("workers", ["2", "auto"])
@pytest.mark.parametrize("backends", ["", "backends: {limits: memory://}"])
def test_several_workers_share_no_limit_in_memory(
    tmp_path: Path, workers: str, backends: str
) -> None:
    text = f"""\
    version: 1
    server: {{workers: {workers}}}
    middlewares:
      own: {{use: rate_limit, rate: 1/s, scope: worker}}
      all: {{use: rate_limit, rate: 1/s, scope: shared}}
      other: {{use: headers, scope: shared}}
    {backends}
    """
    assert mistakes(tmp_path, text) == [
        "5:44: middlewares.all.scope: with several workers a shared limit needs backends.limits: "
        "shm:// (this host) or redis:// (all hosts)"
    ]
    alone = text.replace(f"workers: {workers}", "workers: 1")
    assert mistakes(tmp_path, alone) == []
    if backends:
        assert mistakes(tmp_path, text.replace("memory://", "shm:///limits")) == []


@pytest.mark.parametrize(
    ("workers", "said"),
    [
        ("0", "must be at least 1"),
        ("all", "expected a whole number or auto, got 'all'"),
        ("true", "expected a whole number or auto, got true"),
        ("1.5", "expected a whole number, got 1.5"),
    ],
)
def test_workers_are_a_number_or_auto(tmp_path: Path, workers: str, said: str) -> None:
    text = f"version: 1\nserver: {{workers: {workers}}}"
    assert mistakes(tmp_path, text) == [f"2:19: server.workers: {said}"]


def test_auto_is_one_worker_a_core(tmp_path: Path) -> None:
    config = load(written(tmp_path, "version: 1\nserver: {workers: auto}"), {}).config
    assert config.server.workers == len(os.sched_getaffinity(0))
