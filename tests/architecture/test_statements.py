"""What statements must say that not every engine of a kind asks for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.checkout import ROOT

_BEGINS = re.compile(r"\b(?:FROM|JOIN) (?=\((?:SELECT|\{))")
_NAMED = re.compile(r"\s+AS [a-z{]")
_MODULES = sorted((ROOT / "proxy" / "store").rglob("*.py"))


def _texts(module: Path) -> Iterator[str]:
    """Yield every text of a module, joined as the program sees it; what is put into it is ``{}``."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _behind_parentheses(text: str) -> str | None:
    """Return what follows the parenthesis that closes the first one; None where it is not closed here."""
    depth = 0
    for index, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if depth == 0:
            return text[index + 1 :]
    return None


@pytest.mark.parametrize(("text", "rest"), [("(a (b) c) AS d", " AS d"), ("(a", None)])
def test_parentheses_are_matched(text: str, rest: str | None) -> None:
    assert _behind_parentheses(text) == rest


def test_what_is_selected_from_has_a_name() -> None:
    """Before 16, Postgres refuses a statement otherwise."""
    nameless = [
        (module.name, text)
        for module in _MODULES
        for text in _texts(module)
        for begin in _BEGINS.finditer(text)
        if (rest := _behind_parentheses(text[begin.end() :])) is not None and not _NAMED.match(rest)
    ]
    assert nameless == []
