"""The scope `organisation`, and `organisation:ID`, which says the one that tokens are for.

A grant that has the second has both, and neither narrowing nor exchange takes the second away: a
token bounded to an organisation never becomes one that is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

ORGANISATION, BEGINS = "organisation", "organisation:"
NAMED = re.compile(r"organisation:([0-9a-f]{32})", re.ASCII)
LONGEST = 1000
"""Characters of all scopes of a grant, or of a consent."""


def scope_of(organisation_id: str) -> str:
    return BEGINS + organisation_id


def organisation_in(scopes: Iterable[str]) -> str | None:
    """The id, of which there is one at most."""
    return next((found[1] for each in scopes if (found := NAMED.fullmatch(each))), None)


def remembered(given: frozenset[str], agreed: Iterable[str]) -> frozenset[str]:
    """Consent to both; to other organisations as long as there is room."""
    wanted = frozenset(agreed)
    both = given | wanted
    if len(" ".join(both)) <= LONGEST:
        return both
    return frozenset(each for each in both if each in wanted or not NAMED.fullmatch(each))
