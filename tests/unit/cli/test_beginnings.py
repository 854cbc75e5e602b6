"""Server-sent events as they come: whole ones, whatever else stands between them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cli.beginnings import events_in
from proxy.control.live.events import HEARTBEAT, RETRY, Event


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3), max_size=5))
def test_what_is_told_is_heard(told: list[dict[str, str]]) -> None:
    sent = RETRY + b"".join([HEARTBEAT + Event("start", data, "an-id").to_bytes() for data in told])
    assert list(events_in(sent.splitlines(keepends=True))) == [("start", data) for data in told]


def test_what_is_cut_off_is_not_heard_and_what_is_no_json_is_told() -> None:
    assert list(events_in([b"event: start\n", b'data: {"id"'])) == []
    with pytest.raises(json.JSONDecodeError):
        list(events_in([b"event: start\n", b"data: {\n", b"\n"]))
