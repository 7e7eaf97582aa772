import pytest

from gateway.router import Match, NoMatch, Rule
from tests.gateway.routing.tables import chosen, find, paths, router


class TestPatterns:
    @pytest.mark.parametrize(
        ("pattern", "taken", "left"),
        [
            ("/", ["/", "//"], ["/a"]),
            ("/**", ["/", "/a", "/a/b/", "//"], []),
            ("/users", ["/users", "//users"], ["/users/", "/usersx", "/Users", "/users/1"]),
            ("/users/", ["/users/", "/users//"], ["/users", "/users/1"]),
            (
                "/users/**",
                ["/users", "/users/", "/users/1", "/users/1/x/", "//users//1"],
                ["/usersx", "/user", "/"],
            ),
            ("/users/{id}", ["/users/1", "/users/a%2Fb"], ["/users", "/users/", "/users/1/"]),
            ("/users/*", ["/users/1"], ["/users/", "/users/1/2"]),
            ("/users/{id}/", ["/users/1/"], ["/users/1", "/users//"]),
            ("/{a}/{b}", ["/x/y"], ["/x", "/x/", "/x/y/z"]),
            ("/{tenant}/files/**", ["/t/files", "/t/files/a/b"], ["/files", "/t/file/a"]),
            ("/v1/items:batch", ["/v1/items:batch", "/v1/items%3Abatch"], ["/v1/items"]),
            ("/café", ["/caf%C3%A9", "/caf%c3%a9"], ["/cafe"]),
            ("/my file", ["/my%20file"], ["/my+file"]),
            ("/%75sers", ["/users", "/%75sers"], []),
            ("/a%2fb", ["/a%2Fb", "/a%2fb"], ["/a/b"]),
            ("/a;v=1", ["/a;v=1", "/a%3Bv=1"], ["/a"]),
            ("/%2A", ["/*", "/%2A"], ["/a"]),
        ],
    )
    def test_a_pattern_takes_its_paths_and_no_others(
        self, pattern: str, taken: list[str], left: list[str]
    ) -> None:
        table = paths(pattern)
        assert {path: chosen(table, path) for path in taken} == dict.fromkeys(taken, pattern)
        assert {path: chosen(table, path) for path in left} == dict.fromkeys(left, 404)

    @pytest.mark.parametrize(
        ("pattern", "complaint"),
        [
            ("users", "starts with /"),
            ("", "starts with /"),
            ("/a//b", "write one slash"),
            ("/a/../b", "dot segment"),
            ("/a/%2e", "dot segment"),
            ("/a?b=c", "escaped"),
            ("/a#b", "escaped"),
            ("/a\\b", "escaped"),
            ("/%zz", "invalid escape"),
            ("/**/a", "last segment"),
            ("/a-{id}", "a whole segment"),
            ("/a*", "a whole segment"),
            ("/{a b}", "a whole segment"),
            ("/{1}", "a whole segment"),
            ("/{", "a whole segment"),
            ("/a\nb", "cannot be in a path"),
            ("/{a}/{a}", "used twice"),
            ("/a" * 101, "100 segments"),
        ],
    )
    def test_a_pattern_that_makes_no_sense_is_refused_with_its_route(
        self, pattern: str, complaint: str
    ) -> None:
        with pytest.raises(ValueError, match=complaint) as refused:
            router(Rule("mine", pattern))
        assert "mine" in str(refused.value)

    def test_an_empty_table_finds_nothing(self) -> None:
        assert find(paths(), "/") == NoMatch(404)


class TestCaptures:
    @pytest.mark.parametrize(
        ("pattern", "path", "captures"),
        [
            ("/users", "/users", ()),
            ("/users/{id}", "/users/1", (b"1",)),
            ("/users/{id}", "//users//a%2fb%20", (b"a%2fb%20",)),
            ("/{a}/*/{b}", "/x/y/z", (b"x", b"y", b"z")),
            ("/users/**", "/users", (b"",)),
            ("/users/**", "/users/", (b"",)),
            ("/users/**", "/users/a/b/", (b"a/b/",)),
            ("/users/**", "/users/" + "a/" * 9, (b"a/" * 9,)),
            ("/users/**", "/users//a//b%2f/", (b"a//b%2f/",)),
            ("/{a}/x/**", "/%75/x/y", (b"%75", b"y")),
            ("/**", "/", (b"",)),
            ("/**", "//a", (b"a",)),
            ("/{a}/", "/%41/", (b"%41",)),
        ],
    )
    def test_captures_are_the_bytes_as_received(
        self, pattern: str, path: str, captures: tuple[bytes, ...]
    ) -> None:
        assert find(paths(pattern), path) == Match(pattern, captures)
