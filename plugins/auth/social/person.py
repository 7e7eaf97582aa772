"""Who somebody is at a provider."""

from __future__ import annotations

from typing import NamedTuple

LONGEST_SUBJECT = 255  # OpenID Connect Core section 2


class Person(NamedTuple):
    """Keyed by issuer and subject (ASVS 5.0 6.8.1). email: empty if the provider gave none.

    email_verified: whether the provider vouches that the mailbox is the person's. auth_time: when
    it asked the person, in UTC seconds since 1970; None if it does not say.
    """

    issuer: str
    subject: str
    email: str = ""
    email_verified: bool = False
    name: str = ""
    auth_time: int | None = None


def time_of(value: object) -> int | None:
    """UTC seconds since 1970; None for what is no time."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 2**53:
        return None
    return int(value)


def text_of(value: object, longest: int = 200) -> str:
    """What a provider said, or nothing for what is no line of text."""
    return value[:longest] if isinstance(value, str) and value.isprintable() else ""
