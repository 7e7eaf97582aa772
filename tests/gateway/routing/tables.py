"""Small route tables, and requests held against them."""

from gateway.http1.headers import HeaderLines, Headers
from gateway.router import Match, NoMatch, Router, Rule

NOTHING = HeaderLines([])


def router(*rules: Rule) -> Router[str]:
    """Each rule's target is its id."""
    return Router((rule, rule.id) for rule in rules)


def paths(*patterns: str) -> Router[str]:
    return router(*(Rule(pattern, pattern) for pattern in patterns))


def find(
    table: Router[str],
    path: str | bytes,
    method: str = "GET",
    *,
    host: str = "example.com",
    query: bytes = b"",
    headers: Headers = NOTHING,
) -> Match[str] | NoMatch:
    raw = path if isinstance(path, bytes) else path.encode()
    return table.find(method, host, raw, query, headers)


def chosen(
    table: Router[str],
    path: str | bytes,
    method: str = "GET",
    *,
    host: str = "example.com",
    query: bytes = b"",
    headers: Headers = NOTHING,
) -> str | int:
    """The target, or the status of the refusal."""
    found = find(table, path, method, host=host, query=query, headers=headers)
    return found.target if isinstance(found, Match) else found.status
