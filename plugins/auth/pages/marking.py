"""Attributes of a form's field: what describes it, whether it is wrong, and where to begin."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from markupsafe import Markup

Marks = Callable[..., Markup]


def marks(wrong: str) -> Marks:
    """wrong: the name of the field that the message of the page (`#wrong`) is about, or nothing."""
    return partial(_marks, wrong)


def _marks(wrong: str, name: str, rule: str = "", *, first: bool = False) -> Markup:
    """rule: the id of what the field asks for. first: the field to begin with if none is wrong."""
    mine = name == wrong
    described = " ".join(filter(None, ("wrong" if mine else "", rule)))
    found = Markup(' aria-describedby="{}"').format(described) if described else Markup("")
    if mine:
        found += Markup(' aria-invalid="true"')
    return found + Markup(" autofocus") if mine or (first and not wrong) else found
