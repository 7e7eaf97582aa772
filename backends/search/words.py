"""Words, the same for every driver: folded when they are indexed and when they are looked for."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

FOLDING = 1
"""Raised when `folded` gives other words than before: indexes then have to be filled anew."""
MOST_CLAUSES = 32
MOST_CHARACTERS = 1000
LONGEST = 200

BELOW_128 = bytes(
    code + 32 if 65 <= code <= 90 else code if chr(code).isalnum() else 32 for code in range(128)
).ljust(256)
# Accents, in whatever script; vowel signs of Indic scripts are letters to their readers.
ACCENTS = "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a"
ACCENTS += "\u064b-\u065f\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f"
ACCENT = re.compile(f"[{ACCENTS}]+")
SIGNS = "".join(
    chr(code)
    for codes in (range(0x300, 0x1E00), range(0x302A, 0x309B), range(0xA66F, 0xAC00))
    for code in codes
    if unicodedata.category(chr(code))[0] == "M"
)
# Scripts that put no spaces between words: each character is a word of its own.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
UNSPACED += "\uf900-\ufaff\U00020000-\U0003ffff"
RUN = re.compile(f"[{UNSPACED}]+")
APART = re.compile(f"[^\\w{SIGNS}]+|_+")
WORD = re.compile(f"[{UNSPACED}]|(?:(?![{UNSPACED}])[^\\W_][{SIGNS}{ACCENTS}]*)+")
# Normalizing is quadratic in a run of marks (they are put in order), and no word has so many.
HEAP = re.compile(r"[^\w\s]{32,}")
TOO_LONG = re.compile(rf"(\S{{{LONGEST}}})\S+")
LETTERS = {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "\u0131": "i"}
LETTERS |= {"æ": "ae", "œ": "oe", "þ": "th"}
LETTER = re.compile(f"[{''.join(LETTERS)}]")


def folded(text: str) -> str:
    """The words of `text` with spaces between them: without case, accents, ligatures and widths.

    A word is letters, digits and their signs; in scripts without spaces, one character. What
    is longer than LONGEST is cut.
    """
    if text.isascii():
        text = text.encode().translate(BELOW_128).decode()
    else:
        text = unicodedata.normalize("NFKD", ACCENT.sub("", HEAP.sub(" ", text))).casefold()
        text = unicodedata.normalize("NFC", ACCENT.sub("", text))
        text = LETTER.sub(lambda found: LETTERS[found[0]], text)
        text = RUN.sub(lambda run: f" {' '.join(run[0])} ", APART.sub(" ", text))
    return TOO_LONG.sub(r"\1", text)


class Clause(NamedTuple):
    """words, one after the other. prefix: the last one only has to begin so. wanted: or not."""

    words: tuple[str, ...]
    prefix: bool = False
    wanted: bool = True


ASKED = re.compile(r'(?P<no>-?)(?:"(?P<phrase>[^"]*)(?:"|$)(?P<open>\*?)|(?P<word>[^\s"]+))')


def clauses(text: str) -> list[Clause]:
    """What a user asked for: `word`, `"a phrase"`, `-not`, `-"not this"`, `pre*`.

    Every clause has to match, in any of the text fields; one that is not wanted must not.
    Nothing is an error: what is no word is left out, an open quote ends with the text, and no
    more than MOST_CHARACTERS and MOST_CLAUSES are read.
    """
    found = []
    for asked in ASKED.finditer(text[:MOST_CHARACTERS].encode(errors="replace").decode()):
        said = asked["word"] if asked["phrase"] is None else asked["phrase"]
        prefix = said.endswith("*") if asked["phrase"] is None else bool(asked["open"])
        if words := tuple(folded(said).split()):
            found.append(Clause(words, prefix, not asked["no"]))
        if len(found) == MOST_CLAUSES:
            break
    return found
