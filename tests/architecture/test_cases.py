"""The table of the wire's cases (tests/acceptance/README.md) names each case once, and what proves it is there."""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.support.checkout import ROOT

NUMBERS = (
    *(1, 3, 4, 6, 8, 9, 11, 13, 14, 16, 17, 19, 20, 21, 22, 23, 24, 26, 28, 29, 30, 32, 34, 35, 37, 38, 39, 41, 43, 44),
    *(46, 47, 49, 51, 53, 54, 55, 57, 59, 60, 62, 63, 65, 67, 68, 69, 71, 72, 73, 75, 76, 78, 80, 81, 83, 84, 86, 87),
    *(89, 90, 92, 93, 95, 96, 98, 99, 100, 102, 103, 105, 106, 107, 109, 110, 112, 113, 115, 117, 119, 120, 121, 122),
    *(123, 125, 126, 128, 129, 131, 133, 134, 136, 137, 139, 140, 142, 143, 144, 146, 147),
)
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "tests/acceptance/README.md").read_text().splitlines()
    if re.match(r"\| \d+ \|", line)
]


@cache
def names_in(path: str) -> list[str]:
    return re.findall(r"^ *(?:async )?def (test_\w+)", (ROOT / path).read_text(), re.MULTILINE)


def test_every_case_is_there_once() -> None:
    assert [int(row[0]) for row in ROWS] == list(NUMBERS)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_what_proves_it_is_there(row: list[str]) -> None:
    proofs = re.findall(r"`([\w/]+\.py)::(test_\w+)`", row[3])
    assert len(proofs) == row[3].count("`") // 2 > 0
    for path, name in proofs:
        place = path if "/" in path else f"tests/acceptance/{path}"
        assert any(test.startswith(name) for test in names_in(place)), f"{place} has no {name}"
