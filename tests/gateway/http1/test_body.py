"""Where a chunked body ends, in whatever pieces it comes."""

from __future__ import annotations

import random

import pytest

from gateway.http1.body import MAX_SIZE_LINE, MAX_TRAILERS, BadBody, ChunkedBody

END = b"0\r\n\r\n"
WHOLE = {
    "empty": END,
    "one chunk": b"5\r\nhello\r\n" + END,
    "several": b"5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n" + END,
    "hex in both cases": b"1A\r\n" + b"x" * 26 + b"\r\n1a\r\n" + b"y" * 26 + b"\r\n" + END,
    "leading zeros": b"0005\r\nhello\r\n000\r\n\r\n",
    "extensions": b'5;a;b=c;d="e\t\xe9"\r\nhello\r\n0;last\r\n\r\n',
    "white space before an extension": b"5 \t; a\r\nhello\r\n" + END,
    "the longest extension": b"5;" + b"a" * (MAX_SIZE_LINE - 2) + b"\r\nhello\r\n" + END,
    "signed chunks": b"5;chunk-signature=0123456789abcdef\r\nhello\r\n" * 400 + END,
    "framing as data": b"9\r\n0\r\n\r\nGET \r\n" + END,
    "line ends as data": b"4\r\n\n\r\r\n\r\n" + END,
    "trailers": b"1\r\nx\r\n0\r\nX-Sum: \xe9\t1\r\nX-Empty:\r\nx-sum:2\r\n\r\n",
    "the longest trailer": b"0\r\nX-A:" + b"a" * (MAX_TRAILERS - 4) + b"\r\n\r\n",
}
BROKEN = {
    "no size": b"\r\nhello\r\n" + END,
    "an extension without a size": b";a\r\n" + END,
    "sign": b"+5\r\nhello\r\n" + END,
    "0x": b"0x5\r\nhello\r\n" + END,
    "underscore": b"1_0\r\n" + b"x" * 16 + b"\r\n" + END,
    "not hex": b"5g\r\nhello\r\n" + END,
    "white space before": b" 5\r\nhello\r\n" + END,
    "white space after": b"5 \r\nhello\r\n" + END,
    "white space within": b"5 0;a\r\nhello\r\n" + END,
    "a size beyond 2^60": b"1000000000000000\r\nhello\r\n" + END,
    "a size that would wrap to 5": b"10000000000000005\r\nhello\r\n" + END,
    "an endless size": b"0" * (MAX_SIZE_LINE + 2),
    "a size line too long": b"5;" + b"a" * (MAX_SIZE_LINE - 1) + b"\r\nhello\r\n" + END,
    "extensions that outweigh the data": (b"1;" + b"a" * 200 + b"\r\nx\r\n") * 100 + END,
    "LF after the size": b"5\nhello\r\n" + END,
    "CR after the size": b"5\rhello\r\n" + END,
    "CR CR LF after the size": b"5\r\r\nhello\r\n" + END,
    "LF in an extension": b"5;a\nb\r\nhello\r\n" + END,
    "CR in an extension": b"5;a\rb\r\nhello\r\n" + END,
    "NUL in an extension": b"5;a\0\r\nhello\r\n" + END,
    "more data than the size": b"5\r\nhello!\r\n" + END,
    "less data than the size": b"6\r\nhello\r\n" + END,
    "no line end after the data": b"5\r\nhello0\r\n\r\n",
    "LF after the data": b"5\r\nhello\n" + END,
    "CR after the data": b"5\r\nhello\r0\r\n\r\n",
    "CR CR LF after the data": b"5\r\nhello\r\r\n" + END,
    "LF at the end": b"0\r\n\n",
    "LF after the last size": b"0\n\r\n",
    "a trailer without a colon": b"0\r\nX-A\r\n\r\n",
    "a trailer without a name": b"0\r\n: a\r\n\r\n",
    "white space in a trailer's name": b"0\r\nX-A : a\r\n\r\n",
    "a folded trailer": b"0\r\nX-A: a\r\n b: c\r\n\r\n",
    "NUL in a trailer": b"0\r\nX-A: \0\r\n\r\n",
    "CR in a trailer": b"0\r\nX-A: a\rX-B: b\r\n\r\n",
    "LF in a trailer": b"0\r\nX-A: a\nX-B: b\r\n\r\n",
    "a trailer too long": b"0\r\nX-A:" + b"a" * (MAX_TRAILERS - 3) + b"\r\n\r\n",
    "trailers too many": b"0\r\n" + b"X-A:12345678\r\n" * (MAX_TRAILERS // 12 + 1) + b"\r\n",
    "an endless trailer": b"0\r\n" + b"a" * (MAX_TRAILERS + 2),
    "a trailer that frames": b"0\r\nContent-Length: 5\r\n\r\n",
    "a trailer that frames for some": b"0\r\nTransfer_Encoding: chunked\r\n\r\n",
    "a trailer that routes": b"0\r\nHOST: b\r\n\r\n",
    "a trailer that vouches": b"0\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n",
    "a trailer that vouches for some": b"0\r\nx_forwarded_user: root\r\n\r\n",
    "a trailer that authenticates": b"0\r\nAuthorization: Bearer x\r\n\r\n",
    "a trailer with a cookie": b"0\r\ncookie: a=b\r\n\r\n",
}


def whole(table: dict[str, bytes]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("data", table.values(), ids=table.keys())


def read(pieces: list[bytes]) -> tuple[int, int, bytes] | None:
    """How many bytes belong to the body, of how much data, and the data; None when broken."""
    decoded: list[bytes] = []
    body = ChunkedBody(decoded)
    taken = 0
    for piece in pieces:
        try:
            took = body.feed(piece)
        except BadBody:
            return None
        assert took == len(piece) or body.complete
        taken += took
        if body.complete:
            break
    assert body.size == sum(len(data) for data in decoded)
    return (taken if body.complete else -1), body.size, b"".join(decoded)


def cuts(data: bytes, chance: random.Random) -> list[bytes]:
    places = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randint(1, 12)))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


