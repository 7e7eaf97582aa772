"""Passwords in URLs never reach the eye."""

from __future__ import annotations

import pytest

from gateway.telemetry.redaction import redact, redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://:secret@cache:6379/0", "redis://***@cache:6379/0"),
        ("cannot reach postgresql://ann:secret@db/x now", "cannot reach postgresql://***@db/x now"),
        ("'http://token@host'", "'http://***@host'"),
        ("a://u:p@h,b://u:p@h", "a://***@h,b://***@h"),
        ("postgresql://ann:se/cr/et@db/x", "postgresql://***@db/x"),
        ("postgresql://ann:se@cr@et@db/x", "postgresql://***@db/x"),
        ("http://[::1]:80/x,redis://u:p@h", "http://[::1]:80/x,redis://***@h"),
    ],
)
def test_userinfo_is_hidden(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "http://host/users/me@example.com",
        "http://host:8080/@scope/name",
        "http://[::1]:8080/a@b",
        "ann@example.com",
        "http://host/",
        "nothing",
    ],
)
def test_everything_else_is_left_alone(text: str) -> None:
    assert redact(text) == text


def test_whitespace_between_words_is_kept() -> None:
    assert redact("a  redis://u:p@h\n\tb") == "a  redis://***@h\n\tb"


def test_a_tree_is_redacted_wherever_strings_are() -> None:
    tree = {"targets": ["http://u:p@h", ("http://u:p@h", 1)], "weight": 1, "none": None}
    assert redacted(tree) == {
        "targets": ["http://***@h", ["http://***@h", 1]],
        "weight": 1,
        "none": None,
    }
