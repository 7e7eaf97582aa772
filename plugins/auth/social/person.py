"""Who somebody is at a provider."""

from __future__ import annotations

from typing import NamedTuple

LONGEST_SUBJECT = 255  # OpenID Connect Core section 2


class Person(NamedTuple):
    """Keyed by issuer and subject (ASVS 5.0 6.8.1). email: empty if the provider gave none.

    email_verified: whether the provider vouches that the mailbox is the person's.
    """

    issuer: str
    subject: str
    email: str = ""
    email_verified: bool = False
    name: str = ""


def text_of(value: object, longest: int = 200) -> str:
    """What a provider said, or nothing for what is no line of text."""
    return value[:longest] if isinstance(value, str) and value.isprintable() else ""
