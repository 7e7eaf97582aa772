from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import load
from tests.gateway.config.files import MINIMAL, all_mistakes, mistakes, place, written

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


def route(text: str) -> str:
    return f"{MINIMAL}plugins: {{auth: {{use: auth}}}}\nroutes:\n  - {text}\n"


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


def test_unknown_backends_are_refused(tmp_path: Path) -> None:
    text = "version: 1\nbackends: {limts: memory://, blobs: file:///x, x: y}"
    assert mistakes(tmp_path, text) == [
        "2:12: backends.limts: unknown backend 'limts', did you mean 'limits'?",
        "2:48: backends.x: unknown backend 'x'; known: "
        "sql, keyvalue, blobs, search, jobs, events, limits",
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


def test_names_that_a_route_uses_have_to_be_defined(tmp_path: Path) -> None:
    text = MINIMAL + (
        "plugins: {auth: {use: auth}}\n"
        "middlewares: {guard: {use: jwt}}\n"
        "routes:\n"
        "  - {id: a, match: {path: /a}, upstream: user, middlewares: [gaurd, guard]}\n"
        "  - {id: b, match: {path: /b}, plugin: aut}\n"
        "  - {id: c, match: {path: /c}, plugin: auth, middlewares: [guard, guard]}\n"
    )
    assert mistakes(tmp_path, text) == [
        "7:42: routes[0].upstream: 'user': unknown upstream, did you mean 'users'?",
        "7:62: routes[0].middlewares[0]: 'gaurd': unknown middleware, did you mean 'guard'?",
        "8:40: routes[1].plugin: 'aut': unknown plugin, did you mean 'auth'?",
        "9:67: routes[2].middlewares[1]: 'guard' is in this list already",
    ]


def test_a_name_whose_definition_has_a_mistake_is_still_a_name(tmp_path: Path) -> None:
    text = "version: 1\nupstreams: {a: {}}\nroutes: [{id: a, match: {path: /}, upstream: a}]"
    assert mistakes(tmp_path, text) == ["2:16: upstreams.a: the key 'targets' is missing"]


def test_a_substituted_name_is_not_shown(tmp_path: Path) -> None:
    text = MINIMAL + (
        "routes:\n"
        "  - id: ${ID}\n    match: {path: /a}\n    upstream: ${WORD}\n"
        "    middlewares: ['${WORD}', '${WORD}']\n"
        "  - id: ${ID}\n"
        "    match: {path: '/${WORD}/**', hosts: ['${WORD}/'], methods: ['${WORD}']}\n"
        "    upstream: users\n    strip_prefix: /x\n    rewrite: '{${WORD}}'\n"
    )
    found = mistakes(tmp_path, text, {"WORD": "hunter2", "ID": "topsecret"})
    assert len(found) == 10
    assert not any("hunter2" in each or "topsecret" in each for each in found)


def test_ids_are_unique(tmp_path: Path) -> None:
    text = MINIMAL + (
        "routes:\n"
        "  - {id: a, match: {path: /a}, upstream: users}\n"
        "  - {id: a, match: {path: /b}, upstream: users}\n"
        "  - {id: '', match: {path: /c}, upstream: users}\n"
    )
    assert mistakes(tmp_path, text) == [
        "6:10: routes[1].id: duplicate id 'a', first on line 5",
        "7:10: routes[2].id: must not be empty",
    ]


@pytest.mark.parametrize(
    ("endpoint", "token", "expected"),
    [
        ("timeout: {}", "id:", ": the route ends nowhere"),
        ("upstream: users, plugin: auth", "plugin", ".plugin: the route ends at its upstream"),
        ("plugin: auth, respond: {}", "respond", ".respond: the route ends at its plugin"),
        ("respond: {}, strip_prefix: /a", "strip_", ".strip_prefix: has no meaning"),
        ("redirect: {to: /b}, rewrite: /b", "rewrite", ".rewrite: has no meaning"),
        ("upstream: users, strip_prefix: /a, rewrite: /b", "rewrite", ".rewrite: excludes"),
    ],
)
def test_a_route_ends_at_one_place(
    tmp_path: Path, endpoint: str, token: str, expected: str
) -> None:
    text = route(f"id: a\n    match: {{path: /a}}\n    {endpoint}".replace(", ", "\n    "))
    (mistake,) = mistakes(tmp_path, text)
    assert mistake.startswith(f"{place(text, token)}: routes[0]{expected}")


@pytest.mark.parametrize(
    "path",
    [
        "users",
        "",
        "/a/**/b",
        "/a*",
        "/{a}b",
        "/{a}/{a}",
        "/{1}",
        "/a//b",
        "/a/../b",
        "/a?b",
        "/a#b",
    ],
)
def test_a_path_pattern_has_to_make_sense(tmp_path: Path, path: str) -> None:
    (mistake,) = mistakes(tmp_path, route(f'{{id: a, match: {{path: "{path}"}}, upstream: users}}'))
    assert ": routes[0].match.path: " in mistake


@pytest.mark.parametrize(
    ("path", "prefix"),
    [("/a/**", "/a"), ("/a/b", "/a"), ("/a", "/a"), ("/a/**", "/"), ("/a/b/{c}", "/a/b/")],
)
def test_a_prefix_that_all_paths_have_can_be_stripped(
    tmp_path: Path, path: str, prefix: str
) -> None:
    text = route(f'{{id: a, match: {{path: "{path}"}}, upstream: users, strip_prefix: "{prefix}"}}')
    assert mistakes(tmp_path, text) == []


@pytest.mark.parametrize(
    ("path", "prefix"),
    [("/ab/**", "/a"), ("/a/**", "/a/b"), ("/{a}/b", "/{a}"), ("/a/**", "a"), ("/**", "/**")],
)
def test_no_other_prefix_can(tmp_path: Path, path: str, prefix: str) -> None:
    text = route(f'{{id: a, match: {{path: "{path}"}}, upstream: users, strip_prefix: "{prefix}"}}')
    (mistake,) = mistakes(tmp_path, text)
    assert ": routes[0].strip_prefix: " in mistake


@pytest.mark.parametrize("rewrite", ["/v2/{1}", "/{id}/{2}/{3}", "/plain"])
def test_a_rewrite_uses_what_the_pattern_catches(tmp_path: Path, rewrite: str) -> None:
    text = f'{{id: a, match: {{path: "/{{id}}/*/**"}}, upstream: users, rewrite: "{rewrite}"}}'
    assert mistakes(tmp_path, route(text)) == []


@pytest.mark.parametrize(
    "rewrite", ["/{4}", "/{0}", "/{name}", "/{}", "/{1", "v2", "", "/a?b", "/.."]
)
def test_a_rewrite_uses_nothing_else(tmp_path: Path, rewrite: str) -> None:
    text = f'{{id: a, match: {{path: "/{{id}}/*/**"}}, upstream: users, rewrite: "{rewrite}"}}'
    (mistake,) = mistakes(tmp_path, route(text))
    assert ": routes[0].rewrite: " in mistake


@pytest.mark.parametrize("to", ["{1}", "//host", "ftp://host", "https://{1}/", "/{2}", ""])
def test_a_redirect_leads_to_a_path_or_a_fixed_host(tmp_path: Path, to: str) -> None:
    text = f'{{id: a, match: {{path: "/a/**"}}, redirect: {{to: "{to}"}}}}'
    (mistake,) = mistakes(tmp_path, route(text))
    assert ": routes[0].redirect.to: " in mistake


def test_hosts_methods_and_header_names_have_a_grammar(tmp_path: Path) -> None:
    text = route(
        'match: {path: /a, hosts: ["*", "a.*", "http://a", "a:80"], methods: [get, "G T"],'
        ' headers: {"a b": x}}\n    id: a\n    upstream: users'
    )
    found = mistakes(tmp_path, text)
    places = [f"routes[0].match.hosts[{at}]" for at in range(4)]
    places += [f"routes[0].match.methods[{at}]" for at in range(2)]
    places += ["routes[0].match.headers.a b"]
    assert [each.split(": ")[1] for each in found] == places
    assert "did you mean 'GET'?" in found[4]


def test_a_fixed_answer_has_to_be_http(tmp_path: Path) -> None:
    text = route(
        "{id: a, match: {path: /a}, respond: {status: 204, body: x,"
        ' headers: {"a b": x, Content-Length: "5", x-line: "a\\nb"}}}'
    )
    assert mistakes(tmp_path, text) == [
        "6:61: routes[0].respond.body: a 204 has no body",
        "6:81: routes[0].respond.headers.a b: this is not a header's name",
        "6:100: routes[0].respond.headers.Content-Length: this header is set by the gateway",
        "6:113: routes[0].respond.headers.x-line: a header cannot hold this value",
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("path: /a", "path: /a"),
        ('path: "/{a}"', 'path: "/{b}"'),
        ("path: /a, methods: [GET, POST]", "path: /a, methods: [POST, GET, HEAD]"),
        ("path: /a, hosts: [a, B]", "path: /a, hosts: [b, A]"),
        ("path: /a, headers: {X: y}", "path: /a, headers: {x: y}"),
        ("path: /a, query: {x: y}", "path: /a, query: {x: y}"),
    ],
)
def test_two_routes_cannot_take_exactly_the_same(tmp_path: Path, first: str, second: str) -> None:
    text = MINIMAL + (
        f"routes:\n  - {{id: one, match: {{{first}}}, upstream: users}}\n"
        f"  - {{id: two, upstream: users, match: {{{second}}}}}\n"
    )
    assert mistakes(tmp_path, text) == [
        f"{place(text, '{' + second)}: routes[1].match: "
        "takes exactly what route 'one' on line 5 takes"
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("path: /a", "path: /A"),
        ('path: "/{a}"', 'path: "/*"'),
        ("path: /a", "path: /a/**"),
        ("path: /a, methods: [GET]", "path: /a"),
        ("path: /a, headers: {x: y}", "path: /a, headers: {x: Y}"),
        ("path: /a, query: {x: y}", "path: /a, query: {X: y}"),
    ],
)
def test_routes_that_differ_in_anything_live_together(
    tmp_path: Path, first: str, second: str
) -> None:
    text = MINIMAL + (
        f"routes:\n  - {{id: one, match: {{{first}}}, upstream: users}}\n"
        f"  - {{id: two, upstream: users, match: {{{second}}}}}\n"
    )
    assert mistakes(tmp_path, text) == []
