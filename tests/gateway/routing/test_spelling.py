import pytest

from gateway.router import NoMatch, Rule
from tests.gateway.routing.tables import chosen, find, paths, router


class TestSpelling:
    """What gateway.http1.path decides, as requests meet it."""

    @pytest.mark.parametrize(
        ("path", "reason"),
        [
            (b"/a/../b", "dot segment"),
            (b"/a/%2e%2e;x/b", "dot segment"),
            (b"/a%zz", "invalid escape"),
            (b"/caf\xc3\xa9", "must be escaped"),
            (b"*", "not a path"),
            (b"a", "not a path"),
            (b"", "not a path"),
        ],
    )
    @pytest.mark.parametrize("pattern", ["/**", "/a"])
    def test_what_cannot_be_read_is_a_bad_request(
        self, path: bytes, reason: str, pattern: str
    ) -> None:
        found = find(paths(pattern), path)
        assert isinstance(found, NoMatch)
        assert found.status == 400
        assert reason in found.reason

    def test_a_bad_query_is_a_bad_request(self) -> None:
        assert chosen(paths("/a"), "/a", query=b"a=\r\n") == 400
        assert chosen(paths("/a"), "/a;x", query=b"a=#") == 400

    @pytest.mark.parametrize(
        "path", [b"/public/..%2Fadmin", b"/admin%2Fusers", b"/admin;x/users", b"/admin%5Cusers"]
    )
    def test_no_guard_is_passed_by_spelling(self, path: bytes) -> None:
        table = router(
            Rule("all", "/**"),
            Rule("admin", "/admin/**", guards=frozenset({"signed_in"})),
        )
        assert chosen(table, path) == 400

    @pytest.mark.parametrize(
        "path", [b"/v1/items%3abatch", b"/v1/items%3Abatch", b"/v1//items:batch"]
    )
    def test_an_escaped_colon_is_a_colon(self, path: bytes) -> None:
        guarded = Rule("batch", "/v1/items:batch", guards=frozenset({"admin"}))
        assert chosen(router(Rule("all", "/v1/{x}"), guarded), path) == "batch"

    def test_slashes_that_an_upstream_may_not_merge_pass_no_guard(self) -> None:
        table = router(
            Rule("open", "/files/public"), Rule("rest", "/files/**", guards=frozenset({"jwt"}))
        )
        assert chosen(table, "/files/public") == "open"
        assert chosen(table, "/files//public") == 400

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            (b"/projects/group%2Fname", "project"),
            (b"/projects/group%2Fname/issues", "projects"),
            (b"/other%2Fname", "all"),
            (b"/projects;v=1", "all"),
        ],
    )
    def test_a_reading_with_the_same_guards_or_fewer_is_harmless(
        self, path: bytes, expected: str
    ) -> None:
        jwt = frozenset({"jwt"})
        table = router(
            Rule("all", "/**", guards=jwt | {"limit"}),
            Rule("projects", "/projects/**", guards=jwt),
            Rule("project", "/projects/{id}", guards=jwt | {"audit"}),
            Rule("deep", "/other/{id}"),
        )
        assert chosen(table, path) == expected

    def test_a_reading_that_matches_nothing_is_harmless(self) -> None:
        assert chosen(paths("/{id}"), b"/a%2Fb") == "/{id}"

    def test_a_path_nobody_serves_is_not_found_whatever_else_it_might_be(self) -> None:
        table = router(Rule("admin", "/admin/{x}", guards=frozenset({"jwt"})))
        assert chosen(table, b"/admin%2Fx") == 404
