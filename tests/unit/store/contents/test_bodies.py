"""Bodies come back byte for byte, however they were cut, packed and shared."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.interaction import Body
from proxy.store.contents.bodies import LARGEST_SLICE, pack, read_varints, slices_of, unpack, varints


@given(st.lists(st.integers(0, 2**63 - 1)))
def test_varints_come_back(numbers: list[int]) -> None:
    assert read_varints(varints(numbers)) == numbers


@given(st.binary(max_size=5000))
def test_packing_is_undone(data: bytes) -> None:
    assert unpack(*pack(data)) == data


def test_what_compresses_well_is_compressed() -> None:
    form, packed = pack(b"again and " * 500)
    assert form == "zstd"
    assert len(packed) < 200


@given(st.binary(max_size=300), st.lists(st.integers(1, 299)))
def test_slices_join_to_the_body(content: bytes, cuts: list[int]) -> None:
    inside = tuple(sorted({cut for cut in cuts if cut < len(content)}))
    assert b"".join(slices_of(Body(content=content, cuts=inside))) == content


def test_no_slice_is_larger_than_one_value_should_be() -> None:
    content = bytes(2 * LARGEST_SLICE + 5)
    slices = slices_of(Body(content=content, cuts=(7, LARGEST_SLICE + 9)))
    assert [len(part) for part in slices] == [7, LARGEST_SLICE - 7, 9, LARGEST_SLICE - 9, 5]