@whole(WHOLE)
def test_a_whole_body_ends_where_it_ends(data: bytes) -> None:
    following = b"GET / HTTP/1.1\r\n\r\n"
    found = read([data + following])
    assert found is not None
    assert found[0] == len(data)


@whole(WHOLE)
def test_a_body_that_is_not_whole_is_not_complete(data: bytes) -> None:
    for end in range(max(0, len(data) - 300), len(data)):
        body = ChunkedBody()
        assert body.feed(data[:end]) == end
        assert not body.complete


@whole(BROKEN)
def test_broken_framing_is_refused(data: bytes) -> None:
    assert read([data]) is None


@whole({**WHOLE, **BROKEN})
def test_how_the_bytes_are_cut_makes_no_difference(data: bytes) -> None:
    chance = random.Random(data)
    data += b"POST / HTTP/1.1\r\nHost: a\r\n\r\n"
    at_once = read([data])
    assert read([data[at : at + 1] for at in range(len(data))]) == at_once
    for _ in range(40):
        assert read(cuts(data, chance)) == at_once


def test_neither_do_random_mistakes() -> None:
    chance = random.Random(9112)
    sound = list(WHOLE.values())
    outcomes = set()
    for _ in range(3000):
        data = bytearray(chance.choice(sound)[:400])
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(data))
            new = chance.choice(
                [b"", b"\r", b"\n", b"\r\n", b"0", b";", b" ", b"\0", b"5\r\n", b":"]
            )
            data[at : at + chance.randint(0, 2)] = new
            data = data or bytearray(END)
        at_once = read([bytes(data)])
        assert read([bytes(data[at : at + 1]) for at in range(len(data))]) == at_once
        assert read(cuts(bytes(data), chance)) == at_once
        outcomes.add(at_once is None)
    assert outcomes == {True, False}


def test_the_data_is_counted_and_collected_for_who_knows_no_chunks() -> None:
    assert read([WHOLE["several"]]) == (len(WHOLE["several"]), 11, b"hello world")


def test_data_is_not_kept_for_who_did_not_ask() -> None:
    body = ChunkedBody()
    body.feed(b"fffffff\r\n" + b"x" * 1000)
    assert body.decoded is None
    assert body.size == 1000


def test_after_the_end_nothing_is_taken() -> None:
    body = ChunkedBody()
    assert body.feed(END) == len(END)
    assert body.feed(END) == 0
    assert body.feed(b"") == 0


def test_a_refusal_never_repeats_what_was_sent() -> None:
    for data in (b"CANARY\r\n", b"5;CANARY\0\r\n", b"0\r\nCANARY\r\n", b"0\r\nCANARY: \0\r\n"):
        with pytest.raises(BadBody) as caught:
            ChunkedBody().feed(data)
        assert "CANARY" not in str(caught.value)
