import random

import pytest

from gateway.http1.headers import HeaderLines
from gateway.http1.path import PathRefused, read
from gateway.rewrite import capture_names, compile_rewrite, expand, params_of
from gateway.router import Match, Router, Rule


def sent(pattern: str, path: str, *, strip: str | None = None, to: str | None = None) -> str:
    """The path an upstream is given for a request of this path."""
    found = Router([(Rule("r", pattern), "r")]).find(
        "GET", "x", path.encode(), b"", HeaderLines([])
    )
    assert isinstance(found, Match)
    rewrite = compile_rewrite(pattern, strip, to)
    assert rewrite is not None
    return rewrite(path.encode(), found.captures).decode()


class TestStripPrefix:
    @pytest.mark.parametrize(
        ("path", "stripped"),
        [
            ("/users", "/"),
            ("/users/", "/"),
            ("/users/1", "/1"),
            ("/users/1/", "/1/"),
            ("/users/users/1", "/users/1"),
            ("/%75sers/1", "/1"),
            ("/%75sers", "/"),
            ("//users/1", "/1"),
            ("/users//1", "/1"),
            ("/users///", "/"),
            ("/users/a%2fb//c;d%20", "/a%2fb//c;d%20"),
        ],
    )
    def test_it_takes_whole_segments_off_the_bytes_as_received(
        self, path: str, stripped: str
    ) -> None:
        assert sent("/users/**", path, strip="/users") == stripped
        assert sent("/users/**", path, strip="/users/") == stripped

    def test_it_takes_several_segments(self) -> None:
        assert sent("/api/v1/**", "/api//v1/x", strip="/api/v1") == "/x"
        assert sent("/api/v1/**", "/api/v1", strip="/api/v1") == "/"
        assert sent("/caf%C3%A9/{x}", "/caf%c3%a9/x", strip="/café") == "/x"

    @pytest.mark.parametrize("path", ["/usersx/1", "/1", "/", "/1/users", "/user"])
    def test_a_path_without_the_prefix_stays(self, path: str) -> None:
        assert sent("/**", path, strip="/users") == path

    def test_it_may_cover_what_a_placeholder_can_catch(self) -> None:
        assert sent("/{tenant}/x", "/acme/x", strip="/acme") == "/x"
        assert sent("/{tenant}/x", "/other/x", strip="/acme") == "/other/x"

    @pytest.mark.parametrize("prefix", [None, "/"])
    def test_nothing_to_strip_costs_nothing(self, prefix: str | None) -> None:
        assert compile_rewrite("/users/**", prefix, None) is None

    @pytest.mark.parametrize(
        ("pattern", "prefix", "complaint"),
        [
            ("/users/**", "users", "starts with /"),
            ("/users/**", "/user", "not the beginning"),
            ("/users/**", "/Users", "not the beginning"),
            ("/users/{id}", "/users/1/x", "not the beginning"),
            ("/users/**", "/users/../x", "dot segment"),
            ("/users/**", "/{x}", "literal"),
            ("/users/**", "/*", "literal"),
            ("/users/**", "/**", "literal"),
        ],
    )
    def test_a_prefix_that_can_never_be_there_is_refused(
        self, pattern: str, prefix: str, complaint: str
    ) -> None:
        with pytest.raises(ValueError, match=complaint):
            compile_rewrite(pattern, prefix, None)


