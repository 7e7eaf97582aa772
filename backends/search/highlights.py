"""Where in a text the words are that were looked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from backends.search.words import WORD, Clause, folded

FRAGMENTS = 3
FRAGMENT = 160
LEAD = 40
READ = 100_000


class Piece(NamedTuple):
    """found: it is one of the words. The text is as it was put: whoever shows it escapes it."""

    text: str
    found: bool


Fragment: TypeAlias = tuple[Piece, ...]


class Span(NamedTuple):
    start: int
    end: int
    clause: int


class Window(NamedTuple):
    start: int
    end: int
    spans: list[Span]


def highlight(text: str, clauses: Sequence[Clause]) -> list[Fragment]:
    """The FRAGMENTS best places of about FRAGMENT characters, in the text's order.

    Those that hold more of the clauses are better. No more than READ characters are read. Where
    nothing is found, the beginning.
    """
    spans = _spans(text[:READ], [clause for clause in clauses if clause.wanted])
    if not spans:
        return [(Piece(text[: _word_end(text, FRAGMENT)], False),)] if text else []
    windows: list[Window] = []
    before = at = 0
    while at < len(spans):
        start = max(before, _word_start(text, spans[at].start - LEAD))
        end = before = max(_word_end(text, start + FRAGMENT), spans[at].end)
        first = at
        while at < len(spans) and spans[at].end <= end:
            at += 1
        windows.append(Window(start, end, spans[first:at]))
    best = sorted(windows, key=lambda window: -len({span.clause for span in window.spans}))
    return [_pieces(text, window) for window in sorted(best[:FRAGMENTS])]


def _spans(text: str, clauses: Sequence[Clause]) -> list[Span]:
    """What they match, in order, without overlap."""
    if not clauses:
        return []
    whole: dict[str, list[int]] = {}
    begun: list[tuple[str, int]] = []
    for number, clause in enumerate(clauses):
        if clause.prefix and len(clause.words) == 1:
            begun.append((clause.words[0], number))
        else:
            whole.setdefault(clause.words[0], []).append(number)
    beginnings = tuple(word for word, _ in begun)
    words, places = _words(text)
    spans: list[Span] = []
    for at, word in enumerate(words):
        found = next(
            (number for number in whole.get(word, ()) if _follow(clauses[number], words, at)), None
        )
        if found is None and beginnings and word.startswith(beginnings):
            found = next(number for beginning, number in begun if word.startswith(beginning))
        if found is not None and (not spans or places[at][0] >= spans[-1].end):
            spans.append(Span(places[at][0], places[at + len(clauses[found].words) - 1][1], found))
    return spans


def _words(text: str) -> tuple[list[str], list[tuple[int, int]]]:
    words: list[str] = []
    places: list[tuple[int, int]] = []
    for found in WORD.finditer(text):
        for word in _parts(found[0]):
            words.append(word)
            places.append(found.span())
    return words, places


@lru_cache(8192)
def _parts(word: str) -> list[str]:
    return folded(word).split()


def _follow(clause: Clause, words: list[str], at: int) -> bool:
    """Whether the clause's words are there; the first one is."""
    following = tuple(words[at : at + len(clause.words)])
    if following == clause.words:
        return True
    return (
        clause.prefix
        and following[:-1] == clause.words[:-1]
        and following[-1].startswith(clause.words[-1])
    )


def _pieces(text: str, window: Window) -> Fragment:
    start, end, spans = window
    pieces = []
    for span in spans:
        if start < span.start:
            pieces.append(Piece(text[start : span.start], False))
        pieces.append(Piece(text[span.start : span.end], True))
        start = span.end
    if start < end:
        pieces.append(Piece(text[start:end], False))
    return tuple(pieces)


def _word_start(text: str, at: int) -> int:
    """Where a word begins, not far from there."""
    if at <= 0:
        return 0
    space = text.find(" ", at, at + LEAD)
    return at if space < 0 else space + 1


def _word_end(text: str, at: int) -> int:
    if at >= len(text):
        return len(text)
    space = text.rfind(" ", max(0, at - LEAD), at)
    return at if space < 0 else space
