from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from backends.blobs.signing import Grant, Signer
from backends.errors import Refused

SIGNER = Signer(b"0123456789abcdef")
PUT = Grant("PUT", "a/b c", "text/plain", None)
GET = Grant("GET", "a/b c", None, "name.txt")


def query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


@pytest.mark.parametrize("grant", [GET, PUT])
def test_what_was_signed_is_granted(grant: Grant) -> None:
    signed = SIGNER.sign("https://x/blobs/", grant, 60)
    assert signed.url.startswith("https://x/blobs/a/b%20c?")
    assert SIGNER.verify(grant.method, grant.key, query(signed.url)) == grant


def test_who_may_get_may_ask_for_the_head() -> None:
    signed = SIGNER.sign("https://x", GET, 60)
    assert SIGNER.verify("HEAD", GET.key, query(signed.url)) == GET


@pytest.mark.parametrize(
    "change",
    [
        *({"expires": "99999999999"}, {"filename": "other.txt"}, {"type": "text/html"}),
        *({"signature": ""}, {"signature": "é"}, {"signature": "\udcff"}, {"expires": ""}),
        *({"expires": "-1"}, {"expires": "\u0661"}, {"expires": "9" * 5000}, {"expires": "1e9"}),
    ],
    ids=ascii,
)
def test_a_change_is_refused(change: dict[str, str]) -> None:
    given = query(SIGNER.sign("https://x", GET, 60).url)
    with pytest.raises(Refused, match="not signed"):
        SIGNER.verify("GET", GET.key, given | change)


@pytest.mark.parametrize(("method", "key"), [("PUT", GET.key), ("DELETE", GET.key), ("GET", "a")])
def test_another_method_or_key_is_refused(method: str, key: str) -> None:
    given = query(SIGNER.sign("https://x", GET, 60).url)
    with pytest.raises(Refused, match="not signed"):
        SIGNER.verify(method, key, given)


def test_a_type_cannot_be_taken_for_a_name() -> None:
    given = query(SIGNER.sign("https://x", Grant("PUT", "k", "a/b", None), 60).url)
    given["filename"] = given.pop("type")
    with pytest.raises(Refused, match="not signed"):
        SIGNER.verify("PUT", "k", given)


def test_another_secret_is_refused() -> None:
    given = query(Signer(b"f" * 16).sign("https://x", GET, 60).url)
    with pytest.raises(Refused, match="not signed"):
        SIGNER.verify("GET", GET.key, given)


def test_a_url_past_its_time_is_refused() -> None:
    given = query(SIGNER.sign("https://x", GET, -1).url)
    with pytest.raises(Refused, match="past"):
        SIGNER.verify("GET", GET.key, given)


def test_a_signer_does_not_show_its_secret() -> None:
    assert "0123" not in repr(SIGNER)
