"""Which passwords and e-mail addresses are taken (ASVS 5.0 6.2), decided without the network."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from plugins.auth.accounts.errors import BadEmail, WeakPassword

LONGEST = 256
SCORED = 64
"""zxcvbn's time grows with the length, and what is longer scores well unless it repeats."""
STAND_INS, KINDS = "0123456789@({[<!|$+%", 7
"""What zxcvbn takes for letters; its time doubles with each kind of them, to seconds for all."""
EMAIL = re.compile(
    r"[^\s@<>\"(),:;\[\]\\\x00-\x1f\x7f]{1,64}@(?:[^\W_](?:[\w-]*[^\W_])?\.)*[^\W_][\w.-]*"
)


def address_of(text: str) -> str:
    """The e-mail address as it was meant. Raises BadEmail."""
    email = text.strip()
    if len(email) > 254 or not email.isprintable() or not EMAIL.fullmatch(email) or ".." in email:
        raise BadEmail("not an e-mail address")
    return email


def key_of(email: str) -> str:
    """The same for addresses that reach the same mailbox nearly everywhere: case is ignored.

    Folding would go too far: `weiß.de` and `weiss.de` are domains of two owners.
    """
    return unicodedata.normalize("NFC", email.strip().lower())[:254]


def words_of(*texts: str) -> tuple[str, ...]:
    """What a password may not be made of (ASVS 5.0 6.1.2): these, and each word of theirs."""
    parts = ((text, *text.split("@"), *re.split(r"[\W_]+", text)) for text in texts)
    each = (part for some in parts for part in some)
    return tuple(dict.fromkeys(part for part in each if len(part) > 2))


def check(password: str, least_length: int, least_score: int, about: tuple[str, ...]) -> None:
    """Blocks for up to 130 ms. about: words that are easy to guess here. Raises WeakPassword.

    No rule asks for kinds of characters, and nothing is cut off or changed.
    """
    if len(password) < least_length:
        raise WeakPassword("short")
    if len(password) > LONGEST:
        raise WeakPassword("long")
    if password.casefold() in _common():
        raise WeakPassword("common")
    from zxcvbn import zxcvbn  # noqa: PLC0415 - a second and some MB that most workers never need

    score = zxcvbn(scored(password), user_inputs=list(about))["score"]
    if score < least_score:
        raise WeakPassword("guessable")


def scored(password: str) -> str:
    """What is enough of it to tell how hard it is to guess."""
    part = password[:SCORED]
    kinds = [each for each in STAND_INS if each in part]
    return part.translate(dict.fromkeys(map(ord, kinds[KINDS:]), "_"))


@cache
def _common() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415 - as above

    return frozenset(FREQUENCY_LISTS["passwords"])
