import pytest

from gateway.http1.headers import HeaderLines
from gateway.router import NoMatch, Rule
from tests.gateway.routing.tables import chosen, find, paths, router


class TestPathPrecedence:
    @pytest.mark.parametrize(
        ("patterns", "path"),
        [
            (["/users/me", "/users/{id}", "/users/*", "/users/**", "/**"], "/users/me"),
            (["/users/{id}", "/users/*", "/users/**", "/**"], "/users/me"),
            (["/users/*", "/users/**", "/**"], "/users/me"),
            (["/users/**", "/**"], "/users/me"),
            (["/users", "/users/**"], "/users"),
            (["/a/b/**", "/a/**", "/**"], "/a/b/c/d"),
            (["/{a}/{b}", "/a/*"], "/a/b"),
            (["/a/{x}/c", "/{x}/b/c", "/{x}/{y}/c"], "/a/b/c"),
            (["/{x}/*", "/*/{x}"], "/a/b"),
            (["/{x}/{y}/**", "/a/**"], "/a/b/c"),
            (["/a/{x}/**", "/{x}/b/**"], "/a/b/c"),
            (["/*/*", "/a/b/**"], "/a/b"),
            (["/a/b/{c}", "/a/{b}/c", "/{a}/b/c", "/a/b/*", "/a/**"], "/a/b/c"),
        ],
    )
    def test_the_more_specific_path_wins_in_any_order(self, patterns: list[str], path: str) -> None:
        assert chosen(paths(*patterns), path) == patterns[0]
        assert chosen(paths(*reversed(patterns)), path) == patterns[0]

    def test_a_dead_end_falls_back_to_what_is_less_specific(self) -> None:
        table = paths("/a/b/c", "/a/{x}/d", "/{y}/b/e", "/{z}/*/f", "/a/**")
        assert chosen(table, "/a/b/d") == "/a/{x}/d"
        assert chosen(table, "/a/b/e") == "/{y}/b/e"
        assert chosen(table, "/a/b/f") == "/{z}/*/f"
        assert chosen(table, "/a/b/g") == "/a/**"
        assert chosen(table, "/a/b/c/h") == "/a/**"
        assert chosen(table, "/b/b/c") == 404

    def test_names_do_not_make_patterns_different(self) -> None:
        table = router(Rule("first", "/{a}"), Rule("second", "/{b}", methods=["GET"]))
        assert chosen(table, "/x") == "second"
        assert chosen(table, "/x", "POST") == "first"


class TestConditions:
    def test_a_rule_with_methods_goes_before_one_without(self) -> None:
        table = router(Rule("any", "/a"), Rule("get", "/a", methods=["GET"]))
        assert chosen(table, "/a") == "get"
        assert chosen(table, "/a", "POST") == "any"

    def test_a_head_request_matches_a_rule_with_get(self) -> None:
        table = router(Rule("get", "/a", methods=["GET"]))
        assert chosen(table, "/a", "HEAD") == "get"

    def test_a_get_request_does_not_match_a_rule_with_head(self) -> None:
        assert find(router(Rule("head", "/a", methods=["HEAD"])), "/a") == NoMatch(405, ("HEAD",))

    def test_more_headers_win_then_more_query_parameters_then_the_files_order(self) -> None:
        table = router(
            Rule("first", "/a"),
            Rule("second", "/a"),
            Rule("query", "/a", query={"v": "2"}),
            Rule("queries", "/a", query={"v": "2", "w": ""}),
            Rule("header", "/a", headers={"X-Version": "2"}),
            Rule("headers", "/a", headers={"x-version": "2", "x-beta": "yes"}),
        )
        version = HeaderLines([b"x-VERSION: 1", b"X-Version:  2 "])
        both = HeaderLines([b"X-Version: 2", b"X-Beta: yes"])
        assert chosen(table, "/a") == "first"
        assert chosen(table, "/a", query=b"w=1&v=2") == "query"
        assert chosen(table, "/a", query=b"w&v=2") == "queries"
        assert chosen(table, "/a", query=b"w&v=2", headers=version) == "header"
        assert chosen(table, "/a", headers=both) == "headers"
        assert chosen(table, "/a", headers=HeaderLines([b"X-Version: 22"])) == "first"

    @pytest.mark.parametrize("query", [b"q=a%20b%26", b"x=1&q=c&q=a+b%26", b"%71=a%20b%26"])
    def test_a_query_parameter_is_compared_decoded_in_any_occurrence(self, query: bytes) -> None:
        assert chosen(router(Rule("q", "/a", query={"q": "a b&"})), "/a", query=query) == "q"

    @pytest.mark.parametrize("query", [b"", b"q", b"q=a", b"Q=a%20b%26", b"q=a%2520b%26"])
    def test_another_query_does_not_match(self, query: bytes) -> None:
        assert chosen(router(Rule("q", "/a", query={"q": "a b&"})), "/a", query=query) == 404

    def test_a_query_that_is_no_utf8_is_compared_all_the_same(self) -> None:
        table = router(Rule("q", "/a", query={"q": "é"}), Rule("rest", "/**"))
        assert chosen(table, "/a", query=b"q=%E9") == "rest"
        assert chosen(table, "/a", query=b"q=%C3%A9") == "q"

    def test_conditions_that_fail_leave_the_request_to_less_specific_paths(self) -> None:
        table = router(
            Rule("literal", "/a/b", headers={"x": "1"}),
            Rule("name", "/a/{x}", query={"x": "1"}),
            Rule("star", "/a/*", methods=["PUT"]),
            Rule("rest", "/a/**", methods=["GET"]),
            Rule("all", "/**"),
        )
        assert chosen(table, "/a/b", headers=HeaderLines([b"X: 1"])) == "literal"
        assert chosen(table, "/a/b", query=b"x=1") == "name"
        assert chosen(table, "/a/b", "PUT") == "star"
        assert chosen(table, "/a/b") == "rest"
        assert chosen(table, "/a/b", "POST") == "all"

    def test_methods_are_written_in_any_case(self) -> None:
        assert chosen(router(Rule("get", "/a", methods=["get"])), "/a") == "get"


