"""Edits of JSON by path."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.exchange import Identity
from gateway.json_edits import JSONEdits, NotJSON
from tests.gateway.middlewares.passing import request


def edited(document: Any, **edits: Any) -> Any:
    compiled = JSONEdits(**{"rename": {}, "remove": [], "add": {}, **edits})
    exchange = request(
        headers=[("X-Tenant", "acme")], identity=Identity("ann", "jwt", {"sub": "änn\n"})
    )
    return json.loads(compiled.apply(json.dumps(document).encode(), exchange))


@pytest.mark.parametrize(
    ("before", "edits", "after"),
    [
        ({"a": 1, "b": 2}, {"remove": ["a"]}, {"b": 2}),
        ({"a": {"b": 1, "c": 2}}, {"remove": ["a.b"]}, {"a": {"c": 2}}),
        ({"a": 1}, {"remove": ["b", "a.b", "b.*.c", "a.*.b"]}, {"a": 1}),
        ({"i": [{"n": 1}, 2, {"n": 3}]}, {"remove": ["i.*.n"]}, {"i": [{}, 2, {}]}),
        ([{"n": 1}], {"remove": ["*.n"]}, [{}]),
        ([[{"n": 1}]], {"remove": ["*.*.n"]}, [[{}]]),
        ({"a": {"b": 1}}, {"rename": {"a.b": "c"}}, {"a": {"c": 1}}),
        ({"a": 1, "b": 2}, {"rename": {"a": "b"}}, {"b": 1}),
        ({"b": 2}, {"rename": {"a": "b"}}, {"b": 2}),
        ({"a": 1}, {"rename": {"a": "a"}}, {"a": 1}),
        ({}, {"add": {"a.b": {"c": [1, None]}}}, {"a": {"b": {"c": [1, None]}}}),
        ({"a": "x"}, {"add": {"a.b": 1}}, {"a": {"b": 1}}),
        ({"a": [{}, 1]}, {"add": {"a.*.b": True}}, {"a": [{"b": True}, 1]}),
        ({}, {"add": {"a.*.b": 1, "c.d.*.e": 1}}, {"c": {}}),
        ({"a": None}, {"add": {"a.*.b": 1}}, {"a": None}),
        ({"a": [{}]}, {"add": {"a.*.b.c": 1}}, {"a": [{"b": {"c": 1}}]}),
        ({"a": 1}, {"add": {"a": 2}}, {"a": 2}),
        ({}, {"add": {"t": "${header:x-tenant}/${jwt.sub}!"}}, {"t": "acme/änn\n!"}),
        ({}, {"add": {"t": "${header:x-none}", "u": "plain"}}, {"t": "", "u": "plain"}),
        (7, {"add": {"a": 1}, "remove": ["b"]}, 7),
        (
            {"old": 1, "new": 2},
            {"remove": ["new"], "rename": {"old": "new"}, "add": {"x": 0}},
            {"new": 1, "x": 0},
        ),
    ],
)
def test_documents_come_out_as_told(before: Any, edits: dict[str, Any], after: Any) -> None:
    assert edited(before, **edits) == after


def test_what_is_not_named_stays_exact() -> None:
    text = b'{"n":123456789012345678901234567890,"e":"\xc3\xa9","f":1.5,"z":null}'
    assert JSONEdits({}, ["x"], {}).apply(text, request()) == text


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{}x", b"NaN", b'"\\ud800"', b'"\xff"', b"[" * 100_000, b"[1e999]", b"9" * 5000],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(NotJSON):
        JSONEdits({}, ["x"], {}).apply(body, request())


@pytest.mark.parametrize(
    "edits",
    [
        {"remove": [""]},
        {"remove": ["a..b"]},
        {"remove": ["a.*"]},
        {"remove": ["a*.b"]},
        {"remove": [".".join("a" * 65)]},
        {"rename": {"a": "b.c"}},
        {"rename": {"a": ""}},
        {"add": {"a": "${nobody}"}},
        {"add": {"a": "${ip"}},
    ],
)
def test_what_is_no_path_is_refused_at_load(edits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        JSONEdits(**{"rename": {}, "remove": [], "add": {}, **edits})


def test_none_is_false() -> None:
    assert not JSONEdits({}, [], {})
    assert JSONEdits({}, ["a"], {})
