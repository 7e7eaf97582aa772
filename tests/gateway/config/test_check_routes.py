from __future__ import annotations

from pathlib import Path

import pytest

from tests.gateway.config.files import MINIMAL, mistakes, place


def route(text: str) -> str:
    return f"{MINIMAL}plugins: {{auth: {{use: auth}}}}\nroutes:\n  - {text}\n"


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


@pytest.mark.parametrize("escape", ["\\n", "\\0", "\\x7f", "\\x9b"])
def test_an_id_holds_no_control_characters(tmp_path: Path, escape: str) -> None:
    text = f'version: 1\nroutes:\n  - {{id: "a{escape}b", match: {{path: /a}}, respond: {{}}}}\n'
    [mistake] = mistakes(tmp_path, text)
    assert mistake == "3:10: routes[0].id: an id holds no control characters"


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
