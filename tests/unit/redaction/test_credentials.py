"""Keys by what they begin with, and nothing that only looks a little like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.redaction.credentials import SEPARATOR, find_keys

KEYS = [
    "sk-proj-abcdefghijklmnopqrst", "sk-ant-api03-AbCdEfGhIjKlMnOp", "gsk_abcdefghijklmnopqrst",
    "xai-abcdefghijklmnopqrst", "hf_abcdefghijklmnopqrst", "AIzaSyA-abcdefghijklmnopqrstuvwxyz012",
    "ghp_abcdefghijklmnopqrst0123456789abcd", "github_pat_11ABCDEFG0abcdefghij", "glpat-abcdefghijklmnop",
    "AKIAIOSFODNN7EXAMPLE", "xoxb-1234567890-abcdef", "sk_live_abcdefghij", "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl",
    "Bearer abcdefghijklmnop1", "dc_abcdefghijklmnopqrstuvwx",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
]  # fmt: skip
OTHERS = [
    "ask-me-anything-about-everything", "sk-short", "Basic understandingofthings", "bearer of responsibilities",
    "AKIA", "-----BEGIN CERTIFICATE-----\nMIIEow", "eyJ.", "key risk-management-framework-x",
]  # fmt: skip


def found(text: str) -> list[str]:
    data = text.encode()
    return [data[start:end].decode() for start, end in find_keys(data)]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_found_whole_wherever_it_stands(key: str) -> None:
    for text in (key, f"my key is {key}, keep it", f'"{key}"', f"a\n{key}\nb", f"(key={key})"):
        assert key in found(text)


@pytest.mark.parametrize("text", OTHERS)
def test_what_is_no_key_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_a_private_key_without_an_end_lasts_to_the_end_of_its_text() -> None:
    beginning = b"-----BEGIN PRIVATE KEY-----\nMIIE"
    assert list(find_keys(beginning + SEPARATOR + b"another text")) == [(0, len(beginning))]


@given(st.lists(st.sampled_from([b"eyJ", b"sk-", b"AKIA", b"Bearer ", b"a", b"_", b".", b"-----BEGIN "]), max_size=60))
def test_nothing_in_a_text_makes_it_fail_and_all_spans_are_in_it(parts: list[bytes]) -> None:
    text = b"".join(parts)
    assert all(0 <= start < end <= len(text) for start, end in find_keys(text))


def test_no_byte_is_read_more_than_a_few_times() -> None:
    """Each try begins behind what the one before has read: the search is linear in the text."""
    for part in (b"eyJ", b"_eyJ", b"ask-", b"sk-a.", b"xghp_", b"-----BEGIN "):
        starts = [start for start, _ in find_keys(part * 1000)]
        ends = [end for _, end in find_keys(part * 1000)]
        assert len(starts) <= 1000 + 1
        assert sum(end - start for start, end in zip(starts, ends, strict=True)) <= 2 * len(part) * 1000
