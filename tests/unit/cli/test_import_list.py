"""A JSON list is read member by member, however it is laid out and wherever its pieces are cut; and gone on with."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as some

from proxy.cli import importing
from proxy.cli.import_line import Line
from proxy.cli.import_list import Cutter
from proxy.loader.amendments import Amender
from tests.support.carried import whole
from tests.unit.cli.conftest import Command, Elsewhere, Record

_LONGEST = 10_000
_VALUES = some.recursive(
    some.none() | some.integers(-9, 9) | some.text('a"\\{}[],\n ü', max_size=8),
    lambda inner: (
        some.lists(inner, max_size=3) | some.dictionaries(some.text("k\"\\{'", max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def _cut(data: bytes, size: int, cutter: Cutter) -> list[Line]:
    found = [line for at in range(0, len(data), size) for line in cutter.cut(data[at : at + size])]
    return [*found, *cutter.rest()]


@given(members=some.lists(_VALUES, max_size=6), indent=some.none() | some.integers(0, 2), size=some.integers(1, 40))
def test_members_are_those_of_the_list_and_can_be_gone_on_with(
    members: list[Any], indent: int | None, size: int
) -> None:
    data = json.dumps(members, indent=indent).encode() + b"\n"
    cutter = Cutter(_LONGEST)
    lines = _cut(data, size, cutter)
    assert [orjson.loads(line.data or b"") for line in lines] == members
    assert [line.number for line in lines] == list(range(1, len(members) + 1))
    assert all(b"\n" not in (line.data or b"") for line in lines)
    assert cutter.broken is None
    for line in lines:
        later = Cutter(_LONGEST, line.after, line.number)
        assert _cut(data[line.after :], size, later) == lines[line.number :]
        assert later.broken is None


@given(data=some.binary(max_size=60).map(lambda tail: b"[" + tail), size=some.integers(1, 7))
def test_what_is_damaged_ends_and_says_so_wherever_it_was_cut(data: bytes, size: int) -> None:
    one, other = Cutter(_LONGEST), Cutter(_LONGEST)
    assert _cut(data, size, one) == _cut(data, len(data), other)
    assert one.broken == other.broken


@pytest.mark.parametrize(
    ("data", "members", "broken"),
    [
        (b"[]", [], None), (b'[{"a":1},]', [b'{"a":1}'], None), (b'[{"a":1}', [b'{"a":1}'], "ends in the middle"),
        (b'[{"a":1},{"b', [b'{"a":1}', b'{"b'], "ends in the middle"), (b"[{}] [{}]", [b"{}"], "goes on behind"),
        (b"[{}}, {}]", [b"{}}", b"{}"], None), (b'["a\\', [b'"a\\'], "ends in the middle"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_list_is_said(data: bytes, members: list[bytes], broken: str | None) -> None:
    cutter = Cutter(_LONGEST)
    assert [line.data for line in _cut(data, 3, cutter)] == members
    assert (cutter.broken or "").startswith(broken or "")
    assert (cutter.broken is None) == (broken is None)


def test_a_member_too_long_for_a_call_is_passed_over() -> None:
    cutter = Cutter(10)
    assert [line.data for line in _cut(b'[{"a":1},"' + b"x" * 50 + b'",{"b":2}]', 4, cutter)] == [
        b'{"a":1}', None, b'{"b":2}',
    ]  # fmt: skip


@pytest.mark.parametrize("is_laid_out", [False, True])
def test_a_list_that_was_exported_comes_back_as_it_was(
    dashcam: Command, record: Record, tmp_path: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch,
    is_laid_out: bool,
) -> None:  # fmt: skip
    record(*(whole(number) for number in range(5)))
    assert dashcam("export", "--content", "--to", "one.json").code == 0
    one = tmp_path / "one.json"
    if is_laid_out:
        one.write_bytes(b"\xef\xbb\xbf\n " + json.dumps(json.loads(one.read_bytes()), indent=2).encode())
    elsewhere("other")
    monkeypatch.setattr(importing, "BATCH", 2)
    write, left = Amender.write, [2]

    def breaking(self: Amender, change: Any) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return write(self, change)

    with monkeypatch.context() as patch:
        patch.setattr(Amender, "write", breaking)
        assert dashcam("import", "one.json").code == 130
    said = dashcam("import", "one.json")
    assert (said.code, "going on behind 2 calls" in said.err, "5 calls: 5 stored" in said.err) == (0, True, True), (
        said.err
    )
    assert dashcam("export", "--content", "--to", "two.json").code == 0
    assert json.loads((tmp_path / "two.json").read_bytes()) == json.loads(
        one.read_bytes().removeprefix(b"\xef\xbb\xbf")
    )


def test_a_packed_list_that_was_cut_off_says_so_and_keeps_what_came_before(
    dashcam: Command, record: Record, tmp_path: Path, elsewhere: Elsewhere
) -> None:
    record(whole(1), whole(2))
    dashcam("export", "--content", "--to", "one.json")
    data = (tmp_path / "one.json").read_bytes()
    (tmp_path / "cut.json.gz").write_bytes(gzip.compress(data[: len(data) // 2 + 100]))
    elsewhere("other")
    said = dashcam("import", "cut.json.gz")
    assert said.code == 7
    assert "2 calls: 1 stored, 0 there already, 1 call refused" in said.err
    assert "call 2: is no JSON" in said.err
    assert "the file ends in the middle of its list; what came before is not lost" in said.err
