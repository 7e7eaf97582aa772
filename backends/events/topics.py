"""Topics and patterns, as NATS has them."""

from __future__ import annotations

from collections.abc import Sequence

from backends.errors import Refused
from backends.events import LARGEST_BODY, LONGEST_TOPIC

MOST_PATTERNS = 100


def check_event(topic: str, body: bytes) -> None:
    """Raises Refused."""
    _check(topic, "a topic")
    if "*" in topic or ">" in topic:
        raise Refused("events: a topic has no * or >")
    if type(body) is not bytes:
        raise Refused(f"events: a body is bytes, not {type(body).__name__}")
    if len(body) > LARGEST_BODY:
        raise Refused(f"events: a body is at most {LARGEST_BODY} bytes long")


class Patterns:
    """Raises Refused."""

    def __init__(self, patterns: Sequence[str]) -> None:
        if not 1 <= len(patterns) <= MOST_PATTERNS:
            raise Refused(f"events: a subscription has 1 to {MOST_PATTERNS} patterns")
        for pattern in patterns:
            _check(pattern, "a pattern")
        self.texts = tuple(dict.fromkeys(patterns))
        self._tokens = [_pattern_tokens(pattern) for pattern in self.texts]

    def match(self, topic: str) -> bool:
        tokens = topic.split(".")
        return any(_matches(pattern, tokens) for pattern in self._tokens)

    def first_tokens(self) -> frozenset[str] | None:
        """Of all topics that can match; None: any."""
        first = frozenset(tokens[0] for tokens in self._tokens)
        return None if first & {"*", ">"} else first


def _check(text: str, what: str) -> None:
    if not text.isprintable() or " " in text:  # of spaces, that one alone is printable
        raise Refused(f"events: {what} has printable characters only, and no spaces")
    if not all(text.split(".")):
        raise Refused(f"events: {what} is tokens with dots between them")
    if len(text.encode()) > LONGEST_TOPIC:
        raise Refused(f"events: {what} is at most {LONGEST_TOPIC} bytes long")


def _pattern_tokens(pattern: str) -> list[str]:
    tokens = pattern.split(".")
    for token in tokens:
        if len(token) > 1 and ("*" in token or ">" in token):
            raise Refused("events: * and > are tokens of their own")
    if ">" in tokens[:-1]:
        raise Refused("events: > is the last token")
    return tokens


def _matches(pattern: list[str], tokens: list[str]) -> bool:
    if pattern[-1] == ">":
        pattern = pattern[:-1]
        if len(tokens) <= len(pattern):
            return False
    elif len(tokens) != len(pattern):
        return False
    return all(mine in ("*", token) for mine, token in zip(pattern, tokens, strict=False))
