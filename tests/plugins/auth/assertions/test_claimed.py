"""Who an assertion says it is from is read of anything that anybody sends."""

from __future__ import annotations

import base64

import pytest

from gateway.jose.verify import MAX_TOKEN
from plugins.auth.assertions.claimed import claimed
from tests.plugins.auth.assertions.asserting import Asserting


def bare(payload: bytes) -> str:
    return f"e30.{base64.urlsafe_b64encode(payload).rstrip(b'=').decode()}.AA"


def test_it_is_the_client_that_signed_for_itself() -> None:
    assert claimed(Asserting().assertion("a" * 32)) == "a" * 32


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "a.b.c.d",
        bare(b'{"iss":"a","sub":"b"}'),
        bare(b'{"iss":"a"}'),
        bare(b"{}"),
        bare(b'{"iss":["a"],"sub":["a"]}'),
        bare(b'["a"]'),
        bare(b"\xff"),
        bare(b"[" * 5000),
        bare(b'{"iss":"a","sub":"a"}') + "\n",
        bare(b'{"iss":"a","sub":"a","x":"' + b"x" * MAX_TOKEN + b'"}'),
    ],
)
def test_what_says_nothing_is_nobodys(text: str) -> None:
    assert claimed(text) is None
