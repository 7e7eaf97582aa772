"""What pages say when something about keys or organisations cannot be."""

from __future__ import annotations

from plugins.auth.access.errors import AccessError, LastOwner, TooMany
from plugins.auth.accounts.errors import BadEmail

Wrong = (AccessError, BadEmail, ValueError)
"""What the rooms of access raise about what somebody has asked for."""
FLOODED = "That address has had many letters. Wait a while."
WORDS: dict[type[Exception], str] = {
    LastOwner: "There is no other owner. Make another member an owner first.",
    TooMany: "You have as many as you may have.",
    BadEmail: "That is not an e-mail address.",
    ValueError: "That cannot be taken: a name is one line of up to 100 characters.",
    AccessError: "That is not there any more.",
}


def words(error: Exception) -> str:
    return next(text for kind, text in WORDS.items() if isinstance(error, kind))
