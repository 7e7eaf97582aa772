import re

import pytest

from gateway.http1.path import PathRefused, is_clean_query, is_plain, read, split


@pytest.mark.parametrize(
    "path", [b"/", b"/users/12", b"/a.b/c~d", b"/v1/items:batch", b"/a/@me,you(2)!$&'*+=[]"]
)
def test_a_plain_path_is_its_own_and_only_reading(path: bytes) -> None:
    assert is_plain(path)
    assert read(path) == (path, frozenset())


@pytest.mark.parametrize(
    "path", [b"/a%20b", b"/a//b", b"/a;b", b"/.x", b"/a b", b"/\xe9", b"/a#b", b"/a\\b", b"/a\n"]
)
def test_a_path_that_needs_a_look_is_not_plain(path: bytes) -> None:
    assert not is_plain(path)


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        (b"/%75sers/%7Eme", b"/users/~me"),
        (b"/v1/items%3Abatch/a%40b", b"/v1/items:batch/a@b"),
        (b"/caf%c3%a9/a%20b", b"/caf%C3%A9/a%20b"),
        (b"/a%2fb", b"/a%2Fb"),
        (b"/a%5cb", b"/a%5Cb"),
        (b"/100%25", b"/100%25"),
        (b"/what%3f%23", b"/what%3F%23"),
        (b"//a///b//", b"/a/b/"),
        (b"/a;v=1/b", b"/a;v=1/b"),
        (b"/a%3Bv", b"/a;v"),
        (b"/Users", b"/Users"),
        (b"/.well-known/x", b"/.well-known/x"),
        (b"/...", b"/..."),
        (b"/%252e%252e/x", b"/%252e%252e/x"),
    ],
)
def test_the_normal_form_is_for_matching(path: bytes, normal: bytes) -> None:
    assert read(path).normal == normal
    assert read(normal).normal == normal


@pytest.mark.parametrize(
    "path",
    [
        b"/.",
        b"/..",
        b"/../x",
        b"/a/./b",
        b"/a/..",
        b"/a/%2e%2E/b",
        b"/a/.%2e",
        b"/a/..;x/b",
        b"/a/.;/b",
        b"/a/..%3bx",
        b"/a%2f..%2fb",
        b"/a/..%2Fb",
        b"/a%5c..%5Cb",
        b"/a%2F%2e",
        b"//..//b",
    ],
)
def test_a_dot_segment_is_refused_however_it_is_written(path: bytes) -> None:
    with pytest.raises(PathRefused, match="dot segment"):
        read(path)


@pytest.mark.parametrize(
    "path", [b"/a b", b"/a\tb", b"/a\r\nb", b"/\x00", b"/\x7f", b"/caf\xc3\xa9", b"/a#b", b"/a\\b"]
)
def test_bytes_that_must_be_escaped_are_refused(path: bytes) -> None:
    with pytest.raises(PathRefused, match="must be escaped"):
        read(path)


@pytest.mark.parametrize("path", [b"/%", b"/a%2", b"/%zz", b"/%u0041", b"/a%00b"])
def test_an_invalid_escape_is_refused(path: bytes) -> None:
    with pytest.raises(PathRefused, match="escape"):
        read(path)


@pytest.mark.parametrize("path", [b"", b"*", b"users", b"http://x/y", b"example.com:443"])
def test_what_does_not_begin_with_a_slash_is_no_path(path: bytes) -> None:
    with pytest.raises(PathRefused, match="not a path"):
        read(path)


def test_a_refusal_never_holds_the_path() -> None:
    with pytest.raises(PathRefused) as refused:
        read(b"/secret/../x")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("path", "others"),
    [
        (b"/a%2Fb", {b"/a/b"}),
        (b"/a%5Cb", {b"/a/b"}),
        (b"/a//b", {b"/a//b"}),
        (b"/a;x/b", {b"/a/b"}),
        (b"/a;x%2Fb", {b"/a", b"/a;x/b", b"/a/b"}),
        (b"/;x/b", {b"//b", b"/b"}),
        (b"/a%2F/b", {b"/a//b", b"/a/b"}),
        (b"/a%20b", set()),
        (b"/.well-known", set()),
    ],
)
def test_a_lenient_upstream_may_read_a_path_in_other_ways(path: bytes, others: set[bytes]) -> None:
    assert read(path).others == others


def test_a_query_may_hold_anything_visible_but_a_fragment() -> None:
    assert is_clean_query(b"")
    assert is_clean_query(b"a=../..%2F%zz//;\\?&b={}|%00")
    for byte in (b" ", b"\n", b"\x00", b"\x7f", b"\xc3", b"#"):
        assert not is_clean_query(b"a=" + byte)


@pytest.mark.parametrize("path", [b"/", b"/a", b"/a/", b"/a/b/c", b"/a/b/c/d/", b"//a///b//c//"])
@pytest.mark.parametrize("most", [1, 2, 3, 9])
def test_splitting_merges_slashes_but_in_the_last_part(path: bytes, most: int) -> None:
    merged = re.sub(rb"/+", b"/", path).split(b"/", most)
    parts = split(path, most)
    assert parts[:-1] == merged[:-1]
    assert re.sub(rb"/+", b"/", parts[-1]) == merged[-1]


def test_the_last_part_of_a_split_is_as_received() -> None:
    assert split(b"//a//b///c//", 2) == [b"", b"a", b"b///c//"]