class TestMethodNotAllowed:
    def test_it_names_every_method_that_would_do(self) -> None:
        table = router(
            Rule("get", "/a", methods=["GET"]),
            Rule("rest", "/**", methods=["POST", "DELETE"]),
            Rule("host", "/a", methods=["PATCH"], hosts=["example.com"]),
            Rule("elsewhere", "/a", methods=["LINK"], hosts=["other.com"]),
            Rule("other", "/b", methods=["PUT"]),
        )
        allowed = ("DELETE", "GET", "HEAD", "PATCH", "POST")
        assert find(table, "/a", "PUT") == NoMatch(405, allowed)
        assert find(table, "//a", "PUT") == NoMatch(405, allowed)

    def test_it_counts_only_rules_whose_headers_and_query_hold(self) -> None:
        table = router(
            Rule("header", "/a", methods=["GET"], headers={"x": "1"}),
            Rule("query", "/a", methods=["POST"], query={"x": "1"}),
        )
        assert find(table, "/a", "PUT") == NoMatch(404)
        assert find(table, "/a", "PUT", query=b"x=1") == NoMatch(405, ("POST",))

    def test_it_is_not_found_where_no_rule_names_methods(self) -> None:
        assert find(router(Rule("x", "/a", headers={"x": "1"})), "/a") == NoMatch(404)


class TestHosts:
    TABLE = router(
        Rule("none", "/**"),
        Rule("com", "/**", hosts=["*.com"]),
        Rule("wild", "/**", hosts=["*.example.com"]),
        Rule("longer", "/**", hosts=["*.eu.example.com"]),
        Rule("exact", "/a", hosts=["api.example.com", "API.eu.example.com"]),
    )

    @pytest.mark.parametrize(
        ("host", "expected"),
        [
            ("api.example.com", "exact"),
            ("api.eu.example.com", "exact"),
            ("www.example.com", "wild"),
            ("a.b.c.example.com", "wild"),
            ("x.eu.example.com", "longer"),
            ("eu.example.com", "wild"),
            ("example.com", "com"),
            ("xexample.com", "com"),
            ("com", "none"),
            (".com", "none"),
            ("", "none"),
            ("localhost", "none"),
            ("[::1]", "none"),
            ("api.example.com.evil.org", "none"),
            ("a." * 5000 + "example.com", "wild"),
        ],
    )
    def test_exact_goes_before_the_longest_wildcard_before_none(
        self, host: str, expected: str
    ) -> None:
        assert chosen(self.TABLE, "/a", host=host) == expected

    def test_a_host_wins_over_a_path(self) -> None:
        table = router(Rule("path", "/a/b"), Rule("host", "/**", hosts=["*.example.com"]))
        assert chosen(table, "/a/b", host="x.example.com") == "host"

    def test_what_a_host_does_not_serve_falls_to_less_specific_hosts(self) -> None:
        table = self.TABLE
        assert chosen(table, "/b", host="api.example.com") == "wild"
        assert chosen(table, "/b", host="api.eu.example.com") == "longer"

    def test_without_rules_for_any_host_a_stranger_finds_nothing(self) -> None:
        table = router(Rule("only", "/**", hosts=["api.example.com", "*.example.org", "[::1]"]))
        assert chosen(table, "/", host="api.example.com") == "only"
        assert chosen(table, "/", host="[::1]") == "only"
        assert chosen(table, "/", host="x.example.org") == "only"
        assert chosen(table, "/", host="example.org") == 404

    @pytest.mark.parametrize(
        "host", ["", "*", "a b", "api.example.com:80", "*.*.com", "a.*.com", ".com", "a/b", "x."]
    )
    def test_a_host_that_is_none_is_refused(self, host: str) -> None:
        with pytest.raises(ValueError, match=r"route mine: .*is not a host"):
            router(Rule("mine", "/a", hosts=[host]))


def test_rules_are_listed_in_the_order_of_precedence() -> None:
    table = router(
        Rule("rest", "/**"),
        Rule("wild", "/**", hosts=["*.example.com"]),
        Rule("wilder", "/**", hosts=["*.com"]),
        Rule("deep", "/a/b/**"),
        Rule("star", "/a/*"),
        Rule("name", "/a/{x}"),
        Rule("literal", "/a/b"),
        Rule("method", "/a/b", methods=["GET"]),
        Rule("exact", "/**", hosts=["*.org", "a.org"]),
    )
    assert [rule.id for rule in table.rules()] == (
        ["exact", "wild", "wilder", "method", "literal", "name", "star", "deep", "rest"]
    )
