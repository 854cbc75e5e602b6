"""The table in README.md names each fault once, and what proves it is there."""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.support.checkout import ROOT

NUMBERS = {
    "K": (1, 2, 3, 5, 6, 7, 10, 12),
    "D": (7, 9, 10, 11),
    "F": (1, 3, 4, 5, 6, 8),
    "N": (1, 3, 4, 5, 6, 8, 9, 11),
    "C": (1, 2, 4, 5, 6, 7),
    "L": (1, 2, 3),
    "S": (1, 3, 4, 5),
    "T": (1, 2),
    "P": (1, 3, 5),
    "H": (1, 2, 3, 4, 5, 6, 7, 8),
    "M": (1,),
}

ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "tests/faults/README.md").read_text().splitlines()
    if re.match(r"\| [A-Z]\d+ \|", line)
]


@cache
def names_in(path: str) -> list[str]:
    return re.findall(r"^(?:async )?def (test_\w+)", (ROOT / path).read_text(), re.MULTILINE)


def proofs(cell: str) -> list[tuple[str, str]]:
    found = re.findall(r"`([\w/]+\.py)::(test_\w+)`", cell)
    return [(path if "/" in path else f"tests/faults/{path}", name) for path, name in found]


def test_every_fault_is_there_once() -> None:
    wanted = [f"{family}{number}" for family, numbers in NUMBERS.items() for number in numbers]
    assert sorted(row[0] for row in ROWS) == sorted(wanted)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_what_proves_it_is_there(row: list[str]) -> None:
    assert proofs(row[2]) or row[0] == "M1"
    for path, name in proofs(row[2]):
        assert any(test.startswith(name) for test in names_in(path)), f"{path} has no {name}"


def test_what_is_here_is_in_the_table() -> None:
    named = {
        (path, test)
        for row in ROWS
        for path, name in proofs(row[2])
        for test in names_in(path)
        if test.startswith(name)
    }
    here = {
        (f"tests/faults/{path.name}", test)
        for path in (ROOT / "tests/faults").glob("test_*.py")
        for test in names_in(f"tests/faults/{path.name}")
        if re.match(r"test_[a-z]\d", test)
    }
    assert here - named == set()
