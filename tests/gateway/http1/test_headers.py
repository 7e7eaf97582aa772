"""Header fields as lines: found by name, changed one by one, otherwise left as they came."""

from __future__ import annotations

import pytest

from gateway.http1.headers import HeaderLines


@pytest.fixture
def headers() -> HeaderLines:
    return HeaderLines([b"Accept: a", b"x-One:1", b"ACCEPT:\t b ", b"Empty:", b"Bytes: \xe9:\x80"])


def test_a_name_is_found_in_any_case(headers: HeaderLines) -> None:
    assert headers.get("accept") == headers.get("ACCEPT") == "a"
    assert headers.getall("Accept") == ["a", "b"]
    assert "aCCept" in headers
    assert headers.get("empty") == ""
    assert headers.get("bytes") == "\xe9:\x80"


def test_one_that_is_not_there(headers: HeaderLines) -> None:
    assert headers.get("none") is None
    assert headers.get("none", "x") == "x"
    assert headers.getall("none") == []
    assert "none" not in headers
    assert 1 not in headers


def test_what_was_found_may_be_changed_without_harm(headers: HeaderLines) -> None:
    headers.getall("accept").clear()
    assert headers.getall("accept") == ["a", "b"]


def test_all_in_their_order(headers: HeaderLines) -> None:
    assert list(headers.items()) == [
        ("Accept", "a"),
        ("x-One", "1"),
        ("ACCEPT", "b"),
        ("Empty", ""),
        ("Bytes", "\xe9:\x80"),
    ]


def test_set_replaces_all_of_that_name_and_no_other_line(headers: HeaderLines) -> None:
    headers.set("accept", "c")
    assert headers.lines == [b"x-One:1", b"Empty:", b"Bytes: \xe9:\x80", b"accept: c"]
    assert headers.getall("Accept") == ["c"]
    headers.set("New", "\xe9")
    assert headers.lines[-1] == b"New: \xe9"


def test_add_leaves_the_others(headers: HeaderLines) -> None:
    headers.add("Accept", "c")
    assert headers.lines[-1] == b"Accept: c"
    assert headers.getall("accept") == ["a", "b", "c"]


def test_remove_takes_all_of_that_name_out_of_the_very_list() -> None:
    lines = [b"A: 1", b"B: 2", b"a:3"]
    headers = HeaderLines(lines)
    headers.remove("a")
    headers.remove("none")
    headers.remove("\u20ac")
    assert lines == [b"B: 2"]
    assert headers.get("a") is None


@pytest.mark.parametrize("value", ["a\r\nX: b", "a\nX: b", "a\rb", "a\0", "\u20ac"])
def test_a_value_that_is_no_line_is_refused_and_nothing_changes(
    headers: HeaderLines, value: str
) -> None:
    before = list(headers.lines)
    for change in (headers.set, headers.add):
        with pytest.raises(ValueError, match=r"line break|latin-1"):
            change("Accept", value)
    assert headers.lines == before
    assert headers.getall("accept") == ["a", "b"]


def test_such_a_value_is_not_repeated(headers: HeaderLines) -> None:
    with pytest.raises(ValueError, match="Accept") as caught:
        headers.set("Accept", "secret\n")
    assert "secret" not in str(caught.value)
