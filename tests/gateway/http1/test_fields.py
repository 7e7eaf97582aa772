"""What a field is to a proxy, by its name as it stands on the wire."""

from __future__ import annotations

import pytest

from gateway.http1 import fields
from gateway.http1.fields import FieldKinds

REQUEST = fields.IN_A_REQUEST
ANSWER = fields.HOP_BY_HOP


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"Accept:", fields.PASS),
        (b"!#$%&'*+-.^_`|~09azAZ:", fields.PASS),
        (b"HOST:", fields.HOST),
        (b"te:", fields.DROP),
        (b"Content-length:", fields.CONTENT_LENGTH),
        (b"X-Forwarded-:", fields.FORWARDED),
        (b"X-Forwarded:", fields.PASS),
        (b"X_FORWARDED_FOR:", fields.FORWARDED),
        (b"x-request_id:", fields.FORWARDED),
        (b"Proxy_Connection:", fields.PASS),
        (b"content_length:", fields.INVALID),
        (b"Transfer_Encoding:", fields.INVALID),
        (b"", fields.INVALID),
        (b":", fields.INVALID),
        (b"Host :", fields.INVALID),
        (b"\tHost:", fields.INVALID),
        (b"a b:", fields.INVALID),
        (b'"a":', fields.INVALID),
        (b"a/b:", fields.INVALID),
        (b"\xc3\xa9:", fields.INVALID),
    ],
)
def test_its_kind_in_a_request(raw: bytes, kind: int) -> None:
    assert FieldKinds(REQUEST).classify(raw) == kind


def test_an_answer_vouches_for_nobody() -> None:
    kinds = FieldKinds(ANSWER)
    for raw in (b"X-Forwarded-For:", b"X-Request-ID:", b"Host:", b"Expect:"):
        assert kinds.classify(raw) == fields.PASS


def test_names_are_remembered_by_their_exact_bytes() -> None:
    kinds = FieldKinds(REQUEST)
    for raw in (b"Host:", b"hOST:", b"Hos:", b"Hosts:", b"X-Host:"):
        kinds.classify(raw)
    assert kinds.known == {
        b"Host:": fields.HOST,
        b"hOST:": fields.HOST,
        b"Hos:": fields.PASS,
        b"Hosts:": fields.PASS,
        b"X-Host:": fields.PASS,
    }


def test_few_names_are_remembered_none_that_is_long_or_invalid() -> None:
    kinds = FieldKinds(REQUEST)
    kinds.classify(b"a" * 64 + b":")
    kinds.classify(b"a b:")
    assert kinds.known == {}
    for number in range(3 * fields.REMEMBERED):
        assert kinds.classify(b"X-%d:" % number) == fields.PASS
        assert len(kinds.known) <= fields.REMEMBERED
    assert kinds.classify(b"Host:") == fields.HOST


def test_what_must_not_stand_in_a_line_is_what_rfc_9110_says() -> None:
    allowed = set(fields.IN_A_LINE)
    assert allowed == {0x09, *range(0x20, 0x7F), *range(0x80, 0x100)}