class TestRewrite:
    @pytest.mark.parametrize(
        ("pattern", "template", "path", "result"),
        [
            ("/users/**", "/v2/{1}", "/users/a/b/", "/v2/a/b/"),
            ("/users/**", "/v2/{1}", "/users", "/v2/"),
            ("/users/**", "/{1}", "/users", "/"),
            ("/users/**", "/{1}", "/users//a//b", "/a//b"),
            ("/users/**", "/{1}/x", "/users", "/x"),
            ("/users/{id}", "/v2/{id}", "/users/a%2fb", "/v2/a%2fb"),
            ("/users/{id}", "/v2/{1}.json", "/users/7", "/v2/7.json"),
            ("/{a}/*/{b}", "/{3}/{2}-{b}/{1}", "/x/y/z", "/z/y-z/x"),
            ("/users", "/people", "/users", "/people"),
            ("/users", "/100%25/caf%C3%A9", "/users", "/100%25/caf%C3%A9"),
            ("/users", "/café au lait", "/users", "/caf%C3%A9%20au%20lait"),
            ("/.well-known/{x}", "/{x}/.well-known", "/.well-known/a", "/a/.well-known"),
        ],
    )
    def test_captures_are_put_in_as_received(
        self, pattern: str, template: str, path: str, result: str
    ) -> None:
        assert sent(pattern, path, to=template) == result

    @pytest.mark.parametrize(
        ("template", "complaint"),
        [
            ("v2/{1}", "not a path"),
            ("{1}", "expected a path"),
            ("", "not a path"),
            ("/v2/{3}", r"\{3\} is not caught by /users/\{id\}/\*\*, which has \{1\}, \{2\}, \{id"),
            ("/v2/{0}", "not caught"),
            ("/v2/{}", "not caught"),
            ("/v2/{name}", "not caught"),
            ("/v2/{1", "brace"),
            ("/v2/1}", "brace"),
            ("/v2/**", "expected a path"),
            ("/v2?x={1}", "escaped"),
            ("/v2#{1}", "escaped"),
            ("/v2\\{1}", "escaped"),
            ("/%{1}", "escape"),
            ("/%4{1}", "escape"),
            ("/v2\r\n{1}", "cannot be in a path"),
            ("/../{1}", "dot segment"),
            ("/%2e%2e/{1}", "dot segment"),
            ("/.{1}", "dot segment"),
            ("/{1}.", "dot segment"),
            ("/..{1}", "dot segment"),
            ("/{1}.{2}", "dot segment"),
            ("/{1}%2e;{2}", "dot segment"),
        ],
    )
    def test_a_template_that_makes_no_sense_is_refused(self, template: str, complaint: str) -> None:
        with pytest.raises(ValueError, match=complaint):
            compile_rewrite("/users/{id}/**", None, template)

    def test_a_route_without_captures_has_nothing_to_name(self) -> None:
        with pytest.raises(ValueError, match="which has nothing"):
            compile_rewrite("/users", None, "/{1}")

    def test_it_excludes_strip_prefix(self) -> None:
        with pytest.raises(ValueError, match="both"):
            compile_rewrite("/users/**", "/users", "/{1}")

    @pytest.mark.parametrize(
        "capture", [b"..", b".", b"a/../b", b"x\r\nHost: y", b"a b", b"%2e%2e", b"a#b", b"%00"]
    )
    def test_captures_no_router_made_are_refused_at_the_last_moment(self, capture: bytes) -> None:
        rewrite = compile_rewrite("/a/**", None, "/v2/{1}")
        assert rewrite is not None
        with pytest.raises(PathRefused):
            rewrite(b"/a/x", (capture,))

    @pytest.mark.parametrize("seed", range(20))
    def test_whatever_a_request_holds_the_result_is_a_clean_path(self, seed: int) -> None:
        dice = random.Random(seed)
        pieces = ["/", "/", ".", "..", "%2F", "%5c", ";", "%2e", "a", "x.y", "%20", "%3B", "{"]
        table = Router([(Rule("r", "/{a}/**"), "r")])
        rewrites = [
            compile_rewrite("/{a}/**", None, template)
            for template in ("/{1}{2}", "/{2}/{1}", "/v{1}.x{2}y", "/{2}{1}/", "/x;{1}/{2}.json")
        ]
        rewrites.append(compile_rewrite("/{a}/**", "/a", None))
        served = 0
        for _ in range(1000):
            path = ("/" + "".join(dice.choices(pieces, k=dice.randrange(9)))).encode()
            found = table.find("GET", "x", path, b"", HeaderLines([]))
            if isinstance(found, Match):
                served += 1
                for rewrite in rewrites:
                    assert rewrite is not None
                    result = rewrite(path, found.captures)
                    read(result)
                    assert result.startswith(b"/")
        assert served


class TestRedirect:
    @pytest.mark.parametrize(
        ("template", "captures", "location"),
        [
            ("/new/{id}/{2}", (b"7", b"a/b"), "/new/7/a/b"),
            ("https://example.com/{2}?id={1}#{id}", (b"7", b"a"), "https://example.com/a?id=7#7"),
            ("http://[::1]:80", (b"7", b"a"), "http://[::1]:80"),
            ("https://example.com?x={1}", (b"7", b"a"), "https://example.com?x=7"),
            ("/%7B{1}", (b"%2f", b""), "/%7B%2f"),
            ("/café/{1}", (b"x", b""), "/caf%C3%A9/x"),
            ("/{2}/{1}", (b"evil.com", b""), "/evil.com"),
            ("/{2}", (b"x", b"/evil.com"), "/evil.com"),
        ],
    )
    def test_it_expands_to_a_location(
        self, template: str, captures: tuple[bytes, ...], location: str
    ) -> None:
        assert expand("/old/{id}/**", template)(captures) == location

    @pytest.mark.parametrize(
        "template",
        [
            "//example.com/",
            "{2}",
            "new",
            "",
            "javascript:alert({1})",
            "{1}://example.com",
            "https://{1}.example.com/",
            "https://example.com{1}",
            "https://example.com:{1}/",
            "https://user@{1}/",
            "https:///{1}",
            "/a\\b",
            "/{nope}",
            "/{",
        ],
    )
    def test_a_place_that_a_client_could_choose_or_that_is_none_is_refused(
        self, template: str
    ) -> None:
        with pytest.raises(ValueError, match=r"expected|backslash|caught|brace"):
            expand("/old/{id}/**", template)

    def test_captures_no_router_made_do_not_break_the_line(self) -> None:
        with pytest.raises(PathRefused):
            expand("/{x}", "/{1}")((b"a\r\nSet-Cookie: x",))


def test_captures_are_named_from_the_left() -> None:
    assert capture_names("/a/{id}/*/{x}/**") == ("id", None, "x", None)
    assert capture_names("/a") == ()


def test_params_are_the_named_captures_decoded() -> None:
    params = params_of("/{city}/*/{raw}/**")
    assert params((b"K%C3%B6ln%2fx", b"y", b"%ff+", b"z")) == {"city": "Köln/x", "raw": "\ufffd+"}
    assert params_of("/a/*")((b"x",)) == {}
