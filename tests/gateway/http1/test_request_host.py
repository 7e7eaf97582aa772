"""Which host a request is for: said once, or refused."""

from __future__ import annotations

import tracemalloc

import pytest

from gateway.http1.request import BadRequest, RequestHead, parse_request


def parsed(start: str, *lines: str) -> RequestHead:
    request = RequestHead()
    parse_request("\r\n".join([start, *lines]).encode("latin-1"), request)
    return request


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("a.test", "a.test"),
        ("  A.Test:8080\t", "a.test"),
        ("a.test.", "a.test"),
        ("10.0.0.1:80", "10.0.0.1"),
        ("[2001:DB8::1]:443", "[2001:db8::1]"),
        ("some_name-1~x", "some_name-1~x"),
        ("a:65535", "a"),
    ],
)
def test_the_host_is_the_name_alone_in_lower_case(value: str, host: str) -> None:
    for _ in range(2):  # the second time it is remembered
        request = parsed("GET / HTTP/1.1", f"Host:{value}")
        assert request.host == host
        assert request.authority == value.strip(" \t").encode()
        assert request.lines == [f"Host:{value}".encode()]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a b",
        "a/b",
        "u@a",
        "a,b",
        "a:",
        "a:x",
        "a:65536",
        "a:123456",
        "[::1",
        "::1",
        "a%41",
        "ä",
    ],
)
def test_another_is_refused(value: str) -> None:
    for version in ("1.1", "1.0"):
        with pytest.raises(BadRequest, match="the host is not valid"):
            parsed(f"GET / HTTP/{version}", f"Host: {value}")


def test_two_hosts_are_refused() -> None:
    for second in ("HOST: a.test", "Host:"):
        with pytest.raises(BadRequest, match="more than one Host"):
            parsed("GET / HTTP/1.1", "Host: a.test", second)


def test_http_1_1_needs_one_and_http_1_0_does_not() -> None:
    with pytest.raises(BadRequest, match="no Host field"):
        parsed("GET / HTTP/1.1", "X: 1")
    with pytest.raises(BadRequest, match="no Host field"):
        parsed("GET http://a.test/ HTTP/1.1")
    request = parsed("GET / HTTP/1.0")
    assert (request.host, request.authority, request.lines) == ("", b"", [])


def test_what_one_client_left_out_does_not_make_anothers_empty_host_valid() -> None:
    parsed("GET / HTTP/1.0")
    with pytest.raises(BadRequest, match="the host is not valid"):
        parsed("GET / HTTP/1.1", "Host:")


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("http://a.test", b"/", b""),
        ("HTTP://A.TEST/x?y=1", b"/x", b"y=1"),
        ("https://a.test?y", b"/", b"y"),
        ("http://a.test/http://b.test/", b"/http://b.test/", b""),
    ],
)
def test_a_whole_url_is_read_like_its_path(target: str, path: bytes, query: bytes) -> None:
    request = parsed(f"GET {target} HTTP/1.1", "Host: a.test")
    assert (request.path, request.query, request.host) == (path, query, "a.test")
    assert not request.origin_form
    assert request.request_target == target.encode()


@pytest.mark.parametrize("host", ["b.test", "a.test:80", "", "a.test."])
def test_a_url_that_names_another_host_is_refused(host: str) -> None:
    with pytest.raises(BadRequest, match="different hosts"):
        parsed("GET http://a.test/ HTTP/1.1", f"Host: {host}")


def test_a_urls_host_travels_on_when_http_1_0_named_it_there_only() -> None:
    request = parsed("GET http://a.test:81/ HTTP/1.0", "X: 1")
    assert request.host == "a.test"
    assert request.lines == [b"Host: a.test:81", b"X: 1"]


def test_options_may_ask_about_the_server_as_a_whole() -> None:
    request = parsed("OPTIONS * HTTP/1.1", "Host: a.test")
    assert (request.path, request.query, request.origin_form) == (b"*", b"", True)


def test_many_hosts_are_read_all_the_same() -> None:
    for number in range(5000):
        assert parsed("GET / HTTP/1.1", f"Host: {number}.TEST").host == f"{number}.test"


def test_names_and_hosts_that_are_made_up_fill_no_memory() -> None:
    tracemalloc.start()
    try:
        for number in range(3000):
            host = f"Host: {number}" + "a" * 6000
            parsed("GET / HTTP/1.1", host, f"{number}" + "b" * 6000 + ": 1", f"X-{number}: 1")
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 2_000_000
