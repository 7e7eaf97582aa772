"""Scopes of what is for a person: `narrowed`, and the organisation that may be among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from plugins.auth.access.organisation_scope import NAMED, ORGANISATION, organisation_in
from plugins.auth.oauth.errors import OAuthError
from plugins.auth.oauth.token_endpoint import narrowed


def for_person(sent: Mapping[str, str], scopes: tuple[str, ...]) -> tuple[str, ...]:
    """What is asked for of the client's scopes; with the scope `organisation` also
    `organisation:ID`, which has that with it. Raises OAuthError."""
    asked = dict.fromkeys(sent.get("scope", "").split(" "))
    named = tuple(each for each in asked if NAMED.fullmatch(each))
    if len(named) > 1:
        raise OAuthError("invalid_scope", "tokens are for one organisation")
    if not named or ORGANISATION not in scopes:
        return narrowed(sent, scopes)
    found = narrowed(sent, (*scopes, *named))
    return found if ORGANISATION in found else (*found, ORGANISATION)


def kept(sent: Mapping[str, str], whole: Iterable[str], allowed: Iterable[str]) -> tuple[str, ...]:
    """What is asked for of the scopes that are both held and allowed, and in any case the
    organisation that is held. Raises OAuthError."""
    whole, allowed = tuple(whole), frozenset(allowed)
    held = tuple(each for each in whole if each in allowed or NAMED.fullmatch(each))
    found = narrowed(sent, held)
    if organisation_in(whole) == organisation_in(found):
        return found
    return (*found, *(each for each in whole if NAMED.fullmatch(each)))
