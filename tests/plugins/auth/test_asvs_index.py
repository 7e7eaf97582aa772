"""Every item of OWASP ASVS 5.0, chapters V6, V7, V9 and V10, has a test that names it.

A test names its item by its name (`test_6_2_1_...`), and others in the first words of its
docstring (`ASVS 5.0 6.2.2, 6.2.3.`). Items of a section are numbered from 1 without gaps.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[2]
PLACES = ("plugins/auth", "gateway/jose", "gateway/middlewares")
SECTIONS = {
    "6.1": 3, "6.2": 12, "6.3": 8, "6.4": 6, "6.5": 8, "6.6": 4, "6.7": 2, "6.8": 4,
    "7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 3, "7.6": 2,
    "9.1": 3, "9.2": 4,
    "10.1": 2, "10.2": 3, "10.3": 5, "10.4": 16, "10.5": 5, "10.6": 2, "10.7": 3,
}  # fmt: skip
"""How many items each has."""
NAME = re.compile(r"test_(\d+)_(\d+)_(\d+)_")
WORDS = re.compile(r"ASVS 5\.0 (\d+\.\d+\.\d+(?:, \d+\.\d+\.\d+)*)")


def named() -> Iterator[str]:
    for place in PLACES:
        for path in sorted((TESTS / place).rglob("test_*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    if by_name := NAME.match(node.name):
                        yield ".".join(by_name.groups())
                    if node.name.startswith("test_"):
                        for found in WORDS.findall(ast.get_docstring(node) or ""):
                            yield from found.split(", ")


def test_every_item_has_a_test() -> None:
    items = {f"{section}.{n + 1}" for section, most in SECTIONS.items() for n in range(most)}
    assert len(items) == 109
    assert items - set(named()) == set()
    assert set(named()) - items == set()
