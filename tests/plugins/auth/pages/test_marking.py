"""Attributes of the fields of forms."""

from __future__ import annotations

from plugins.auth.pages.marking import marks


def test_a_field_that_is_wrong_says_so_and_is_where_one_goes_on() -> None:
    of = marks("password")
    assert of("password", "rule", first=False) == (
        ' aria-describedby="wrong rule" aria-invalid="true" autofocus'
    )
    assert of("email", first=True) == ""


def test_when_none_is_wrong_one_begins_with_the_first() -> None:
    of = marks("")
    assert of("email", first=True) == " autofocus"
    assert of("password", "rule") == ' aria-describedby="rule"'
    assert of("password") == ""
